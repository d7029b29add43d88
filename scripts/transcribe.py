#!/usr/bin/env python
"""The same as `inktex transcribe`, for launchers that start a script in several processes.

torchrun --nproc_per_node 8 scripts/transcribe.py scans/ --output scans.parquet
ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 scripts/transcribe.py scans/ --output ...
"""

import sys

from inktex.cli import main

if __name__ == "__main__":
    sys.exit(main(["transcribe", *sys.argv[1:]]))
