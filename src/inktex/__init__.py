"""inktex reads handwritten mathematics and writes LaTeX."""

from __future__ import annotations

from inktex._version import __version__

__all__ = ["__version__"]
