"""Training examples without a formula."""

import numpy as np
import pytest

from inktex.data.examples import Example, from_expressions
from inktex.synthesis import nothing
from inktex.synthesis.box import Strokes
from inktex.synthesis.nothing import KINDS, draw_nothing
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import NOTHING_TOKEN
from inktex.training.batches import rasterize
from inktex.training.plans import BatchConfig
from inktex.training.synthetic import SynthesisConfig, SyntheticInk


def ring(token: str) -> Strokes:
    """Every symbol, as a circle."""
    angle = np.linspace(0, 2 * np.pi, 12)
    return (np.stack([0.5 + 0.4 * np.cos(angle), -0.5 + 0.4 * np.sin(angle)], 1).astype("f4"),)


@pytest.fixture(scope="module")
def ink() -> list[Example]:
    return from_expressions(written_expressions(20, seed=3, depth=1))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_ink_that_says_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nothing, "KINDS", {kind: KINDS[kind]})
    config = BatchConfig()
    for seed in range(8):
        example = draw_nothing(ring, np.random.default_rng(seed))
        assert example.caption == [NOTHING_TOKEN]
        assert (example.trace_symbols == -1).all()
        assert not len(example.symbol_labels)
        assert example.offsets[-1] == len(example.points)
        assert (example.points >= 0).all()
        picture = rasterize(example, 1.0, 3, (256, 1056), config).picture
        assert (picture > 127).sum() >= 10


def test_the_same_random_numbers_draw_the_same_ink() -> None:
    one, other = (draw_nothing(ring, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.points, other.points)


def test_their_share_of_an_epoch_is_kept(ink: list[Example]) -> None:
    config = SynthesisConfig(share=0.5, nothing_share=0.2)
    source = SyntheticInk(ink, config)
    rng = np.random.default_rng(0)
    drawn = [source.draw(rng) for _ in range(400)]
    empty = sum(example.caption == [NOTHING_TOKEN] for example in drawn)
    assert 120 < empty < 200  # two fifths of the synthetic examples


def test_there_is_no_room_for_more_than_the_synthetic_examples(ink: list[Example]) -> None:
    with pytest.raises(ValueError, match="together must not be above"):
        SyntheticInk(ink, SynthesisConfig(share=0.1, nothing_share=0.2))
