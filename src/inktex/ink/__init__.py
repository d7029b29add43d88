"""Digital ink: its types, its files (InkML), its pictures, and which token is which trace."""

from .types import Box, Expression, Ink, MathNode, PlacedSymbol, Symbol, Trace, bounding_box

__all__ = [
    "Box",
    "Expression",
    "Ink",
    "MathNode",
    "PlacedSymbol",
    "Symbol",
    "Trace",
    "bounding_box",
]
