#!/usr/bin/env python
"""Read any number of pictures into parquet or JSONL; the same as `inktex transcribe`.

    python scripts/transcribe.py scans/ --output scans.parquet
    python scripts/transcribe.py pages.zip --output pages.jsonl --preset accurate
    python scripts/transcribe.py data/*.parquet --id-column name --output out.parquet
    python scripts/transcribe.py OWNER/NAME --split train --output out.parquet   # of the Hub
    torchrun --nproc_per_node 8 scripts/transcribe.py scans/ --output scans.parquet
    ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 scripts/transcribe.py scans/ --output ...

A run that was stopped, whenever and however, goes on when the same command is given again, also
with another number of processes.
"""

import sys

from inktex.cli import main

if __name__ == "__main__":
    sys.exit(main(["transcribe", *sys.argv[1:]]))
