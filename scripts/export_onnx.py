#!/usr/bin/env python
"""The same as `inktex export`: write a model as ONNX graphs."""

import sys

from inktex.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
