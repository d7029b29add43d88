"""The `inktex` command.

Each subcommand is a module with `DESCRIPTION`, `add_arguments(parser)` and `run(options)`, which
gives the exit status. What it raises as an OSError, ValueError or ImportError is printed. Only the
module of the subcommand that is called is imported, so modules may import what they need for their
options, and do the rest in `run`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from inktex._version import __version__

from .console import accept_any_text, discard_output, fail

__all__ = ["COMMANDS", "main"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "recognize": ("inktex.cli.recognize", "read pictures or ink"),
    "clip": ("inktex.cli.clip", "read the picture on the clipboard"),
    "transcribe": ("inktex.cli.transcribe", "read any number of pictures into a table"),
    "serve": ("inktex.serve.command", "read pictures and ink over HTTP and MCP"),
    "alphabet": ("inktex.cli.alphabet", "list the tokens that a model can read"),
    "evaluate": ("inktex.cli.evaluate", "score a model on a test set"),
    "train": ("inktex.training.command", "train a model by a recipe"),
    "average": ("inktex.training.average", "average the weights of checkpoints"),
    "export": ("inktex.cli.export", "export a model to ONNX"),
    "release": ("inktex.release.command", "publish a model on the Hub"),
}
"""Subcommands by name: the module, and what `inktex --help` says of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(
        prog="inktex", description="Handwritten mathematics in, LaTeX out."
    )
    parser.add_argument("--version", action="version", version=f"inktex {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, words) in COMMANDS.items():
        command = commands.add_parser(
            name, help=words, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if arguments[:1] == [name]:
            try:
                module = importlib.import_module(module_name)
            except ImportError as error:  # what it needs is an extra
                return fail(str(error))
            command.description = module.DESCRIPTION
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    accept_any_text()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # the reader (head, say) has seen enough
        discard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, ImportError) as error:
        return fail(str(error))
