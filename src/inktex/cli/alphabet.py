"""`inktex alphabet`: the tokens that a model can read."""

from __future__ import annotations

import argparse

from inktex.alphabet import ALPHABET, alphabet_of, spellings
from inktex.shipped import pretrained_path

from .arguments import MODEL_HELP
from .console import Output, fail

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = """\
List the LaTeX tokens that a model was trained on, one a line, and behind them the other spellings
that are read as these. What is not listed is read as something else."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: token and examples, how many training examples had "
        "it; or token and read_as",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    try:
        name = options.model or str(pretrained_path())
        counts = alphabet_of(name)
    except (OSError, ValueError, ImportError) as error:
        return fail(str(error))
    if not counts:
        return fail(f"{name} does not say what it was trained on: it has no {ALPHABET}.")
    others = spellings(counts)
    output = Output()
    if options.json:
        for token, count in counts.items():
            output.write_json({"token": token, "examples": count})
        for token, read_as in others.items():
            output.write_json({"token": token, "read_as": read_as})
    else:
        for token in (*counts, *others):
            output.write(token)
    return 0 if output.fault is None else 1
