"""Generation by presets: search, rescoring in both directions, and probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .decoder_inktex import mean_attention
from .encoder_inktex import InktexEncoderOutput
from .rescoring_inktex import PRESETS, Rescoring, check_preset, rescale, search_views
from .search_inktex import (
    Choose,
    Decoded,
    SearchTask,
    Step,
    likeliest_tokens,
    search,
)
from .step_inktex import make_step

LENGTHS = ("max_length", "max_new_tokens", "generation_config")
UNSET_LENGTHS = (None, 20)
"""Values of transformers' `max_length` where it was not set."""
_OWN = frozenset({"num_beams", "num_return_sequences", "do_sample", "max_length"})
"""Arguments of `generate` that this module's own search takes, too."""
_PICTURES = ("pixel_values", "pixel_mask")
_REFINEMENTS = 3
"""Passes over given sequences in which location feedback converges: each gives its attention to the
next one as feedback. A decoder without it makes one pass alone."""


def generate_with_probabilities(
    model: Any,
    inputs: dict[str, torch.Tensor],
    preset: str | None = None,
    **generate_kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences and their probabilities; see `generate_with_details` for the arguments.

    Returns:
        `(sequences, tokens)` ids and `(sequences,)` probabilities, 0 to 1: the product of the
        probabilities of all tokens, at the model's temperature, not normalised by length.
    """
    found = generate_with_details(model, inputs, preset, **generate_kwargs)
    sequences = torch.from_numpy(found.sequences).to(model.device)
    return sequences, torch.from_numpy(found.log_probabilities).to(model.device).exp()


@torch.no_grad()
def generate_with_details(
    model: Any,
    inputs: dict[str, torch.Tensor],
    preset: str | None = None,
    allowed_tokens: torch.Tensor | None = None,
    locked: Mapping[int, int] = MappingProxyType({}),
    candidates: int = 0,
    **generate_kwargs: Any,
) -> Decoded:
    """Recognise a batch of pictures, with probabilities and attention.

    The pictures are encoded once, for the search and for the probabilities.

    Args:
        model: an `InktexForConditionalGeneration`.
        inputs: `pixel_values` and `pixel_mask` of the processor; they are moved to the model's
            device and dtype.
        preset: `fast` is greedy; `accurate` is a beam search over views of the picture at several
            sizes and in both directions, of pictures of which `fast` is not sure; see
            `rescoring_inktex`. None for that of the model's `generation_config`, or `fast` where it
            names none.
        allowed_tokens: `(vocabulary,)` bool, true for the tokens that may be generated; None for
            all. The structure of formulas has to be among them. Probabilities are those among the
            allowed tokens.
        locked: ids of tokens that the sequences have at given places, 0 for the first token. Then
            there is no search from right to left.
        candidates: how many tokens to give for each place of a sequence, the likeliest first.
        generate_kwargs: of `generate` (`num_beams`, `num_return_sequences`, `max_new_tokens`, ...),
            and `bidirectional` and `scales` (factors on the size); they override the preset.

    Returns:
        `num_return_sequences` sequences for each picture, the likeliest first, with the attention
        laid out in rows and columns. Where several views rescored, `log_probabilities` is their
        mean divided by the temperature for that.

    Raises:
        ValueError: if there is no such preset, or arguments do not go together.
        LockedTokenError: a `ValueError`, if a locked token cannot stand at its place.
    """
    preset = preset or getattr(model.generation_config, "preset", None) or "fast"
    check_preset(preset)
    kwargs = _with_length(model, {**PRESETS[preset], **generate_kwargs})
    bidirectional, scales = bool(kwargs.pop("bidirectional", False)), kwargs.pop("scales", ())
    wanted, beams = int(kwargs.get("num_return_sequences", 1)), int(kwargs.get("num_beams", 1))
    if not kwargs.get("do_sample"):
        beams = kwargs["num_beams"] = max(beams, wanted)
    is_own = kwargs.keys() <= _OWN and not kwargs.get("do_sample")
    if (bidirectional or scales or locked) and not is_own:
        others = ", ".join(sorted(kwargs.keys() - _OWN)) or "do_sample"
        raise ValueError(
            f"{others} cannot be had together with bidirectional, scales or locked: leave it out, "
            "or use the preset fast."
        )
    view = _encode(model, inputs["pixel_values"], inputs["pixel_mask"], allowed_tokens)
    longest = kwargs.get("max_length") or model.generation_config.max_length
    if is_own and beams == 1 and not bidirectional and not scales:
        found = decode(model, [view], longest, locked=locked, candidates=candidates)
    elif is_own:
        config = model.config
        reverse = config.reverse_start_token_id if bidirectional else None

        def at_other_sizes(pictures: NDArray[np.int64]) -> list[TorchView]:
            pixels, mask = (inputs[name].float().cpu().numpy()[pictures] for name in _PICTURES)
            views = []
            for scale in scales:
                seen, seen_mask = map(torch.from_numpy, rescale(pixels, mask, scale))
                memory = _encode(model, seen, seen_mask, allowed_tokens)
                views.append(TorchView(model, memory, longest))
            return views

        found = search_views(
            TorchView(model, view, longest),
            at_other_sizes,
            _task(model, longest, locked, candidates),
            len(inputs["pixel_values"]),
            Rescoring(beams, wanted, reverse, config.decoder.rescoring_temperature),
        )
    else:
        # A copy, since the beam search of transformers multiplies the one that it gets.
        copy = InktexEncoderOutput(**view)
        generated = model.generate(encoder_outputs=copy, **kwargs)
        sequences = getattr(generated, "sequences", generated)
        task = SearchTask(0, 0, 0, longest, model.grammar, candidates=candidates)
        found = _with_probabilities(model, view, sequences, task)
    rows, columns = view.grid_shape[0].tolist()
    return found.laid_out(rows, columns)


def _with_probabilities(
    model: Any,
    view: Any,
    sequences: torch.Tensor,
    task: SearchTask,
) -> Decoded:
    """Found sequences with their probabilities and those of their tokens.

    Args:
        view: what the encoder makes of the pictures.
        task: says how many candidates to give.
    """
    logits, attention = sequence_logits(model, view, sequences)
    logits = logits / model.config.decoder.token_temperature
    tokens = token_log_probabilities(logits, sequences, model.config.eos_token_id)
    count = len(view.last_hidden_state)
    pictures = np.arange(len(sequences)) // (len(sequences) // count)
    rows = sequences.cpu().numpy()
    return Decoded(
        rows,
        pictures,
        tokens.sum(dim=1).cpu().numpy(),
        tokens.cpu().numpy(),
        None if attention is None else attention.cpu().numpy(),
        *likeliest_tokens(logits.cpu().numpy(), rows, task),
    )


@torch.no_grad()
def decode(
    model: Any,
    views: Sequence[Any],
    longest: int,
    beams: int = 1,
    start: int | None = None,
    choose: Choose | None = None,
    locked: Mapping[int, int] = MappingProxyType({}),
    candidates: int = 0,
) -> Decoded:
    """`search` with a model of torch, at its temperature.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        views: outputs of its encoder for the same batch of pictures, at one size or several.
        longest: tokens of a sequence at most, start and end included.
        beams: sequences that are followed in each picture.
        start: start token, which chooses the direction; None for left to right, in which sequences
            keep to the grammar.
        choose: chooses the tokens; see `search`.
        locked, candidates: see `SearchTask`.
    """
    task = _task(model, longest, locked, candidates)
    if choose is not None or start not in (None, task.start):
        task = replace(task, start=task.start if start is None else start, grammar=None)
    if beams > 1:
        task = replace(task, token_temperature=1.0)
    steps = [make_step(model, view, longest, beams) for view in views]
    return search(steps, task, len(views[0].last_hidden_state), beams, choose)


def _task(model: Any, longest: int, locked: Mapping[int, int], candidates: int) -> SearchTask:
    """What a search from left to right needs to know of a model."""
    config = model.config
    return SearchTask(
        config.decoder_start_token_id,
        config.eos_token_id,
        config.pad_token_id,
        longest,
        model.grammar,
        config.decoder.token_temperature,
        locked,
        candidates,
    )


@torch.no_grad()
def sequence_logits(
    model: Any,
    memory: Any,
    sequences: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits of the tokens of given sequences.

    Args:
        model: an `InktexForConditionalGeneration`.
        memory: output of its encoder for a batch of pictures.
        sequences: `(batch, tokens)`, from the start token on; `batch` is that of the pictures or
            a multiple, neighbouring sequences sharing a picture.

    Returns:
        `(batch, tokens - 1, vocabulary)` float32 logits of the tokens behind the start; and
        `(batch, tokens - 1, cells)`, mean attention of the guided heads when the token is
        predicted, None if the model has none.
    """
    inputs = sequences[:, :-1]
    has_feedback = model.config.decoder.location_feedback
    attention = locations = covered = None
    for _ in range(_REFINEMENTS if has_feedback else 1):
        if has_feedback and attention is not None:
            columns = int(memory.grid_shape[0, 1])
            locations, covered = model.decoder.feedback(inputs, attention, columns)
        output = model(
            encoder_outputs=memory,
            decoder_input_ids=inputs,
            locations=locations,
            covered=covered,
            use_cache=False,
            output_guided=True,
        )
        attention = mean_attention(output.guided_logits) if output.guided_logits else None
    return output.logits.float(), attention


def token_log_probabilities(
    logits: torch.Tensor, sequences: torch.Tensor, end: int
) -> torch.Tensor:
    """`(batch, tokens - 1)` logarithms of the probabilities of the tokens behind the start.

    Args:
        logits: of `sequence_logits`, divided by the temperature.
        sequences: `(batch, tokens)`.
        end: id of the end token; tokens behind it are padding and get 0.
    """
    log_probabilities = logits.log_softmax(dim=-1)
    chosen = log_probabilities.gather(2, sequences[:, 1:, None])[..., 0]
    ended = (sequences[:, :-1] == end).cumsum(dim=1) > 0
    return chosen.masked_fill(ended, 0.0)


def _with_length(model: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `generate` with `max_length` alone, the decoder's own where none is set."""
    is_unset = model.generation_config.max_length in UNSET_LENGTHS
    if is_unset and not any(name in kwargs for name in LENGTHS):
        kwargs["max_length"] = model.config.decoder.max_position_embeddings
    if kwargs.get("max_new_tokens"):  # beside max_length, `generate` warns of it
        kwargs["max_length"] = kwargs.pop("max_new_tokens") + 1
    return kwargs


def _encode(
    model: Any, pixels: torch.Tensor, mask: torch.Tensor, allowed_tokens: torch.Tensor | None
) -> Any:
    """What the encoder makes of a batch of pictures."""
    device = model.device
    memory = model.get_encoder()(pixels.to(device, model.dtype), mask.to(device))
    if allowed_tokens is not None:
        memory["allowed_tokens"] = allowed_tokens.to(device).expand(len(pixels), -1)
    return memory


class TorchView:
    """A batch of pictures as the encoder gives it; see `rescoring_inktex.View`.

    Args:
        model: an `InktexForConditionalGeneration` in evaluation mode.
        memory: output of its encoder.
        longest: tokens of a sequence at most, start and end included.
    """

    def __init__(self, model: Any, memory: Any, longest: int) -> None:
        self.model, self.memory, self.longest = model, memory, longest

    def step(self, pictures: NDArray[np.int64], beams: int) -> Step:
        """See `rescoring_inktex.View`."""
        return make_step(self.model, self.select(pictures).memory, self.longest, beams)

    def select(self, pictures: NDArray[np.int64]) -> "TorchView":
        """See `rescoring_inktex.View`."""
        if len(pictures) == len(self.memory.last_hidden_state):
            return self
        chosen = torch.from_numpy(pictures).to(self.model.device)
        return TorchView(self.model, self.memory.select(chosen), self.longest)


__all__ = [
    "decode",
    "generate_with_details",
    "generate_with_probabilities",
    "sequence_logits",
    "token_log_probabilities",
]
