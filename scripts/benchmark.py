#!/usr/bin/env python
"""Measure speed, memory and start-up of the engines and presets.

    inktex export                                                    # for the row of INT8
    python scripts/benchmark.py --pictures DIR/offline_2014.zip --output runs/benchmark
    python scripts/benchmark.py --count 4 --repeats 1 --systems torch-fast onnx
    python scripts/benchmark.py --pictures ... --docs                # into docs/engines.md

Each has a process of its own, with one thread. They read each picture in turn, so that whatever
else the machine does is the same to all. OUTPUT gets benchmark.json and benchmark.md. Without
--pictures it draws its own ink.
"""

from __future__ import annotations

import argparse
import io
import math
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from PIL import Image

from inktex.cli.arguments import positive
from inktex.files import write_json, write_text

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "engines.md"
SYSTEMS: Final = {
    "torch-fast": ("`fast`, with torch", "torch", "fast", 1),
    "onnx": ("`fast`", "onnx", "fast", 1),
    "onnx-accurate": ("`accurate`", "onnx", "accurate", 4),
    "onnx-int8": ("`fast`, INT8", "onnx-int8", "fast", 1),
}
"""By name: in words, engine, preset, and of how many pictures it reads one."""
STAGED: Final = "torch-fast"
"""Of which the stages of reading are timed; measured in any case."""
COMPARED: Final = {"onnx": "`fast`", "onnx-int8": "INT8", "torch-fast": "torch"}
"""With what the others are compared, and the heads of these columns; the default engine first."""
BEGIN, END = "<!-- generated: scripts/benchmark.py -->", "<!-- end of what was generated -->"
START: Final = {
    "import": ["-c", "import inktex"],
    "libraries": ["-c", "import torch, transformers"],
    "answer": ["-m", "inktex", "recognize"],
    "answer_torch": ["-m", "inktex", "recognize", "--engine", "torch"],
}
"""What is started, by name; a model and a picture follow the commands."""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, write; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="folder or zip (default: own ink)")
    parser.add_argument(
        "--count", type=positive, default=100, help="pictures, evenly from all (default 100)"
    )
    parser.add_argument("--repeats", type=positive, default=3, help="of each picture (default 3)")
    parser.add_argument(
        "--systems", nargs="+", choices=tuple(SYSTEMS), default=list(SYSTEMS), metavar="SYSTEM",
        help=f"of {', '.join(SYSTEMS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--model", type=Path, help="folder of a model (default: the shipped one)")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--docs", action="store_true", help="also write docs/engines.md")
    options = parser.parse_args(arguments)
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        pictures = load_pictures(options.pictures, options.count)
        names = [STAGED, *(name for name in options.systems if name != STAGED)]
        results: dict[str, Any] = {
            "pictures": len(pictures),
            "source": "own ink" if options.pictures is None else options.pictures.stem,
            "repeats": options.repeats,
            "machine": platform.processor() or platform.machine(),
            "systems": measure(names, options.model, pictures, options.repeats),
            "start": measure_start(options.model, pictures[len(pictures) // 2], options.repeats),
        }
    except (ValueError, OSError, RuntimeError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    text = markdown(results)
    print(text)
    write_json(options.output / "benchmark.json", results)
    write_text(options.output / "benchmark.md", text)
    if options.docs:
        put_into(DOCUMENT, text)
    return 0


def load_pictures(source: Path | None, count: int) -> list[Image.Image]:
    """Pictures from all over a folder or zip, or drawn from ink that inktex writes.

    Raises:
        ValueError: if there are none.
    """
    if source is None:
        from inktex.ink.render import render
        from inktex.synthesis.random_captions import written_expressions

        return [Image.fromarray(render(e.traces)) for e in written_expressions(count, seed=0)]
    from inktex.evaluation.samples import PICTURE_SUFFIXES, picture_files

    files = sorted(
        (name, content)
        for name, content in picture_files(source)
        if Path(name).suffix.lower() in PICTURE_SUFFIXES
    )
    if not files:
        raise ValueError(f"There is no picture in {source}.")
    count = min(count, len(files))
    chosen = [files[i * len(files) // count][1] for i in range(count)]
    return [Image.open(io.BytesIO(content)).convert("L") for content in chosen]


class Worker:
    """An engine with a preset, in a process of its own."""

    def __init__(self, name: str, model: Path | None) -> None:
        self.name, self.every, self._model = name, SYSTEMS[name][3], model
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def ask(self, kind: str, pictures: list[Image.Image]) -> Any:
        """The answer of `_answer`; raises a RuntimeError if it fails there."""
        try:
            return self._pool.submit(_answer, self.name, self._model, kind, pictures).result()
        except Exception as error:
            raise RuntimeError(f"{self.name}: {error}") from error


@cache
def _recognizer(engine: str, model: Path | None) -> Any:
    from inktex import load

    threads: dict[str, Any] = {} if engine == "torch" else {"threads": 1}
    return load(model, engine=engine, **threads)


def _answer(name: str, model: Path | None, kind: str, pictures: list[Image.Image]) -> Any:
    """Seconds, processor and wall, of a `read` or of each of the `stages`; or `megabytes`."""
    _, engine, preset, _ = SYSTEMS[name]
    recognizer = _recognizer(engine, model)
    if kind == "megabytes":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    if kind == "stages":
        return {name: _time(action)[0] for name, action in _stages(recognizer, pictures[0]).items()}
    return _time(lambda: recognizer.read(pictures, preset=preset, symbols=False))


def _stages(recognizer: Any, picture: Image.Image) -> dict[str, Callable[[], Any]]:
    """Parts of reading a picture greedily with torch, in order."""
    import torch

    from inktex.engine import MAX_TOKENS
    from inktex.modeling.generation_inktex import decode

    model, processor = recognizer.model, recognizer.image_processor
    inputs = processor(picture, return_tensors="pt")
    with torch.no_grad():
        memory = model.encoder(**inputs)
    return {
        "prepare": lambda: processor(picture, return_tensors="pt"),
        "encode": torch.no_grad()(lambda: model.encoder(**inputs)),
        "decode": lambda: decode(model, [memory], MAX_TOKENS + 1),
        "all": lambda: recognizer(picture, symbols=False),
    }


def _time(action: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(
    names: list[str], model: Path | None, pictures: list[Image.Image], repeats: int
) -> dict[str, Any]:
    """Read pictures with several systems in turn, some of them only one of so many.

    Args:
        names: of the systems, `STAGED` first.
        model: folder of the model, None for the shipped one.
        repeats: of each picture, of which the median counts.

    Returns:
        For each system `every` (4: it read one picture of four); `cpu` and `wall` seconds of each
        picture; those `batched`; megabytes; and of `STAGED` those of the stages.
    """
    workers = [Worker(name, model) for name in names]
    found: dict[str, Any] = {
        one.name: {"every": one.every, "cpu": [], "wall": []} for one in workers
    }
    stages: list[dict[str, float]] = []
    for worker in workers:
        for picture in pictures[:3]:  # the first ones are slow
            worker.ask("read", [picture])
    for number, picture in enumerate(pictures):
        timed: dict[str, list[Any]] = {w.name: [] for w in workers if number % w.every == 0}
        for _ in range(repeats):
            for worker in (one for one in workers if one.name in timed):
                timed[worker.name].append(worker.ask("read", [picture]))
        for name, rows in timed.items():
            for key, values in zip(("cpu", "wall"), zip(*rows, strict=True), strict=True):
                found[name][key].append(median(values))
        stages.append(workers[0].ask("stages", [picture]))
    for worker in workers:
        chosen = pictures[:: worker.every]
        worker.ask("read", chosen[:16])
        batched = worker.ask("read", chosen)[0] / len(chosen)
        found[worker.name] |= {"batched": batched, "megabytes": worker.ask("megabytes", [])}
    found[STAGED]["stages"] = {name: median(one[name] for one in stages) for name in stages[0]}
    return found


def measure_start(model: Path | None, picture: Image.Image, repeats: int) -> dict[str, list[float]]:
    """Medians of the processor and wall seconds of what is in `START`, in turn, after a first time.

    Raises:
        RuntimeError: if one fails, with the end of what it printed.
    """
    timed: dict[str, list[tuple[float, float]]] = {name: [] for name in START}
    with tempfile.TemporaryDirectory() as temporary:
        path = str(Path(temporary) / "picture.png")
        picture.save(path)
        given = [path] if model is None else ["--model", str(model), path]
        for _ in range(repeats + 1):
            for name, command in START.items():
                before, begun = os.times(), time.perf_counter()
                whole = [sys.executable, *command, *(given if "recognize" in command else [])]
                done = subprocess.run(whole, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(f"{' '.join(whole)} failed:\n{done.stderr[-2000:]}")
                after, wall = os.times(), time.perf_counter() - begun
                cpu = sum(after[2:4]) - sum(before[2:4])  # of child processes
                timed[name].append((cpu, wall))
    return {name: [*map(median, zip(*rows[1:], strict=True))] for name, rows in timed.items()}


def markdown(results: dict[str, Any]) -> str:
    """Tables of everything, ratios first."""
    systems, start = results["systems"], results["start"]
    lines = [
        f"{results['pictures']} pictures of {results['source']}, one thread; of "
        f"{results['repeats']} reading(s) of each the median counts; {results['machine']}. Times "
        "are of the processor, in milliseconds, with wall time of the median in brackets. A system "
        "that read fewer pictures, from all over them, is compared by these.",
        "",
        f"| preset | pictures | {' | '.join(f'times {name}' for name in COMPARED.values())} "
        "| p50 | p90 | p99 | pictures a second | in batches | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in systems.items():
        cpu = 1000 * np.array(one["cpu"])
        ratio = " | ".join(
            f"{_times(systems, name, other):.2f}" if other in systems else "" for other in COMPARED
        )
        lines.append(
            f"| {SYSTEMS[name][0]} | {len(cpu)} | {ratio} | {np.median(cpu):.1f} "
            f"({1000 * np.median(one['wall']):.1f}) | {np.quantile(cpu, 0.9):.1f} | "
            f"{np.quantile(cpu, 0.99):.1f} | {1000 / cpu.mean():.1f} | {1 / one['batched']:.1f} | "
            f"{one['megabytes']:.0f} |"
        )
    lines += ["", "| of `fast` with torch | ms, the median |", "|---|---|"]
    stages = systems[STAGED]["stages"]
    lines += [f"| {name} | {1000 * seconds:.2f} |" for name, seconds in stages.items()]
    own, libraries, answer, torch = (start[name] for name in START)
    return "\n".join(lines) + (
        f"\n\n`import inktex` takes {own[1]:.2f} s, {own[1] / libraries[1]:.2g} times as long as "
        f"importing torch and transformers without any model ({libraries[1]:.2f} s). `inktex "
        f"recognize PICTURE` has answered after {answer[1]:.2f} s ({answer[0]:.2f} s of the "
        f"processor), with `--engine torch` after {torch[1]:.2f} s ({torch[0]:.2f} s).\n"
    )


def _times(systems: dict[str, Any], name: str, other: str) -> float:
    """How many times as long as another a system takes, the median of the pictures of both."""
    every = math.lcm(systems[name]["every"], systems[other]["every"])
    cpu = [systems[one]["cpu"][:: every // systems[one]["every"]] for one in (name, other)]
    return float(np.median(cpu[0]) / np.median(cpu[1]))


def put_into(document: Path, text: str) -> None:
    """Replace the generated part of a document.

    Raises:
        ValueError: if the document has no such part.
    """
    before, found, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{document} has no part between {BEGIN!r} and {END!r}.")
    write_text(document, f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
