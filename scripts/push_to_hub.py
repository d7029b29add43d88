#!/usr/bin/env python
"""The same as `inktex release`: publish a model, and what belongs to it, on the Hub."""

import sys

from inktex.cli import main

if __name__ == "__main__":
    sys.exit(main(["release", *sys.argv[1:]]))
