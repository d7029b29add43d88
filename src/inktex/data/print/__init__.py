"""Typeset formulas: `scripts/prepare_print.py` writes them to a file, this package reads it.

What typesets is in `inktex.synthesis.print`, and needs the extra `train`.
"""

from .formulas import PrintedFormulas, PrintPicture, load_pictures, save_formulas

__all__ = ["PrintPicture", "PrintedFormulas", "load_pictures", "save_formulas"]
