"""Synthetic training examples: recombined captions, written with the glyphs of the training ink."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inktex.examples import Example, from_expression
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.hands import collect
from inktex.synthesis.layout import PRINTED, lay_out
from inktex.synthesis.morphing import Morphing


@dataclass(frozen=True, slots=True)
class SynthesisConfig(RecombinationConfig):
    """How much synthetic ink there is in an epoch, and what is written.

    Attributes:
        share: of the examples of an epoch that are synthetic.
        morphing: share of the symbols, in real and synthetic ink, that are moved towards another
            hand's.
    """

    share: float = 0.0
    morphing: float = 0.0


class SyntheticInk:
    """Writes new examples in the hands of the training ink.

    Args:
        examples: the training ink; no other may be given, or scores would flatter.
        config: what is written.
    """

    def __init__(self, examples: Sequence[Example], config: SynthesisConfig) -> None:
        self.hands = collect(examples, PRINTED.__getitem__)
        captions = (example.caption for example in examples)
        self.captions = Recombiner(captions, config, known=self.hands.tokens())
        self.morphing = Morphing(examples, config.morphing) if config.morphing else None

    def draw(self, rng: np.random.Generator, name: str = "synthetic") -> Example:
        """A new example; the same random numbers give the same one."""
        tokens = self.captions.draw(rng)
        hand = self.hands.hand(rng)
        return from_expression(lay_out(tokens, hand.draw, name, "synthetic", hand.habit))

    def between_hands(self, example: Example, rng: np.random.Generator) -> Example:
        """The example with symbols moved towards other hands', as far as that is asked for."""
        return example if self.morphing is None else self.morphing(example, rng)


def synthetic_ink(examples: Sequence[Example], config: SynthesisConfig) -> SyntheticInk | None:
    """Who writes what is asked for; None if nothing is."""
    return SyntheticInk(examples, config) if config.share or config.morphing else None
