"""The risk of reading an expression wrongly, which is what counts in the end.

The cross-entropy of the tokens asks for probability everywhere, though an expression is lost by the
one token where something else is a little likelier. Here the model reads by itself, greedily and by
chance, and what it read competes with what is written there: the loss is the probability, among
these, of all that is wrong (minimum risk training, Shen et al. 2016, with the error of the whole
expression for a loss).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inktex.modeling.decoder_inktex import InktexDecoder
from inktex.modeling.encoder_inktex import STRIDE, InktexEncoderOutput, cells_with_picture
from inktex.modeling.feedback_inktex import UNKNOWN
from inktex.modeling.generation_inktex import decode

from .batches import IGNORE, PAD

__all__ = ["Readings", "expression_risk", "read_by_chance"]

_LENGTHS = 8
"""Readings are padded to a multiple of this."""
_UNLIKELY = 0.03
"""Of the likeliest token's probability; what is less likely is not drawn. Label smoothing leaves
something to all tokens, which together would be drawn all the time."""


class Readings:
    """What was read in a batch of pictures, the reference among it.

    Attributes:
        tokens: `(pictures, readings, tokens)`, from the start token on, padded behind the end; the
            first reading is the reference.
        locations: `(pictures * readings, tokens - 1, 2)`, what the decoder was told with each
            token that it read; None without location feedback.
        covered: `(pictures * readings, tokens - 1, cells)`; None without coverage feedback.
    """

    def __init__(
        self,
        tokens: torch.Tensor,
        locations: torch.Tensor | None,
        covered: torch.Tensor | None,
    ) -> None:
        self.tokens, self.locations, self.covered = tokens, locations, covered

    def new(self) -> torch.Tensor:
        """`(pictures, readings)` bool: those that no earlier one of the picture is equal to."""
        same = (self.tokens[:, :, None] == self.tokens[:, None]).all(dim=-1)
        return ~same.tril(diagonal=-1).any(dim=-1)

    def of(self, pictures: torch.Tensor, numbers: torch.Tensor) -> "Readings":
        """Some readings of some pictures.

        Args:
            pictures: `(pictures,)`, their numbers.
            numbers: `(pictures, readings)`, the readings of each.
        """
        rows = (pictures[:, None] * self.tokens.shape[1] + numbers).flatten()
        return Readings(
            self.tokens[pictures[:, None], numbers],
            None if self.locations is None else self.locations[rows],
            None if self.covered is None else self.covered[rows],
        )

    def padded(self, multiple: int) -> "Readings":
        """The same with as many tokens to be read as a multiple of a number."""
        more = -(self.tokens.shape[2] - 1) % multiple
        told = self.locations, self.covered
        locations, covered = (
            None if one is None else functional.pad(one, (0, 0, 0, more), value=value)
            for one, value in zip(told, (UNKNOWN, 0.0), strict=True)
        )
        return Readings(functional.pad(self.tokens, (0, more), value=PAD), locations, covered)


@torch.no_grad()
def read_by_chance(
    model: Any, memory: InktexEncoderOutput, references: torch.Tensor, chances: int
) -> Readings:
    """Read pictures several times: as is written there, greedily, and by chance.

    Args:
        model: with a Transformer decoder, which reads without dropout here.
        memory: what its encoder gave.
        references: `(pictures, tokens)`, what is written there, the end included, `IGNORE` behind.
        chances: readings by chance of each picture.
    """
    kind = references.device.type
    if torch.is_autocast_enabled(kind):
        # Autocast would convert all weights again for every token; and places, which are sums over
        # cells, would lose their fractions.
        assert memory.last_hidden_state is not None
        hidden = memory.last_hidden_state.to(torch.get_autocast_dtype(kind))
        memory = InktexEncoderOutput(hidden, memory.attention_mask, memory.grid_shape)
        with torch.autocast(kind, enabled=False):
            return read_by_chance(model, memory, references, chances)
    pictures, longest = references.shape
    count = 2 + chances

    def choose(position: int, logits: NDArray[np.float32]) -> NDArray[np.int64]:
        likely = torch.from_numpy(logits).softmax(dim=-1)
        likely = likely.masked_fill(likely < _UNLIKELY * likely.amax(-1, keepdim=True), 0.0)
        drawn = torch.multinomial(likely, 1).view(pictures, count)
        drawn[:, 0] = references[:, position].masked_fill(references[:, position] == IGNORE, PAD)
        drawn[:, 1] = likely.view(pictures, count, -1)[:, 1].argmax(dim=-1)
        return drawn.flatten().numpy()

    found = decode(model, [memory], longest + 1, beams=count, choose=choose)
    tokens = torch.from_numpy(found.sequences).to(references.device)
    locations = covered = None
    if model.config.decoder.location_feedback and found.attention is not None:
        attention = torch.from_numpy(found.attention).to(references.device)
        assert memory.grid_shape is not None
        columns = int(memory.grid_shape[0, 1])
        locations, covered = model.decoder.feedback(tokens[:, :-1], attention, columns)
    return Readings(tokens.view(pictures, count, -1), locations, covered)


def expression_risk(
    model: Any, hidden: torch.Tensor, batch: dict[str, torch.Tensor], chances: int
) -> torch.Tensor:
    """The mean probability of what is wrong, among what the model reads and the reference.

    Args:
        model: with a Transformer decoder.
        hidden: `(pictures, cells, hidden)`, what its encoder made of the batch, with its gradient.
        batch: of `collate`.
        chances: readings by chance of each picture, beside the greedy one.
    """
    pictures = len(hidden)
    height, width = batch["pixel_mask"].shape[1:]
    cells = cells_with_picture(batch["pixel_mask"][:, None])
    grid = torch.tensor([[height // STRIDE, width // STRIDE]] * pictures, device=hidden.device)
    memory = InktexEncoderOutput(hidden.detach(), cells, grid)
    references = batch["labels"].view(pictures, -1, batch["labels"].shape[1])[:, 0]
    readings = read_by_chance(model, memory, references, chances)
    new = readings.new()
    missed = (new.sum(dim=1) > 1).nonzero()[:, 0]  # elsewhere nothing wrong was read
    if not len(missed):
        return hidden.sum() * 0.0
    # Kernels are compiled for each new shape: the first picture fills up to a power of two.
    asked, wanted = len(missed), 1 << (len(missed) - 1).bit_length()
    missed = torch.cat([missed, missed[:1].expand(wanted - asked)])
    # What was read twice is computed once: different readings first, as many as any picture has.
    count = int(new[missed].sum(dim=1).max())
    numbers = new[missed].int().argsort(dim=1, descending=True, stable=True)[:, :count]
    readings = readings.of(missed, numbers).padded(_LENGTHS)
    hidden, cells = hidden[missed], cells[missed]
    sequences = readings.tokens.flatten(0, 1)
    decoder: InktexDecoder = model.decoder
    decoded = decoder(
        sequences[:, :-1],
        memory=hidden,
        memory_mask=cells,
        locations=readings.locations,
        columns=width // STRIDE,
        covered=readings.covered,
    )
    likely = model.lm_head(decoded.last_hidden_state).float().log_softmax(dim=-1)
    following = sequences[:, 1:]
    chosen = likely.gather(2, following[..., None])[..., 0].masked_fill(following == PAD, 0.0)
    scores = chosen.sum(dim=1).view(len(missed), -1)
    scores = scores.masked_fill(~readings.new(), -torch.inf)
    return (1 - scores.softmax(dim=1)[:asked, 0]).sum() / pictures
