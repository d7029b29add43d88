"""CROHME: its files, its splits, its data set.

    from inktex.data.crohme import Crohme

The builder needs the extra `train`, and the splits do not, so it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .builder import Crohme

__all__ = ["Crohme"]


def __getattr__(name: str) -> Any:
    if name == "Crohme":
        from .builder import Crohme

        return Crohme
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
