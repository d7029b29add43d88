"""What is not installed by default, and how to get it."""

from __future__ import annotations

import importlib.util


def require(extra: str, purpose: str, *modules: str) -> None:
    """Make sure that an extra is installed.

    Args:
        extra: its name in `pip install 'inktex[...]'`.
        purpose: what needs it, to begin the message with.
        modules: that it brings, by the names that they are imported by.

    Raises:
        ImportError: naming what is missing, and the extra.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        *most, last = missing
        names = f"{', '.join(most)} and {last}" if most else last
        raise ImportError(f"{purpose} needs {names}: pip install 'inktex[{extra}]'.")
