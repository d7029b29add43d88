"""Glyphs of handwriting fonts as strokes: each font is one writer.

`scripts/prepare_fonts.py` writes them to a file; this package reads it. What makes strokes of
outlines is in `inktex.data.fonts.glyph_tracing`, and needs the extra `train`.
"""

from .glyphs import FontGlyph, coverage, is_held_out, load_glyphs, save_glyphs

__all__ = ["FontGlyph", "coverage", "is_held_out", "load_glyphs", "save_glyphs"]
