#!/usr/bin/env python
"""Measure inktex beside other systems, on the same pictures, with one thread.

    python scripts/export_onnx.py                                    # for the row of INT8
    python scripts/benchmark.py --pictures DIR/offline_2014.zip --output runs/benchmark
    python scripts/benchmark.py --count 4 --repeats 1 --systems torch-fast classical
    python scripts/benchmark.py --pictures ... --docs                # into the documents

Systems that are not inktex as it ships have random weights and write as many tokens as inktex does.
Every system runs in a process of its own, one after the other, in some minutes in all; those that
take long read fewer pictures. OUTPUT gets benchmark.json, benchmark.md and benchmark.png. Without
--pictures it writes its own ink.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from inktex.arguments import positive
from inktex.benchmark.measure import measure_growth, measure_start, measure_system, run_apart
from inktex.benchmark.report import REFERENCE, markdown, plot, put_into, summary
from inktex.benchmark.systems import SYSTEMS
from inktex.files import write_text

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT, README = REPOSITORY / "docs" / "performance.md", REPOSITORY / "README.md"
GROWTH, START = "growth", "start"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, write; gives the exit status."""
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
    parser.add_argument(
        "--docs", action="store_true", help=f"also write docs/{DOCUMENT.name} and README.md"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.count < 1 or options.repeats < 1:
        parser.error("--count and --repeats must be 1 or more")
    try:
        pictures = load_pictures(options.pictures, options.count)
        if options.inside:
            write_text(options.inside, json.dumps(measure_here(options, pictures)))
            return 0
        results = measure(options, len(pictures))
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    text = markdown(results)
    print(text)
    write_text(options.output / "benchmark.json", json.dumps(results, indent=1) + "\n")
    write_text(options.output / "benchmark.md", text)
    plot(results, options.output / "benchmark.png")
    if options.docs:
        image = "![the times of the systems, and how they grow]({}benchmark.png)"
        put_into(DOCUMENT, "scripts/benchmark.py", f"{text}\n{image.format('')}\n")
        put_into(README, "scripts/benchmark.py", f"{summary(results)}\n\n{image.format('docs/')}\n")
        plot(results, DOCUMENT.with_name("benchmark.png"))
    return 0


def load_pictures(source: Path | None, count: int) -> list[Image.Image]:
    """Pictures from all over a folder or zip, or drawn from ink that inktex writes.

    Raises:
        ValueError: if there are none.
    """
    if source is None:
        from inktex.ink.render import render
        from inktex.synthesis.grammar import written_expressions

        return [Image.fromarray(render(e.traces)) for e in written_expressions(count, seed=0)]
    from inktex.evaluation.reading import PICTURE_SUFFIXES, picture_files

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


def measure_here(options: argparse.Namespace, pictures: list[Image.Image]) -> dict[str, Any]:
    """What a process of its own measures."""
    if options.one == GROWTH:
        return measure_growth(options.model, _median(pictures), options.repeats)
    if options.one == START:
        return measure_start(options.model, _median(pictures), options.repeats)
    tokens = options.tokens or [1] * len(pictures)
    return measure_system(options.one, options.model, pictures, tokens, options.repeats)


def _median(pictures: list[Image.Image]) -> Image.Image:
    """The picture of median size."""
    return sorted(pictures, key=lambda picture: picture.width * picture.height)[len(pictures) // 2]


def measure(options: argparse.Namespace, count: int) -> dict[str, Any]:
    """Every system in turn; the first one tells how many tokens the others are to write."""
    script = Path(__file__).resolve()
    common = ["--count", str(options.count), "--repeats", str(options.repeats)]
    common += [] if options.pictures is None else ["--pictures", str(options.pictures)]
    common += [] if options.model is None else ["--model", str(options.model)]
    systems: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:

        def apart(name: str) -> Any:
            print(f"{name} ...", file=sys.stderr, flush=True)
            own = ["--one", name]
            if REFERENCE in systems:
                own += ["--tokens", json.dumps(systems[REFERENCE]["tokens"])]
            return run_apart([*common, *own], script, Path(temporary) / f"{name}.json")

        for name in [REFERENCE, *(one for one in options.systems if one != REFERENCE)]:
            systems[name] = apart(name)
        growth, start = apart(GROWTH), apart(START)
    return {
        "pictures": count,
        "source": "own ink" if options.pictures is None else options.pictures.stem,
        "repeats": options.repeats,
        "systems": systems,
        "growth": growth,
        "start": start,
    }


if __name__ == "__main__":
    sys.exit(main())
