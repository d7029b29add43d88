r"""Which glyphs of people who did not write mathematics look like what their labels say.

Those who wrote letters for words give a third of their q the loop that mathematicians give a g
alone. A classifier that has learnt the symbols of recorded mathematics reads such glyphs as another
symbol, with a confidence that it has where that symbol was meant: these are contradicted
(confident learning; Northcutt et al. 2021, https://arxiv.org/abs/1911.00068).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn
from tqdm.auto import tqdm

from inktex.data.examples import Example
from inktex.evaluation.symbols import LOOK_ALIKES
from inktex.tokenizer.vocabulary_inktex import VOCABULARY

__all__ = ["SymbolJudge", "recorded_symbols", "symbol_picture"]

Strokes = Sequence[NDArray[np.float32]]
Symbol = tuple[str, Strokes]
_SIDE: Final = 32
"""Pixels of the classifier's pictures."""
_FILLED: Final = 25
"""Pixels of the longer side of a symbol in these: its size depends on its row, and is not told."""
_CHANNELS: Final = (24, 48, 96)
_EPOCHS: Final = 5
_BATCH: Final = 128
_RATE: Final = 2e-3


def recorded_symbols(
    examples: Iterable[Example], most: int = 3000, seed: int = 0
) -> Iterator[Symbol]:
    """The symbols of recorded ink, in random order, with their strokes.

    Args:
        most: of one token.
    """
    found: list[Symbol] = []
    for example in examples:
        traces = example.traces()
        for number, label in enumerate(example.symbol_labels.tolist()):
            own = [traces[i] for i in np.flatnonzero(example.trace_symbols == number)]
            if label > 0 and own:
                found.append((VOCABULARY[label], own))
    counts: dict[str, int] = {}
    for i in np.random.default_rng(seed).permutation(len(found)):
        token = found[int(i)][0]
        counts[token] = counts.get(token, 0) + 1
        if counts[token] <= most:
            yield found[int(i)]


@dataclass
class SymbolJudge:
    """A classifier of symbols by their shapes, and how sure it is of each where it is right.

    Attributes:
        tokens: that it knows.
        network: from pictures `(n, 1, 32, 32)` to logits `(n, tokens)`.
        confidence: `(tokens,)`, mean probability of each token over symbols that are it.
        accuracy: share of the development symbols that it knows.
    """

    tokens: tuple[str, ...]
    network: nn.Module
    confidence: NDArray[np.float32]
    accuracy: float

    @classmethod
    def learn(
        cls, known: Iterable[Symbol], development: Iterable[Symbol], seed: int = 0
    ) -> SymbolJudge:
        """Train it on symbols, and measure it on others.

        Raises:
            ValueError: if there are no symbols.
        """
        train, dev = [*known], [*development]
        tokens = tuple(sorted({token for token, _ in train}))
        dev = [one for one in dev if one[0] in tokens]
        if not train or not dev:
            raise ValueError("There are no symbols to learn from, or none to measure by.")
        torch.manual_seed(seed)
        judge = cls(tokens, _network(len(tokens)), np.ones(len(tokens), np.float32), 0.0)
        judge._train(_pictures(train), judge._labels(train), np.random.default_rng(seed))
        labels = judge._labels(dev).numpy()
        probabilities = judge._probabilities(dev)
        judge.accuracy = float((probabilities.argmax(axis=1) == labels).mean())
        for number in {*labels.tolist()}:
            judge.confidence[number] = probabilities[labels == number, number].mean()
        return judge

    def contradictions(self, symbols: Sequence[Symbol]) -> list[str | None]:
        """Of each symbol the token that it is instead; None where its label may be right.

        Labels that the classifier does not know, and look-alikes of what it says, may be right.
        """
        known = [i for i, (token, _) in enumerate(symbols) if token in self.tokens]
        found: list[str | None] = [None] * len(symbols)
        if not known:
            return found
        probabilities = self._probabilities([symbols[i] for i in known])
        for i, best, score in zip(
            known, probabilities.argmax(axis=1), probabilities.max(axis=1), strict=True
        ):
            token = self.tokens[best]
            if score >= self.confidence[best] and not _are_alike(token, symbols[i][0]):
                found[i] = token
        return found

    def _labels(self, symbols: Sequence[Symbol]) -> torch.Tensor:
        numbers = {token: number for number, token in enumerate(self.tokens)}
        return torch.tensor([numbers[token] for token, _ in symbols])

    def _train(
        self, pictures: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator
    ) -> None:
        steps = _EPOCHS * -(-len(labels) // _BATCH)
        optimizer = torch.optim.AdamW(self.network.parameters(), _RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        self.network.train()
        bar = tqdm(total=steps, unit="step", desc="learning symbols")
        for _ in range(_EPOCHS):
            for batch in torch.from_numpy(rng.permutation(len(labels))).split(_BATCH):
                logits = self.network(_varied(pictures[batch], rng))
                loss = nn.functional.cross_entropy(logits, labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update(1)
        bar.close()
        self.network.eval()

    @torch.no_grad()
    def _probabilities(self, symbols: Sequence[Symbol]) -> NDArray[np.float32]:
        found = [self.network(batch).softmax(-1) for batch in _pictures(symbols).split(512)]
        return torch.cat(found).numpy()


def _are_alike(first: str, second: str) -> bool:
    """Whether two tokens are one, or may have one shape at different sizes or in other contexts."""
    if first.casefold() == second.casefold():
        return True
    return any({first, second} <= {*group} for group in LOOK_ALIKES)


def _network(tokens: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in zip((1, *_CHANNELS), _CHANNELS, strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    side = _SIDE // 2 ** len(_CHANNELS)
    head = nn.Linear(_CHANNELS[-1] * side**2, tokens)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), head)


def _varied(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Pictures that are slanted, stretched and turned a little, each in its own way."""
    matrices = np.zeros((len(pictures), 2, 3), dtype=np.float32)
    matrices[:, :, :2] = np.eye(2) + rng.normal(0, 0.1, (len(pictures), 2, 2))
    grid = nn.functional.affine_grid(
        torch.from_numpy(matrices), list(pictures.shape), align_corners=False
    )
    return nn.functional.grid_sample(pictures, grid, align_corners=False)


def _pictures(symbols: Sequence[Symbol]) -> torch.Tensor:
    """`(n, 1, 32, 32)`, ink 1 on paper 0."""
    drawn = np.stack([symbol_picture(strokes) for _, strokes in symbols])
    return torch.from_numpy(drawn)[:, None].float() / 255


def symbol_picture(strokes: Strokes) -> NDArray[np.uint8]:
    """A symbol as it is judged: `(32, 32)` uint8, in the middle, as large as fits, ink 255."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    factor = 2 * _FILLED / max(float((high - low).max()), 1e-6)
    picture = Image.new("L", (2 * _SIDE, 2 * _SIDE))
    pencil = ImageDraw.Draw(picture)
    for stroke in strokes:
        placed = (stroke - (low + high) / 2) * factor + _SIDE
        pencil.line([(float(x), float(y)) for x, y in placed], fill=255, width=4, joint="curve")
        x, y = placed[0].tolist()
        pencil.ellipse((x - 2, y - 2, x + 2, y + 2), fill=255)  # a dot has no line
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
