#!/usr/bin/env python
"""Measure the page that reads in the browser: how fast it is, and whether it reads as Python does.

    python scripts/benchmark_browser.py                       # speed, in a Chromium
    python scripts/benchmark_browser.py --data data/crohme    # and readings of its development ink

Speed is that of the page in eight bits, given out from this machine to a browser without a cache:
bytes and seconds until the first reading, and milliseconds from pen-up to the reading of formulas
of ten symbols. Readings are compared in Node, whose WebAssembly is the browser's: strokes are read
by the JavaScript package and by the ONNX engine, in float32 and in eight bits. Of the page's
gesture for scratching out it counts which recorded strokes would be taken for it, and which
scribbles over symbols would. --skip-speed leaves the first part out. It needs npm, playwright, and
`pip install 'inktex[export]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inktex.cli.arguments import positive
from inktex.onnx.engine import OnnxEngine
from inktex.onnx.files import PRECISIONS, SINGLE
from inktex.onnx.single_settings import write_single_settings
from inktex.recognizer import Recognizer
from inktex.release.browser import WASM, build_browser, install_packages, one_graph
from inktex.shipped import pretrained_path
from inktex.synthesis.random_captions import written_expressions

ROOT = Path(__file__).resolve().parent.parent
SOURCE, PACKAGES = ROOT / "spaces_app/browser", ROOT / "build/npm"
SYMBOLS = 10
"""Of the formulas that are timed."""
WAIT = 120_000
"""Milliseconds after which the page is given up."""
_WATCH = """() => {
  addEventListener("pointerup", () => { window.lifted = performance.now(); }, true);
  new MutationObserver(() => { window.shown = performance.now(); })
    .observe(document.querySelector("#announcer"), { childList: true });
}"""


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line, measures, prints; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of scripts/prepare_crohme.py")
    parser.add_argument("--count", type=positive, default=200, help="expressions of --data")
    parser.add_argument("--formulas", type=positive, default=20, help="that are timed")
    parser.add_argument("--skip-speed", action="store_true", help="compare readings alone")
    parser.add_argument(
        "--graphs", type=Path, help="folder with int8.onnx and fp32.onnx, instead of exports"
    )
    options = parser.parse_args(arguments)
    if not options.skip_speed:
        measure_speed(graph_of(options.graphs, "int8"), options.formulas)
    if options.data:
        install_packages(SOURCE, PACKAGES)
        count_scratched(options.data)
        for precision in PRECISIONS:
            compare(graph_of(options.graphs, precision), precision, options.data, options.count)
    return 0


def graph_of(folder: Path | None, precision: str) -> Path:
    """The one-file graph of the shipped model."""
    return folder / f"{precision}.onnx" if folder else one_graph(pretrained_path(), precision)


# -------------------------------------------------------------------------------------------- speed


class _Counting(SimpleHTTPRequestHandler):
    sent = 0

    def log_message(self, *_: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        type(self).sent += len(content)
        outputfile.write(content)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, type[_Counting]]]:
    """Give a folder out; the address, and what counts the bytes."""
    handler = type("Handler", (_Counting,), {})

    def make(*given: Any) -> _Counting:
        return handler(*given, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", handler
        server.shutdown()


def measure_speed(graph: Path, count: int) -> None:
    """Print what a first visit costs, and how long readings take."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("INKTEX_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise FileNotFoundError("There is no Chromium: install one, or name it: INKTEX_CHROMIUM.")
    written = (one for one in written_expressions(2000, seed=7) if len(one.symbols) == SYMBOLS)
    formulas = [list(one.traces) for one in islice(written, count)]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        site = build_browser(SOURCE, Path(place) / "page", graph, PACKAGES)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with serving(site) as (url, handler):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(WAIT)
            began = time.perf_counter()
            page.goto(url)
            page.evaluate(_WATCH)
            draw(page, formulas[0])
            page.wait_for_selector("#copies button:not(:disabled)")
            first = time.perf_counter() - began
            page.get_by_text("Ready, offline too").wait_for()
            print(
                f"First visit: {first:.2f} s from the address to the first reading (the ink is "
                f"written as soon as there is a pad); {handler.sent / 1e6:.1f} MB sent, "
                "all files for visits without a network included."
            )
            waits = [timed(page, traces) for traces in formulas]
        browser.close()
    print(
        f"From pen-up to the reading, {len(waits)} formulas of {SYMBOLS} symbols: median "
        f"{statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms."
    )


def timed(page: Any, traces: Sequence[Any]) -> float:
    """Milliseconds from the last pen-up of a formula to its reading.

    The last stroke is begun when what was written before is read, since hands take that long.
    """
    page.locator("[data-tool=clear]").click()
    placed = draw(page, traces, last=False)
    page.wait_for_selector("#reading:not(.old)")
    page.wait_for_timeout(200)
    write(page, placed[-1])
    page.wait_for_selector("#reading:not(.old)")
    return float(page.evaluate("() => window.shown - window.lifted"))


def draw(page: Any, traces: Sequence[Any], last: bool = True) -> list[Any]:
    """Write ink with the mouse, the last stroke too or not; returns it in pixels of the window."""
    points = np.concatenate(list(traces))
    corner, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
    area = page.locator("#pad canvas").bounding_box()
    zoom = min(0.8 * area["width"] / extent[0], 0.6 * area["height"] / extent[1], 60.0)
    origin = np.array([area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"]])
    placed = [((trace - corner) * zoom + origin).astype(float) for trace in traces]
    for trace in placed if last else placed[:-1]:
        write(page, trace)
    return placed


def write(page: Any, trace: Any) -> None:
    """Write a stroke with the mouse."""
    page.mouse.move(*trace[0])
    page.mouse.down()
    for point in trace[1:]:
        page.mouse.move(*point)
    page.mouse.up()


# ----------------------------------------------------------------------------------------- readings


def ask_node(folder: Path, requests: Iterable[dict[str, Any]]) -> Iterator[Any]:
    """What the JavaScript package answers to each request.

    Args:
        folder: with the model, if any is asked for readings.
    """
    node = subprocess.Popen(
        ["node", "tools/answer.mjs", str(folder)],
        cwd=PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert node.stdin is not None
    assert node.stdout is not None
    for request in requests:
        node.stdin.write(json.dumps(request) + "\n")
        node.stdin.flush()
        yield json.loads(node.stdout.readline())
    node.stdin.close()
    node.wait()


def count_scratched(data: Path) -> None:
    """Print which strokes of the development ink the page takes for scratching out."""
    from inktex.training.data import load_examples

    inks = [
        [trace.astype(float).tolist() for trace in one.traces()]
        for one in load_examples(str(data), "dev")
    ]
    rng = np.random.default_rng(0)
    targets = [ink[int(rng.integers(len(ink)))] for ink in inks]
    asked = [{"action": "scratched", "strokes": ink} for ink in inks]
    asked += [
        {"action": "scratched", "strokes": [one, scribble(np.array(one), rng)]} for one in targets
    ]
    found = [one["value"] for one in ask_node(PACKAGES, asked)]
    strokes = sum(map(len, inks))
    mistaken = sum(bool(struck) for ink in found[: len(inks)] for struck in ink)
    struck = sum(bool(pair[1]) for pair in found[len(inks) :])
    print(
        f"Scratching out: {mistaken} of {strokes} strokes of the development ink are taken for it; "
        f"{struck} of {len(targets)} scribbles over one of its strokes are."
    )


def scribble(stroke: NDArray[np.float64], rng: np.random.Generator) -> list[list[float]]:
    """A line that goes to and fro over a stroke, five times or more, as a hand would."""
    low, high = stroke.min(axis=0), stroke.max(axis=0)
    reach = 0.25 * max(float((high - low).max()), 1.0)
    (left, top), (right, bottom) = low - reach, high + reach
    passes = int(rng.integers(5, 9))
    ends = np.array(
        [
            (left if number % 2 else right, top + (bottom - top) * number / passes)
            for number in range(passes + 1)
        ]
    )
    ends += rng.normal(0, 0.15 * reach, ends.shape)
    turned = float(rng.normal(0, 0.4))
    rotation = [[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]]
    middle = ends.mean(axis=0)
    ends = (ends - middle) @ np.array(rotation) + middle
    steps = np.linspace(0, passes, 12 * passes + 1)
    points = np.stack([np.interp(steps, range(passes + 1), ends[:, axis]) for axis in (0, 1)], 1)
    found: list[list[float]] = points.tolist()
    return found


def compare(graph: Path, precision: str, data: Path, count: int) -> None:
    """Print how many expressions the JavaScript package reads as the ONNX engine does."""
    from inktex.training.data import load_examples

    export = graph.parent if (graph.parent / "encoder.onnx").is_file() else pretrained_path()
    recognizer = Recognizer(OnnxEngine.from_pretrained(export, precision, threads=1))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copyfile(graph, folder / SINGLE)
        write_single_settings(folder / SINGLE)
        shutil.copyfile(PACKAGES / "node_modules/onnxruntime-web/dist" / WASM, folder / WASM)
        inks = [
            [np.asarray(one, dtype=np.float32) for one in example.traces()]
            for example in islice(load_examples(str(data), "dev"), count)
        ]
        asked = [
            {"action": "strokes", "strokes": [trace.astype(float).tolist() for trace in ink]}
            for ink in inks
        ]
        equal, total, times = 0, 0, []
        for ink, answer in zip(inks, ask_node(folder, asked), strict=True):
            expected = recognizer(ink, symbols=False).tokens
            equal += " ".join(answer.get("value", {}).get("tokens", ["?"])) == expected
            total += 1
            times.append(answer.get("ms", 0.0))
    print(
        f"{precision}: {equal} of {total} development expressions are read as the Python engine "
        f"reads them ({100 * equal / total:.1f} %); {statistics.median(times):.0f} ms each in "
        "Node, the median."
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"benchmark_browser: {error}")
