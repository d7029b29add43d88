"""Pictures to tensors on the way in, tokens to LaTeX on the way out."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin

from .alphabets_inktex import allowed_tokens
from .remote_code_inktex import save_with_code
from .thinning_inktex import save_thinner

IGNORE = -100
"""Label of a position that no loss looks at."""


class InktexProcessor(ProcessorMixin):
    r"""The image processor and the tokenizer in one.

    Args:
        image_processor: an `InktexImageProcessor`.
        tokenizer: an `InktexTokenizer`.

    Example:
        >>> inputs = processor(images="expression.png", return_tensors="pt")
        >>> processor.post_process(model.generate(**inputs))
        ['\\alpha x^{2}']
    """

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        super().__init__(image_processor, tokenizer)

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Pictures, and LaTeX to learn from, to the model's inputs.

        Args:
            images: a picture or a list of them, see `InktexImageProcessor.preprocess`.
            text: LaTeX, or a list of it, in the canonical spelling, spaced or not.
            return_tensors: "pt" or "np"; tensors of torch by default.

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
        if images is not None:
            inputs.update(self.image_processor(images, return_tensors=return_tensors, **kwargs))
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
        """Write both parts and the code, so that they load where inktex is absent too."""
        os.makedirs(save_directory, exist_ok=True)
        save_thinner(self.image_processor.thinner, save_directory)
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
        """What the model takes."""
        return ["pixel_values", "pixel_mask", "labels"]

    def post_process(
        self, ids: torch.Tensor, scores: torch.Tensor | None = None
    ) -> list[str] | list[tuple[str, float]]:
        """Generated ids to compact LaTeX that compiles.

        Args:
            ids: `(batch, tokens)`, as `generate` gives them.
            scores: `(batch,)` probabilities, to be given back beside the LaTeX.
        """
        expressions: list[str] = [self.tokenizer.compact(sequence) for sequence in ids]
        if scores is None:
            return expressions
        return list(zip(expressions, scores.tolist(), strict=True))


__all__ = ["InktexProcessor"]
