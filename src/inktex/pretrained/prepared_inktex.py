"""What is made of weights once, for as long as they stay what they are."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class Prepared:
    """Something that is made of weights, and made anew when these have changed or moved.

    It knows by their addresses and by their versions, which whatever writes to a tensor counts up,
    except through its `.data`; who writes there has to `forget`. No gradient flows through it, and
    copies of it, or files of models, begin with nothing.
    """

    def __init__(self) -> None:
        self._made: tuple[list[torch.Tensor], list[int], Any] | None = None

    def __call__(self, modules: Iterable[nn.Module], make: Callable[[], Any]) -> Any:
        """What `make` gave, or gives.

        Args:
            modules: that hold the weights, themselves: what is inside of them is not looked at.
            make: makes it of these weights.
        """
        weights = [
            tensor
            for module in modules
            for kind in (module._parameters, module._buffers)
            for tensor in kind.values()
            if tensor is not None
        ]
        if any(tensor.is_inference() for tensor in weights):  # these count nothing
            with torch.no_grad():
                return make()
        versions = [tensor._version for tensor in weights]
        if self._made is not None:
            before, counted, made = self._made
            addresses = [tensor.data_ptr() for tensor in weights]
            if versions == counted and addresses == [tensor.data_ptr() for tensor in before]:
                return made
        with torch.no_grad():
            made = make()
        # Kept, so that no other weights come to lie where these lay.
        self._made = [tensor.detach() for tensor in weights], versions, made
        return made

    def forget(self) -> None:
        """Make it anew next time."""
        self._made = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Prepared, ()


class PreparingModule(nn.Module):
    """A module that reads with something made of its weights, `self.prepared`.

    Who trains writes to weights in whatever way, so that it is forgotten on `train` and `eval`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prepared = Prepared()

    def train(self, mode: bool = True) -> Any:
        """See `torch.nn.Module.train`."""
        self.prepared.forget()
        return super().train(mode)


__all__ = ["Prepared", "PreparingModule"]
