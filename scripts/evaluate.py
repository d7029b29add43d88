#!/usr/bin/env python
"""The same as `inktex evaluate`: the scores of a model on a test set."""

import sys

from inktex.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
