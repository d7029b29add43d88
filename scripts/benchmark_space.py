#!/usr/bin/env python
"""Measure the Space as its visitors see it, on this machine.

    python scripts/benchmark_space.py                     # both
    python scripts/benchmark_space.py --clients 0         # only the time from pen-up to answer
    python scripts/benchmark_space.py --drawings 0 --seconds 120

Prints the median time from the lifted pen to the rendered answer, in a headless Chromium, for an
expression of ten symbols; then what many clients at a time get: errors, answers that belong to
somebody else's ink, latencies, and how the server's memory grows.
"""

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from inktex.arguments import positive
from inktex.ink import Ink
from inktex.synthesis.drawing import draw

ROOT = Path(__file__).resolve().parent.parent
TEN_SYMBOLS = r"x ^ { 2 } + 2 x + 1 = 5"
CAPTIONS = (
    r"x ^ { 2 } + y ^ { 2 } = 1",
    r"\frac { a + b } { 2 }",
    r"( a + b ) ^ { 2 }",
    r"\sqrt { 2 x + 1 }",
    r"2 + 3 = 5",
)


@contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    """The Space on a free port, started as a visitor would start it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "spaces_app/app.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                sys.exit("The Space did not start: run python spaces_app/app.py to see why.")
            try:
                urllib.request.urlopen(url, timeout=10).close()
                break
            except OSError:
                time.sleep(0.5)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def pen_up_to_answer(url: str, drawings: int) -> list[float]:
    """Milliseconds from the last pen-up to the rendered answer, for each drawing."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(url)
        page.wait_for_selector("#pad [data-ready=true]", state="attached")
        page.wait_for_timeout(1000)
        page.evaluate(
            """() => {
              const stamp = (name) => () => { window[name] = performance.now(); };
              document.addEventListener("pointerup", stamp("lifted"), true);
              new MutationObserver(stamp("answered")).observe(
                document.querySelector("#answer"), { subtree: true, childList: true });
            }"""
        )
        for number in range(drawings):
            traces = _on_pad(draw(TEN_SYMBOLS, number), page)
            for trace in traces:
                page.mouse.move(*trace[0])
                page.mouse.down()
                for point in trace[1:]:
                    page.mouse.move(*point)
                page.mouse.up()
            page.wait_for_timeout(1500)
            times.append(page.evaluate("window.answered - window.lifted"))
            page.locator("[data-tool=clear]").click()
            page.wait_for_timeout(300)
        browser.close()
    return times


def _on_pad(ink: Ink, page: Any) -> list[list[list[float]]]:
    area = page.locator("#pad canvas").bounding_box()
    left, top, right, bottom = ink.box
    scale = min(area["width"] * 0.85 / (right - left), area["height"] * 0.8 / (bottom - top))
    corner = np.array([area["x"] + 20, area["y"] + 20])
    traces = [(trace[::2] - [left, top]) * scale + corner for trace in ink.traces]
    return [trace.tolist() for trace in traces]


class Load:
    """Clients that each send ink again and again, and look at what they get."""

    def __init__(self, url: str, seconds: float) -> None:
        from gradio_client import Client

        self.url, self.client = url, Client
        self.end = time.monotonic() + seconds
        self.traces = [
            [trace.tolist() for trace in draw(caption, seed).traces]
            for seed in range(3)
            for caption in CAPTIONS
        ]
        first = Client(url, verbose=False)
        self.expected = [self._ask(first, traces) for traces in self.traces]
        self.times: list[float] = []
        self.errors: list[str] = []
        self.wrong = 0

    def _ask(self, client: Any, traces: list[Any]) -> str:
        answer = client.predict(traces, "fast", 0, api_name="/recognize_ink")
        return str(answer["tokens"])

    def visit(self, seed: int) -> None:
        """One client, until the time is over."""
        rng = random.Random(seed)
        client = self.client(self.url, verbose=False)
        while time.monotonic() < self.end:
            which = rng.randrange(len(self.traces))
            began = time.monotonic()
            try:
                tokens = self._ask(client, self.traces[which])
            except Exception as error:  # whatever it is, it is counted
                self.errors.append(repr(error))
                continue
            self.times.append(1000 * (time.monotonic() - began))
            self.wrong += tokens != self.expected[which]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drawings", type=positive, default=20)
    parser.add_argument("--clients", type=positive, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    with server() as (url, process):
        if options.drawings:
            times = pen_up_to_answer(url, options.drawings)
            print(
                f"pen-up to answer, {options.drawings} drawings of ten symbols: "
                f"median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms",
                flush=True,
            )
        if not options.clients:
            return
        load = Load(url, options.seconds)
        threads = [threading.Thread(target=load.visit, args=(i,)) for i in range(options.clients)]
        for thread in threads:
            thread.start()
        memory = []
        while any(thread.is_alive() for thread in threads):
            memory.append(process.memory_info().rss / 2**20)
            time.sleep(1)
        settled = statistics.median(memory[len(memory) // 12 : len(memory) // 12 + 10])
        last = statistics.median(memory[-10:])
        print(
            f"{options.clients} clients, {options.seconds:.0f} s: {len(load.times)} answers, "
            f"{len(load.errors)} errors, {load.wrong} of other ink; median "
            f"{statistics.median(load.times):.0f} ms, worst {max(load.times):.0f} ms"
        )
        print(
            f"memory: {settled:.0f} MB after {options.seconds / 12:.0f} s, {last:.0f} MB at the "
            f"end ({100 * (last / settled - 1):+.1f} %)"
        )
        for error in sorted(set(load.errors))[:5]:
            print(error)


if __name__ == "__main__":
    main()
