"""The code that is saved with a model: configuration, network, processors, pipeline."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .configuration_inktex import InktexConfig, InktexDecoderConfig, InktexEncoderConfig
    from .generation_inktex import generate_with_probabilities
    from .image_processing_inktex import InktexImageProcessor
    from .modeling_inktex import (
        InktexForConditionalGeneration,
        InktexModel,
        InktexPreTrainedModel,
    )
    from .pipeline_inktex import InktexPipeline
    from .processing_inktex import InktexProcessor

__all__ = [
    "InktexConfig",
    "InktexDecoderConfig",
    "InktexEncoderConfig",
    "InktexForConditionalGeneration",
    "InktexImageProcessor",
    "InktexModel",
    "InktexPipeline",
    "InktexPreTrainedModel",
    "InktexProcessor",
    "generate_with_probabilities",
]

_HOMES = {
    "InktexConfig": "configuration_inktex",
    "InktexDecoderConfig": "configuration_inktex",
    "InktexEncoderConfig": "configuration_inktex",
    "InktexForConditionalGeneration": "modeling_inktex",
    "InktexImageProcessor": "image_processing_inktex",
    "InktexModel": "modeling_inktex",
    "InktexPipeline": "pipeline_inktex",
    "InktexPreTrainedModel": "modeling_inktex",
    "InktexProcessor": "processing_inktex",
    "generate_with_probabilities": "generation_inktex",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, since torch takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
