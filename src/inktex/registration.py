"""The classes of inktex in the Auto classes of transformers."""

from __future__ import annotations


def register() -> None:
    """Make the Auto classes and `pipeline` load inktex models by the installed code.

    Without it a model folder or Hub repository loads by `trust_remote_code=True`, from the copy of
    the code that it holds. Imports torch and transformers, which takes seconds.
    """
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageTextToText,
        AutoProcessor,
        AutoTokenizer,
    )

    from .modeling.configuration_inktex import InktexConfig
    from .modeling.image_processing_inktex import InktexImageProcessor
    from .modeling.modeling_inktex import InktexForConditionalGeneration
    from .modeling.processing_inktex import InktexProcessor
    from .tokenizer.tokenization_inktex import InktexTokenizer

    AutoConfig.register(InktexConfig.model_type, InktexConfig, exist_ok=True)
    AutoModelForImageTextToText.register(
        InktexConfig, InktexForConditionalGeneration, exist_ok=True
    )
    AutoImageProcessor.register(InktexConfig, InktexImageProcessor, exist_ok=True)
    AutoProcessor.register(InktexConfig, InktexProcessor, exist_ok=True)
    AutoTokenizer.register(InktexConfig, fast_tokenizer_class=InktexTokenizer, exist_ok=True)
