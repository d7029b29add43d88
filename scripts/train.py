#!/usr/bin/env python
"""`inktex train` as a file, for launchers: accelerate launch scripts/train.py base."""

import sys
from collections.abc import Sequence

from inktex.cli import main as inktex


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the arguments of the process; gives the exit status."""
    return inktex(["train", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
