#!/usr/bin/env python
"""Export a model to ONNX; the same as `python -m inktex.onnx.export`.

python scripts/export_onnx.py                       # the shipped model, into the user's cache
python scripts/export_onnx.py --model runs/base/best --output FOLDER
"""

import sys

from inktex.onnx.export import main

if __name__ == "__main__":
    sys.exit(main())
