#!/usr/bin/env python
"""Publish a model, and what belongs to it, on the Hub: the same as `inktex release`."""

import sys

from inktex.release.command import main

if __name__ == "__main__":
    sys.exit(main())
