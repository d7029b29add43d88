"""The processor: pictures and LaTeX to tensors, generated tokens to LaTeX."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from transformers import BatchFeature
from transformers.processing_utils import ImagesKwargs, ProcessingKwargs, ProcessorMixin, Unpack

from .alphabets_inktex import allowed_tokens
from .ink_extraction_inktex import save_ink_extraction
from .remote_code_inktex import save_with_code
from .stroke_restoration_inktex import save_stroke_restoration

IGNORE = -100
"""Label of a position without loss."""


class InktexImagesKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg]
    """Settings of `InktexImageProcessor` that may be given for one call."""

    resolution: float
    symbol_height: float
    stroke_width: float
    pad_multiple: int
    max_height: int
    max_width: int


class InktexProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]
    """Keyword arguments of `InktexProcessor`."""

    images_kwargs: InktexImagesKwargs


class InktexProcessor(ProcessorMixin):
    r"""The image processor and the tokenizer in one.

    Args:
        image_processor: an `InktexImageProcessor`.
        tokenizer: an `InktexTokenizer`.

    Example:
        >>> inputs = processor(images="expression.png", return_tensors="pt")
        >>> processor.post_process_image_text_to_text(model.generate(**inputs))
        ['\\alpha x^{2}']
    """

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        super().__init__(image_processor, tokenizer)

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        return_tensors: str | None = None,
        **kwargs: Unpack[InktexProcessorKwargs],
    ) -> BatchFeature:
        """Pictures, and LaTeX to train on, to the model's inputs.

        Args:
            images: a picture or a list of them, see `InktexImageProcessor.preprocess`.
            text: LaTeX, or a list of it, in the canonical spelling, spaced or not.
            return_tensors: "pt" or "np"; tensors of torch by default.
            kwargs: settings of the image processor for this call, also as `images_kwargs`.

        Returns:
            `pixel_values` and `pixel_mask`, where there are pictures; `labels` `(batch, tokens)`
            int64, where there is text: its tokens and the end, padded with -100, without the
            start token, which the model puts in front of them.

        Raises:
            ValueError: if neither is given, if their numbers differ, or for a picture that cannot
                be read.
        """
        if images is None and text is None:
            raise ValueError("Give images, text or both.")
        return_tensors = return_tensors or "pt"
        inputs = BatchFeature({})
        settings: dict[str, Any] = {**kwargs}
        settings |= settings.pop("images_kwargs", {})
        if images is not None:
            inputs.update(self.image_processor(images, return_tensors=return_tensors, **settings))
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            if images is not None and len(inputs["pixel_values"]) != len(texts):
                raise ValueError(
                    f"There are {len(inputs['pixel_values'])} pictures, but {len(texts)} texts."
                )
            encoded = self.tokenizer(texts, padding=True, return_tensors=return_tensors)
            labels = encoded["input_ids"][:, 1:]
            padding = encoded["attention_mask"][:, 1:] == 0
            labels[padding] = IGNORE
            inputs["labels"] = labels
        return inputs

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> Any:
        """Save both parts with the code, so that they load where inktex is not installed."""
        os.makedirs(save_directory, exist_ok=True)
        save_stroke_restoration(self.image_processor.stroke_restoration, save_directory)
        save_ink_extraction(self.image_processor.ink_extraction, save_directory)
        save = super().save_pretrained
        return save_with_code(save, self.push_to_hub, save_directory, push_to_hub, **kwargs)

    def allowed_tokens(self, alphabet: frozenset[str], size: int) -> torch.Tensor:
        """`(size,)` bool: the tokens of an alphabet, and the structure of formulas.

        Args:
            alphabet: canonical tokens.
            size: of the model's vocabulary.
        """
        words = self.tokenizer.convert_ids_to_tokens([*range(size)])
        return torch.tensor(allowed_tokens(alphabet, words))

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's inputs."""
        return ["pixel_values", "pixel_mask", "labels"]

    def post_process_image_text_to_text(
        self, generated_outputs: Any, skip_special_tokens: bool = True, **kwargs: Any
    ) -> list[str]:
        """Generated ids to compact LaTeX that compiles.

        Args:
            generated_outputs: `(batch, tokens)` or `(tokens,)`, of `generate`.
            skip_special_tokens: false for the canonical tokens as they are, start and end included.
            kwargs: of the tokenizer's `decode`, for these.
        """
        rows = torch.as_tensor(generated_outputs)
        rows = rows[None] if rows.ndim == 1 else rows
        if skip_special_tokens:
            return [self.tokenizer.compact(row) for row in rows]
        texts: list[str] = self.tokenizer.batch_decode(rows, skip_special_tokens=False, **kwargs)
        return texts

    def post_process(
        self, ids: torch.Tensor, scores: torch.Tensor | None = None
    ) -> list[str] | list[tuple[str, float]]:
        """`post_process_image_text_to_text`, with `(batch,)` scores beside the LaTeX if given."""
        expressions = self.post_process_image_text_to_text(ids)
        if scores is None:
            return expressions
        return list(zip(expressions, scores.tolist(), strict=True))


__all__ = ["InktexImagesKwargs", "InktexProcessor", "InktexProcessorKwargs"]
