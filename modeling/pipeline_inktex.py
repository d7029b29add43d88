"""`pipeline("image-to-text")` for handwritten mathematics."""

import logging
from collections.abc import Iterable
from typing import Any

import torch
from transformers import Pipeline

from .alphabets_inktex import ALPHABETS
from .generation_inktex import generate_with_probabilities
from .image_loading_inktex import picture_list

logger = logging.getLogger(__name__)


class InktexPipeline(Pipeline):
    r"""Recognises pictures: paths, URLs, bytes, PIL images, arrays or tensors, alone or in lists.

    It returns a list of `num_return_sequences` (1) results for each picture, the likeliest first:
    `generated_text`, compact LaTeX, and `score`, the probability of the whole expression, 0 to 1
    (not normalised by length).

    `preset="accurate"` takes a slower search with fewer errors. `alphabet` restricts the symbols:
    `all`, `crohme`, `school`, or a list of canonical tokens. Parameters of `generate` are taken as
    they are or in `generate_kwargs`, when the pipeline is made or called.

    As `pipeline("image-text-to-text")` it takes `images=` and `text=` as well; it needs no text,
    and ignores it with a warning.

    Example:
        >>> reader = pipeline("image-to-text", model=folder, trust_remote_code=True)
        >>> reader("expression.png", num_beams=4)
        [{'generated_text': '\\frac{1}{2}', 'score': 0.93}]
        >>> reader(["first.png", "second.png"], batch_size=2)
    """

    _load_processor = True
    # The processor holds both.
    _load_tokenizer = False
    _load_image_processor = False
    _load_feature_extractor = False

    def __call__(
        self, inputs: Any = None, text: Any = None, *, images: Any = None, **kwargs: Any
    ) -> Any:
        """Recognise one picture or several; see the class.

        Args:
            inputs, images: the pictures, by either name.
            text: ignored.
            kwargs: see the class.

        Raises:
            ValueError: for a picture that cannot be read or has no ink in it, or without pictures.
        """
        inputs = images if inputs is None else inputs
        if inputs is None:
            raise ValueError("Give a picture or a list of pictures to read.")
        if text is not None:
            logger.warning("The text is ignored: this model reads pictures alone.")
        if getattr(inputs, "ndim", 0) == 4 or isinstance(inputs, tuple):
            inputs = picture_list(inputs)
        if isinstance(inputs, list) and not inputs:
            return []
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self, generate_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {**(generate_kwargs or {}), **kwargs}, {}

    def preprocess(self, input_: Any, **_: Any) -> dict[str, Any]:
        """Normalise one picture; it is padded with its batch."""
        return {"picture": self.processor.image_processor.draw(input_)}

    def _forward(self, input_tensors: dict[str, Any], **generate_kwargs: Any) -> dict[str, Any]:
        pictures = picture_list(input_tensors["picture"])
        inputs = self.processor.image_processor.stack(pictures, return_tensors="pt")
        alphabet = generate_kwargs.pop("alphabet", None)
        if alphabet is not None and alphabet != "all":
            generate_kwargs["allowed_tokens"] = self._allowed(alphabet)
        sequences, scores = generate_with_probabilities(self.model, inputs, **generate_kwargs)
        # One row a picture, for the pipeline's loader to split.
        count = len(pictures)
        return {
            "sequences": sequences.view(count, -1, sequences.shape[-1]),
            "scores": scores.view(count, -1),
        }

    def _allowed(self, alphabet: str | Iterable[str]) -> torch.Tensor:
        """`(vocabulary,)` bool, true for the tokens that an alphabet allows."""
        if isinstance(alphabet, str):
            if alphabet not in ALPHABETS:
                raise ValueError(
                    f"There is no alphabet {alphabet!r}: give all, {', '.join(ALPHABETS)}, or a "
                    "list of canonical tokens."
                )
            tokens = ALPHABETS[alphabet]
        else:
            tokens = frozenset(alphabet)
        strange = sorted(tokens - self.processor.tokenizer.get_vocab().keys())
        if strange or not tokens:
            raise ValueError(
                f"The alphabet has what the vocabulary lacks: {' '.join(strange[:10])}."
                if strange
                else "The alphabet is empty: name the tokens that may be written."
            )
        mask: torch.Tensor = self.processor.allowed_tokens(
            tokens, self.model.config.decoder.vocab_size
        )
        return mask

    def postprocess(self, model_outputs: dict[str, torch.Tensor], **_: Any) -> list[dict[str, Any]]:
        """Results of one picture."""
        sequences, scores = model_outputs["sequences"][0], model_outputs["scores"][0]
        return [
            {"generated_text": text, "score": score}
            for text, score in self.processor.post_process(sequences, scores)
        ]


__all__ = ["InktexPipeline"]
