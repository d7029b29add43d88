"""Minimum-risk training (MRT): the expected error of the whole expression as a loss.

The cross-entropy of the tokens asks for probability everywhere, though an expression is wrong by a
single token. MRT (Shen et al. 2016, https://aclanthology.org/P16-1159) decodes a picture greedily
and by sampling. The loss is the probability of all wrong sequences, normalized over these sequences
and the reference.
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

_LENGTHS = 8
"""Candidates are padded to a multiple of this many tokens."""
_UNLIKELY = 0.03
"""Tokens below this share of the most probable token's probability are not sampled. Label smoothing
leaves a little to every token, which would together be sampled all the time."""


class Candidates:
    """Token sequences of a batch of pictures, the reference first.

    Attributes:
        tokens: `(pictures, candidates, tokens)`, from the start token on, padded after the end.
        locations: `(pictures * candidates, tokens - 1, 2)`, location feedback at each token; None
            without location feedback.
        covered: `(pictures * candidates, tokens - 1, cells)`, coverage feedback at each token; None
            without coverage feedback.
    """

    def __init__(
        self,
        tokens: torch.Tensor,
        locations: torch.Tensor | None,
        covered: torch.Tensor | None,
    ) -> None:
        self.tokens, self.locations, self.covered = tokens, locations, covered

    def distinct(self) -> torch.Tensor:
        """`(pictures, candidates)` bool: those that differ from all earlier ones of the picture."""
        same = (self.tokens[:, :, None] == self.tokens[:, None]).all(dim=-1)
        return ~same.tril(diagonal=-1).any(dim=-1)

    def select(self, pictures: torch.Tensor, numbers: torch.Tensor) -> "Candidates":
        """Some candidates of some pictures.

        Args:
            pictures: `(pictures,)`, their numbers.
            numbers: `(pictures, candidates)`, the candidates of each.
        """
        rows = (pictures[:, None] * self.tokens.shape[1] + numbers).flatten()
        return Candidates(
            self.tokens[pictures[:, None], numbers],
            None if self.locations is None else self.locations[rows],
            None if self.covered is None else self.covered[rows],
        )

    def padded(self, multiple: int) -> "Candidates":
        """The same with a multiple of `multiple` tokens after the start token."""
        more = -(self.tokens.shape[2] - 1) % multiple
        feedback = self.locations, self.covered
        locations, covered = (
            None if one is None else functional.pad(one, (0, 0, 0, more), value=value)
            for one, value in zip(feedback, (UNKNOWN, 0.0), strict=True)
        )
        return Candidates(functional.pad(self.tokens, (0, more), value=PAD), locations, covered)


@torch.no_grad()
def sample_candidates(
    model: Any, memory: InktexEncoderOutput, references: torch.Tensor, samples: int
) -> Candidates:
    """Decode pictures along the reference, greedily and by sampling, without dropout.

    Args:
        model: with a Transformer decoder.
        references: `(pictures, tokens)`, the end included, `IGNORE` after it.
        samples: sampled sequences of each picture.
    """
    kind = references.device.type
    if torch.is_autocast_enabled(kind):
        # Autocast would convert all weights again for every token, and locations, which are sums
        # over cells, would lose their fractions.
        assert memory.last_hidden_state is not None
        hidden = memory.last_hidden_state.to(torch.get_autocast_dtype(kind))
        memory = InktexEncoderOutput(hidden, memory.attention_mask, memory.grid_shape)
        with torch.autocast(kind, enabled=False):
            return sample_candidates(model, memory, references, samples)
    pictures, longest = references.shape
    count = 2 + samples

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
    return Candidates(tokens.view(pictures, count, -1), locations, covered)


def mrt_loss(
    model: Any, hidden: torch.Tensor, batch: dict[str, torch.Tensor], samples: int
) -> torch.Tensor:
    """Mean probability, 0 to 1, of the wrong candidates among all candidates of a picture.

    Args:
        model: with a Transformer decoder.
        hidden: `(pictures, cells, hidden)`, the encoder's output for the batch, with its gradient.
        batch: of `collate`.
        samples: sampled sequences of each picture, beside the greedy one.
    """
    pictures = len(hidden)
    height, width = batch["pixel_mask"].shape[1:]
    cells = cells_with_picture(batch["pixel_mask"][:, None])
    grid = torch.tensor([[height // STRIDE, width // STRIDE]] * pictures, device=hidden.device)
    memory = InktexEncoderOutput(hidden.detach(), cells, grid)
    references = batch["labels"].view(pictures, -1, batch["labels"].shape[1])[:, 0]
    candidates = sample_candidates(model, memory, references, samples)
    new = candidates.distinct()
    missed = (new.sum(dim=1) > 1).nonzero()[:, 0]  # the others have no wrong candidate
    if not len(missed):
        return hidden.sum() * 0.0
    # Kernels are compiled for each new shape: padded to a power of two with the first picture.
    asked, wanted = len(missed), 1 << (len(missed) - 1).bit_length()
    missed = torch.cat([missed, missed[:1].expand(wanted - asked)])
    # Distinct candidates first, as many as any picture has: each is computed only once.
    count = int(new[missed].sum(dim=1).max())
    numbers = new[missed].int().argsort(dim=1, descending=True, stable=True)[:, :count]
    candidates = candidates.select(missed, numbers).padded(_LENGTHS)
    hidden, cells = hidden[missed], cells[missed]
    sequences = candidates.tokens.flatten(0, 1)
    decoder: InktexDecoder = model.decoder
    decoded = decoder(
        sequences[:, :-1],
        memory=hidden,
        memory_mask=cells,
        locations=candidates.locations,
        columns=width // STRIDE,
        covered=candidates.covered,
    )
    likely = model.lm_head(decoded.last_hidden_state).float().log_softmax(dim=-1)
    following = sequences[:, 1:]
    chosen = likely.gather(2, following[..., None])[..., 0].masked_fill(following == PAD, 0.0)
    scores = chosen.sum(dim=1).view(len(missed), -1)
    scores = scores.masked_fill(~candidates.distinct(), -torch.inf)
    return (1 - scores.softmax(dim=1)[:asked, 0]).sum() / pictures
