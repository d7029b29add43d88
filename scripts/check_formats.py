#!/usr/bin/env python
"""Write readings in every format, and let the format's own program compile them.

    python scripts/check_formats.py --data data/crohme

Reads the expressions of the development split and writes each reading in all of `inktex.formats`.
KaTeX compiles LaTeX, Typst its own, SymPy reads its expressions, and MathML is parsed as XML.
AsciiMath takes any text. It needs npm, and typst and sympy of the extra `dev`. Ends with 1 if
anything does not compile. Not all formulas can be SymPy expressions; those that are written have
to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from inktex.cli.arguments import positive
from inktex.data.custom import bare
from inktex.formats import FORMATS, convert
from inktex.recognizer import Recognizer
from inktex.release.browser import install_packages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "build/npm"
_KATEX = """
import katex from "katex";
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  try {
    katex.renderToString(JSON.parse(line), { displayMode: true, strict: "error" });
    console.log("true");
  } catch {
    console.log("false");
  }
}
"""


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line, compiles, prints; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of prepare_crohme.py")
    parser.add_argument("--limit", type=positive, help="only the first expressions")
    options = parser.parse_args(arguments)
    install_packages(ROOT / "spaces_app/browser", PACKAGES)
    readings = read(options.data, options.limit)
    print("| format | readings | written | compile |\n|---|---|---|---|")
    faults = []
    for name in FORMATS:
        written, broken = check(name, readings)
        print(f"| {name} | {len(readings)} | {written} | {written - len(broken)} |")
        faults += [f"{name}: {text}" for text in broken]
    print("\n".join(faults))
    return int(bool(faults))


def read(data: Path, limit: int | None) -> list[str]:
    """Readings of the development expressions, as tokens."""
    from inktex.training.data import load_examples

    examples = load_examples(str(data), "dev")[:limit]
    recognizer = Recognizer.from_pretrained()
    found = recognizer.read_each([one.traces() for one in examples], symbols=False)
    return [one.tokens for one in found if not isinstance(one, Exception)]


def check(name: str, readings: Iterable[str]) -> tuple[int, list[str]]:
    """How many readings a format can express, and the texts of those that do not compile."""
    texts = []
    for tokens in readings:
        try:
            texts.append(convert(tokens, name))
        except ValueError:
            if name != "sympy":
                raise
    compiles = _katex if name.startswith("latex") else _each(_COMPILERS[name])
    return len(texts), [
        text for text, is_good in zip(texts, compiles(texts), strict=True) if not is_good
    ]


def _katex(texts: Sequence[str]) -> list[bool]:
    lines = "".join(json.dumps(bare(text)) + "\n" for text in texts)
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _KATEX],
        cwd=PACKAGES, input=lines, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line == "true" for line in done.stdout.split()]


def _each(compiles: Callable[[str], object]) -> Callable[[Sequence[str]], list[bool]]:
    def run(texts: Sequence[str]) -> list[bool]:
        found = []
        for text in texts:
            try:
                compiles(text)
            except Exception:  # whatever a compiler raises
                found.append(False)
            else:
                found.append(True)
        return found

    return run


def _typst(text: str) -> None:
    import typst

    typst.compile(f"$ {text} $".encode())


def _sympy(text: str) -> None:
    import sympy

    sympy.sympify(text)


_COMPILERS: dict[str, Callable[[str], object]] = {
    "mathml": ElementTree.fromstring,
    "typst": _typst,
    "asciimath": str,
    "sympy": _sympy,
}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"check_formats: {error}")
