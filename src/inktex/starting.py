"""A quick start for a process that reads some pictures with torch, and does nothing else.

To read a picture takes a tenth of a second, to import what transformers might need in all its uses
takes seconds. Of these uses the `inktex` command has none: it trains nothing, compiles nothing and
is one process. So transformers is told that these parts are not there.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

__all__ = ["import_lightly"]

logger = logging.getLogger(__name__)

_ABSENT: Final = ("accelerate", "scipy", "sklearn", "torchvision")
"""What transformers imports where it is installed, for losses, hooks and pictures of its own."""
_COMPILER: Final = "torch._dynamo"
_TRACED: Final = f"{_COMPILER}._trace_wrapped_higher_order_op"
"""What transformers uses of torch's compiler, for masks that inktex does not make."""
_DECORATORS: Final = ("allow_in_graph", "assume_constant_result", "disable")
"""And marks for the compiler, which do nothing where nothing is compiled."""


def import_lightly() -> None:
    """Import transformers without what it has for other uses, unless that is imported already.

    What this changes lasts as long as the process: it is for commands, not for libraries. With a
    version of transformers that asks in other ways, the start is slower, and nothing else changes.
    """
    import torch
    from transformers.utils import import_utils

    if "transformers.modeling_utils" in sys.modules or "torch._dynamo" in sys.modules:
        return
    for package in _ABSENT:
        with _replaced(import_utils, "_is_package_available", lambda *_, **__: (False, "N/A")):
            _ask_again(import_utils, f"is_{package}_available")
    with _replaced(torch.distributed, "is_available", lambda: False):
        _ask_again(import_utils, "is_torch_distributed_available")
    compiler, traced = _Stub(_COMPILER), _Stub(_TRACED)
    compiler.__dict__.update(dict.fromkeys(_DECORATORS, _as_it_is))
    traced.__dict__["TransformGetItemToIndex"] = lambda: traced.real().TransformGetItemToIndex()
    sys.modules.update({_COMPILER: compiler, _TRACED: traced})
    # Its random numbers would be replaced by those of the file, but sympy is imported for them.
    setattr(torch.nn.Embedding, "reset_parameters", _do_nothing)  # noqa: B010  # mypy knows better
    try:
        importlib.import_module("transformers.modeling_utils")
    except (ImportError, AttributeError, TypeError):
        logger.debug("transformers cannot be imported lightly.", exc_info=True)
        _remove_stubs()


class _Stub(ModuleType):
    """Stands for a module of torch, with a little of what is in it, until somebody wants more."""

    def real(self) -> ModuleType:
        """The real one, which stands there from now on."""
        _remove_stubs()
        return importlib.import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.real(), name)


def _remove_stubs() -> None:
    for name in (_COMPILER, _TRACED):
        if isinstance(sys.modules.get(name), _Stub):
            del sys.modules[name]


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    """What marks for the compiler come to."""
    return _as_it_is if function is None else function


def _do_nothing(_: Any) -> None:
    """What a module does first whose weights come from a file."""


def _ask_again(module: Any, name: str) -> None:
    """Have a function that remembers its answer find it now."""
    function: Any = getattr(module, name, None)
    if hasattr(function, "cache_clear"):
        function.cache_clear()
        function()


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Put something in the place of what a module has, if it has it, for a while."""
    if not hasattr(module, name):
        yield
        return
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
