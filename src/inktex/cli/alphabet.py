"""`inktex alphabet`: the tokens that a model can read."""

from __future__ import annotations

import argparse

from inktex.alphabet import ALPHABET, alphabet_of, folded_spellings, spellings
from inktex.shipped import pretrained_path

from .arguments import MODEL_HELP
from .console import Output, fail

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = """\
List the LaTeX tokens that a model was trained on, one a line, and behind them the other spellings
that are read as these. What is not listed is read as something else.

    inktex alphabet                # of the shipped model
    inktex alphabet --spellings    # each token of the vocabulary with its other spellings"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: token and examples, how many training examples had "
        "it; or token and read_as",
    )
    parser.add_argument(
        "--spellings",
        action="store_true",
        help="list the tokens that have other spellings, whatever the model was trained on: the "
        "token, a colon, its other spellings",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    if options.spellings:
        return _list_spellings(options.json)
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


def _list_spellings(as_json: bool) -> int:
    output = Output()
    for token, others in folded_spellings().items():
        if as_json:
            output.write_json({"token": token, "spellings": others})
        else:
            output.write(f"{token}: {' '.join(others)}")
    return 0 if output.fault is None else 1
