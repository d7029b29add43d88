"""inktex reads handwritten mathematics and writes LaTeX.

>>> import inktex
>>> inktex.load()("expression.png").latex  # doctest: +SKIP
'x^{2}+1'

Importing the package is cheap; torch and transformers are loaded at first use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from inktex._version import __version__
from inktex.registration import register

if TYPE_CHECKING:
    from inktex.recognizer import Reading, Recognizer, load, pretrained_path

__all__ = ["Reading", "Recognizer", "__version__", "load", "pretrained_path", "register"]

# Before anything imports it: ONNX Runtime queues reports of its use in the user's cache otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        from inktex import recognizer

        return getattr(recognizer, name)
    raise AttributeError(f"module 'inktex' has no attribute {name!r}")
