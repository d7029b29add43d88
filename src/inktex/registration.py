"""Makes the classes of inktex known to the Auto classes of transformers.

Then `AutoModelForImageTextToText.from_pretrained` and its kin load inktex models by the installed
code, without `trust_remote_code`. `import inktex` shall not import torch, so each class is
registered in the moment that its Auto class is imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

_AUTO = "transformers.models.auto"


def _register_configuration(auto: ModuleType) -> None:
    from inktex.modeling.configuration_inktex import InktexConfig

    auto.AutoConfig.register(InktexConfig.model_type, InktexConfig, exist_ok=True)


def _register_model(auto: ModuleType) -> None:
    from inktex.modeling.configuration_inktex import InktexConfig
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

    auto.AutoModelForImageTextToText.register(
        InktexConfig, InktexForConditionalGeneration, exist_ok=True
    )


def _register_image_processor(auto: ModuleType) -> None:
    from inktex.modeling.configuration_inktex import InktexConfig
    from inktex.modeling.image_processing_inktex import InktexImageProcessor

    auto.AutoImageProcessor.register(InktexConfig, InktexImageProcessor, exist_ok=True)


def _register_processor(auto: ModuleType) -> None:
    from inktex.modeling.configuration_inktex import InktexConfig
    from inktex.modeling.processing_inktex import InktexProcessor

    auto.AutoProcessor.register(InktexConfig, InktexProcessor, exist_ok=True)


def _register_tokenizer(auto: ModuleType) -> None:
    from inktex.modeling.configuration_inktex import InktexConfig
    from inktex.tokenizer.tokenization_inktex import InktexTokenizer

    auto.AutoTokenizer.register(InktexConfig, fast_tokenizer_class=InktexTokenizer, exist_ok=True)


_REGISTRATIONS: dict[str, Callable[[ModuleType], None]] = {
    f"{_AUTO}.configuration_auto": _register_configuration,
    f"{_AUTO}.modeling_auto": _register_model,
    f"{_AUTO}.image_processing_auto": _register_image_processor,
    f"{_AUTO}.processing_auto": _register_processor,
    f"{_AUTO}.tokenization_auto": _register_tokenizer,
}


_UNREADY = ("inktex.modeling.", "inktex.tokenizer.", "transformers.")
"""While one of these modules runs, classes that a registration wants may not exist yet."""


class _Registrar(importlib.abc.MetaPathFinder):
    """Finds modules as Python would, and registers when an Auto module has run.

    Modules of inktex and of transformers are watched, too: one of them may be what imports an Auto
    module, and then its classes do not exist yet. Registration waits for its end.
    """

    def __init__(self) -> None:
        self.running = 0
        self.pending: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(_UNREADY):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_register(module: ModuleType) -> None:
            self.running += 1
            try:
                run(module)
            finally:
                self.running -= 1
            if fullname in _REGISTRATIONS:
                self.pending.append(fullname)
            self.settle()

        spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec

    def settle(self) -> None:
        """Register with the Auto modules that have run, unless a watched one is running."""
        while self.pending and not self.running:
            name = self.pending.pop(0)
            _REGISTRATIONS[name](sys.modules[name])


def register() -> None:
    """Register with the Auto classes that are imported, and with the others once they are."""
    if any(isinstance(finder, _Registrar) for finder in sys.meta_path):
        return
    registrar = _Registrar()
    sys.meta_path.insert(0, registrar)
    registrar.pending += [name for name in _REGISTRATIONS if name in sys.modules]
    registrar.settle()
