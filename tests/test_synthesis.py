"""Synthetic ink: recombined captions by the writers of known ink."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from inktex.data.examples import Example, from_expression, from_expressions
from inktex.data.fonts.glyphs import FontGlyph
from inktex.ink import bounding_box
from inktex.modeling.grammar_inktex import Grammar, is_formula
from inktex.synthesis.arithmetic import draw_arithmetic
from inktex.synthesis.box import Strokes
from inktex.synthesis.captions import RecombinationConfig, Recombiner
from inktex.synthesis.layout import HABITS, PRINTED, lay_out
from inktex.synthesis.random_captions import random_caption, written_expressions
from inktex.synthesis.shape_interpolation import ShapeInterpolation
from inktex.synthesis.strokefont import glyphs
from inktex.synthesis.structure_layout import AXIS
from inktex.synthesis.worked import draw_worked_lines
from inktex.synthesis.writers import Measured, Writers, collect, fit_extents
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import GRAMMAR, IDS, STRUCTURAL_TOKENS, VOCABULARY
from inktex.training.batches import PlannedBatches
from inktex.training.plans import BatchConfig, Kind, Planner, member_example
from inktex.training.synthetic import SynthesisConfig, SyntheticInk, synthetic_ink

CAPTIONS = [
    r"x ^ { 2 } + 3 y = \frac { a + b } { 2 }",
    r"\sum \limits _ { i = 1 } ^ { n } i ^ { 3 } ( a - 1 )",
    r"\sqrt { 2 x + 5 } , \int \limits _ { 0 } ^ { 1 } f _ { n } d x",
    r"\lim \limits _ { n \rightarrow 0 } \sin \theta = 0",
    r"\sqrt [ 3 ] { \frac { 1 } { x _ { 4 } } } \geq 6 7 8 9",
]


def wide(name: str) -> tuple[float, ...]:
    """Habits of somebody who leaves twice the room of a printer."""
    return (0.5,) if name == "relation" else PRINTED[name]


@pytest.fixture(scope="module")
def ink() -> list[Example]:
    """Every caption by two writers."""
    written = []
    for name, habits in (("Ada", PRINTED.__getitem__), ("Eve", wide)):
        for number, caption in enumerate(CAPTIONS * 6):
            expression = lay_out(
                caption.split(), glyphs().__getitem__, f"{number}_{name}", "expressmatch", habits
            )
            written.append(from_expression(expression))
    return written


@pytest.fixture(scope="module")
def writers(ink: list[Example]) -> Writers:
    return collect(ink, PRINTED.__getitem__)


def known() -> set[str]:
    return {token for caption in CAPTIONS for token in caption.split()} - STRUCTURAL_TOKENS


# --------------------------------------------------------------------------------------- captions


def test_recombined_captions_are_canonical_and_new() -> None:
    captions = [caption.split() for caption in CAPTIONS]
    recombiner = Recombiner(captions, RecombinationConfig(longest=40), known=known())
    rng = np.random.default_rng(0)
    drawn = [recombiner.draw(rng) for _ in range(400)]
    for tokens in drawn:
        assert normalize(" ".join(tokens)) == tokens
        assert 0 < len(tokens) <= 40
        assert set(tokens) <= known() | STRUCTURAL_TOKENS
    assert len({tuple(tokens) for tokens in drawn}) > 300
    assert sum(tokens in captions for tokens in drawn) < 40


def test_rows_keep_their_roles() -> None:
    config = RecombinationConfig(row=1.0, item=0.0, symbol=0.0, join=0.0)
    captions = [caption.split() for caption in CAPTIONS[1:2]]
    rng = np.random.default_rng(0)
    recombiner = Recombiner(captions, config)
    drawn = [" ".join(recombiner.draw(rng)) for _ in range(100)]
    assert not any("^ { i = 1 }" in caption for caption in drawn)


def test_rare_symbols_get_common() -> None:
    captions = [["a"]] * 99 + [["b"]]
    rng = np.random.default_rng(0)
    shares = []
    for flatten in (1.0, 0.0):
        config = RecombinationConfig(symbol=1.0, item=0.0, join=0.0, flatten=flatten)
        recombiner = Recombiner(captions, config)
        shares.append(np.mean([recombiner.draw(rng) == ["b"] for _ in range(300)]))
    assert shares[0] < 0.06
    assert 0.35 < shares[1] < 0.65


def test_known_captions_of_rare_symbols_come_as_often_as_others() -> None:
    captions = [["a", "+", "c"]] * 98 + [["b", "-", "c"]] * 2
    rng = np.random.default_rng(0)
    shares = []
    for by_symbol in (0.0, 0.99):
        config = RecombinationConfig(verbatim=0.99, by_symbol=by_symbol)
        recombiner = Recombiner(captions, config)
        drawn = [recombiner.draw(rng) for _ in range(300)]
        assert sum(caption in captions for caption in drawn) > 290
        shares.append(np.mean([caption == captions[-1] for caption in drawn]))
    assert shares[0] < 0.06
    assert 0.3 < shares[1] < 0.55  # of five symbols two are in it alone, and one is in both


def test_single_symbols_and_items_are_drawn_by_themselves() -> None:
    captions = [r"x _ { 1 } + \alpha = 2".split(), r"( x + 2 ) ^ { n }".split()]
    config, rng = RecombinationConfig(single=0.9), np.random.default_rng(0)
    recombiner = Recombiner(captions, config, known=[*"x1+=2()n", r"\alpha"], whole=True)
    drawn = [recombiner.draw(rng) for _ in range(400)]
    singles = [caption for caption in drawn if len(caption) == 1]
    assert {one for (one,) in singles} == {"x", "1", "+", "=", "2", "(", ")", "n", r"\alpha"}
    assert len(singles) > 200
    assert "x _ { 1 }".split() in drawn
    grammar = Grammar(len(VOCABULARY), GRAMMAR)
    assert all(is_formula(grammar, [IDS[token] for token in caption]) for caption in drawn)


def test_worked_lines_are_formulas_that_follow_from_one_another() -> None:
    grammar, rng = Grammar(len(VOCABULARY), GRAMMAR), np.random.default_rng(0)
    drawn = [draw_worked_lines(rng) for _ in range(600)]
    for lines in drawn:
        assert 2 <= len(lines) <= 5
        for line in lines:
            assert normalize(" ".join(line)) == line
            assert is_formula(grammar, [IDS[token] for token in line])
            assert not {"+ -", "- -", "+ +"} & {" ".join(pair) for pair in pairwise(line)}
    roots = [
        "".join(lines[-1]) for lines in drawn if "".join(lines[0]).startswith("x=\\sqrt{a^{2}")
    ]
    assert {"x=5", "x=10", "x=13"} & {*roots}


def test_arithmetic_is_lines_of_digits_with_one_sign_for_a_product() -> None:
    grammar, rng = Grammar(len(VOCABULARY), GRAMMAR), np.random.default_rng(0)
    drawn = [draw_arithmetic(rng) for _ in range(600)]
    for line in drawn:
        assert normalize(" ".join(line)) == line
        assert is_formula(grammar, [IDS[token] for token in line])
        assert len({"*", r"\times", r"\cdot"} & {*line}) <= 1
        assert len({"/", r"\div", ":"} & {*line}) <= 1
        pairs = {" ".join(pair) for pair in pairwise(line)}
        assert not {"+ -", "- -", "+ +", "* *"} & pairs
    written = {token for line in drawn for token in line}
    assert {*"0123456789*/:.,=!", r"\times", r"\div", r"\cdot", r"\frac", r"\sqrt"} <= written
    assert 0.08 < np.mean([line[-1] == "=" for line in drawn]) < 0.4
    known = [["a", "=", "b"]] * 3
    for whole in (True, False):
        recombiner = Recombiner(known, RecombinationConfig(arithmetic=0.99), whole=whole)
        many = [recombiner.draw(rng) for _ in range(200)]
        assert np.mean([bool({*"0123456789"} & {*caption}) for caption in many]) > 0.9


def test_lines_have_parts_in_common() -> None:
    captions = [f"{a} = {b} + {c}".split() for a in "xyz" for b in "12345" for c in "abcde"]
    shares = []
    plain = RecombinationConfig(lines=1.0, symbol=0.1, item=0.0, join=0.0)
    for config in (plain, replace(plain, alike=1.0), replace(plain, worked=1.0)):
        recombiner, rng = Recombiner(captions, config), np.random.default_rng(0)
        common = []
        for _ in range(200):
            tokens = " ".join(recombiner.draw(rng)).replace("\\{", "").split("\\\\")
            first, second = ({*line.split()} - {"=", "+"} for line in tokens[:2])
            common.append(len(first & second) / len(first))
        shares.append(np.mean(common))
    assert shares[0] < 0.35 < min(shares[1:])
    # An equals sign inside of something does not begin a right side.
    captions = [r"\sum \limits _ { i = 1 } ^ { n } i = k".split(), r"x ^ { y = 1 } + 1".split()]
    config = RecombinationConfig(lines=1.0, alike=1.0, row=0.0, item=0.0, join=0.0)
    recombiner = Recombiner(captions, config, whole=True)
    grammar = Grammar(len(VOCABULARY), GRAMMAR)
    for _ in range(100):
        assert is_formula(grammar, [IDS[token] for token in recombiner.draw(rng)])


def test_only_logarithms_have_a_base() -> None:
    captions = [r"\log _ { b } x".split(), r"\log x".split(), r"\sin x".split()]
    config = RecombinationConfig(symbol=1.0, item=0.0, row=0.0, join=0.0)
    recombiner = Recombiner(captions, config)
    rng = np.random.default_rng(0)
    drawn = [" ".join(recombiner.draw(rng)) for _ in range(200)]
    assert any(caption.startswith(r"\log _ {") for caption in drawn)
    assert not any(r"\sin _" in caption for caption in drawn)
    assert any(caption.startswith(r"\sin") for caption in drawn)


def test_no_caption_is_an_error() -> None:
    with pytest.raises(ValueError, match="no caption"):
        Recombiner([["x", "^", "2"]])


# ------------------------------------------------------------------------------------------ writers


def test_rows_are_measured(ink: list[Example]) -> None:
    expression = lay_out(CAPTIONS[0].split(), glyphs().__getitem__)
    example = from_expression(expression)
    extents = fit_extents([example], rounds=1)
    measured = Measured(example, extents)
    row, exponent = measured.rows[0, len(example.tokens)], measured.rows[3, 4]
    assert row.size is not None
    assert exponent.size is not None
    assert exponent.size / row.size == pytest.approx(PRINTED["superscript"][0], rel=0.15)
    digit = measured.boxes[example.alignment[6]]
    assert row.baseline == pytest.approx(digit[3], abs=0.1 * row.size)


def test_glyphs_come_back_as_they_were_written(writers: Writers) -> None:
    for token in ("x", "3", "+", "y"):
        (found,) = {len(strokes) for strokes in writers.glyphs["Ada"][token]}
        assert found == len(glyphs()[token])
    heights = [np.ptp(np.concatenate(s)[:, 1]) for s in writers.glyphs["Ada"]["6"]]
    assert np.median(heights) == pytest.approx(1.0, rel=0.2)


def test_habits_are_measured(writers: Writers) -> None:
    assert set(writers.habits) == set(HABITS)
    size, distance, rise = np.median(writers.habits["superscript"], axis=0)
    assert size == pytest.approx(PRINTED["superscript"][0], rel=0.2)
    assert distance == pytest.approx(PRINTED["superscript"][1], abs=0.15)
    assert rise == pytest.approx(PRINTED["superscript"][2], abs=0.25)
    relations = writers.habits["relation"][:, 0]
    assert relations.min() < 0.35
    assert relations.max() > 0.4, "one of the two writers leaves twice the room"


def test_one_writer_writes_what_he_can(writers: Writers) -> None:
    writer = writers.draw_writer(np.random.default_rng(0))
    first = writer.names[0]
    own = {id(strokes) for strokes in writers.glyphs[first]["x"]}
    assert all(id(writer.draw("x")) in own for _ in range(20))
    with pytest.raises(KeyError):
        writer.draw(r"\aleph")


# ------------------------------------------------------------------------------------------ ink


def boxes_of(example: Example) -> dict[int, tuple[float, float, float, float]]:
    """Token index to the box of its ink."""
    found = {}
    for index, symbol in enumerate(example.alignment):
        if symbol >= 0:
            points = example.points[example.point_symbols == symbol]
            found[index] = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    return found


def test_synthetic_ink_is_what_its_caption_says(ink: list[Example]) -> None:
    """The structure is read again from where the symbols stand."""
    writer_of = SyntheticInk(ink, SynthesisConfig(share=0.5))
    for seed in range(150):
        example = writer_of.write(np.random.default_rng(seed))
        tokens = example.caption
        inked = [i for i, token in enumerate(tokens) if token not in STRUCTURAL_TOKENS]
        degrees = {
            i + d
            for i, token in enumerate(tokens[:-1])
            if token == r"\sqrt" and tokens[i + 1] == "["
            for d in (1, tokens[i:].index("]"))
        }
        assert [i for i in inked if i not in degrees] == sorted(
            i for i, symbol in enumerate(example.alignment) if symbol >= 0
        )
        labels = [example.symbol_labels[s] for s in example.alignment[example.alignment >= 0]]
        assert labels == [example.tokens[i] for i in inked if i not in degrees]
        boxes = boxes_of(example)
        for i, token in enumerate(tokens):
            if token == r"\frac":
                close = _close(tokens, i + 1)
                upper = [boxes[k] for k in range(i + 1, close) if k in boxes]
                lower = [boxes[k] for k in range(close, _close(tokens, close + 1)) if k in boxes]
                middle = (boxes[i][1] + boxes[i][3]) / 2
                assert min((box[1] + box[3]) / 2 for box in upper) < middle
                assert max((box[1] + box[3]) / 2 for box in lower) > middle
            if token in ("^", "_") and i - 1 in boxes:
                script = [boxes[k] for k in range(i + 2, _close(tokens, i + 1)) if k in boxes]
                centre = (min(b[1] for b in script) + max(b[3] for b in script)) / 2
                base = (boxes[i - 1][1] + boxes[i - 1][3]) / 2
                assert centre < base if token == "^" else centre > base


def _close(tokens: list[str], start: int) -> int:
    """Index of the brace that closes the one at `start`."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index] == "{") - (tokens[index] == "}")
        if depth == 0:
            return index
    raise AssertionError("A brace is never closed.")


def test_the_same_numbers_write_the_same_ink(ink: list[Example]) -> None:
    pen = SyntheticInk(ink, SynthesisConfig(share=0.5))
    first, again, other = (pen.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.caption == again.caption
    assert np.array_equal(first.points, again.points)
    assert first.caption != other.caption or not np.array_equal(first.points, other.points)


def test_an_epoch_has_its_share_of_synthetic_ink(ink: list[Example]) -> None:
    config = BatchConfig(heights=(80, 256), widths=(192, 1056), pixels=200_000)
    pen = SyntheticInk(ink, SynthesisConfig(share=0.4))
    planner = Planner(ink, config, None, seed=2, synthetic=pen, share=0.4)
    plans = planner.epoch(1)
    members = [member for plan in plans for member in plan.members]
    assert sorted(number for number, *_ in members) == list(range(round(len(ink) / 0.6)))
    kinds = {number: kind for number, _, kind in members}
    assert all((kinds[number] == "synthetic") == (number >= len(ink)) for number in kinds)
    batches, again = (PlannedBatches(ink, config, None, 2, pen) for _ in range(2))
    for key, value in batches[plans[3]].items():
        assert (value == again[plans[3]][key]).all(), key
    assert len(batches[plans[0]]["labels"]) == 2 * len(plans[0].members)


def test_synthetic_members_need_a_source(ink: list[Example]) -> None:
    config = BatchConfig()
    plans = Planner(
        ink, config, None, synthetic=SyntheticInk(ink, SynthesisConfig(share=0.9)), share=0.9
    ).epoch(0)
    batches = PlannedBatches(ink, config, None)
    with pytest.raises(ValueError, match="source of synthetic ink"):
        [batches[plan] for plan in plans]


def test_captions_of_the_small_grammar_can_be_recombined_too() -> None:
    rng = np.random.default_rng(3)
    recombiner = Recombiner([random_caption(rng) for _ in range(50)])
    for _ in range(50):
        drawn = recombiner.draw(rng)
        assert normalize(" ".join(drawn)) == drawn
    assert collect(from_expressions(written_expressions(20)), PRINTED.__getitem__).tokens()


# --------------------------------------------------------------------------------------- morphing


def zigzag(height: float, label: int, points: int) -> Example:
    """A bar of one symbol under a zigzag of another one."""
    across = np.linspace(0, 60, points)
    teeth = height * (np.arange(points) % 2)
    traces = [np.stack([across, teeth], axis=1), np.array([[0.0, 90.0], [60.0, 90.0]])]
    return Example(
        id="zigzag",
        writer="",
        points=np.concatenate(traces).astype(np.float32),
        offsets=np.array([0, points, points + 2]),
        trace_symbols=np.array([0, 1]),
        symbol_labels=np.array([label, 0]),
        tokens=np.array([label, 20]),
        alignment=np.array([0, 1]),
    )


def test_symbols_move_towards_those_of_other_hands_and_stay_what_they_are() -> None:
    low, high = zigzag(10.0, 30, 8), zigzag(22.0, 30, 8)
    morphing = ShapeInterpolation([low, high], share=1.0)
    heights = set()
    for seed in range(40):
        moved = morphing(low, np.random.default_rng(seed))
        again = morphing(low, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved.points, again.points)
        assert moved.tokens.tolist() == low.tokens.tolist()
        np.testing.assert_allclose(np.ptp(moved.points[8:], axis=0), [60, 0], atol=1e-4)
        assert np.ptp(moved.points[:8, 0]) == pytest.approx(60, abs=1)
        heights.add(round(float(np.ptp(moved.points[:8, 1])), 1))
    assert min(heights) < 8.5, "a little beyond"
    assert max(heights) > 18, "almost the other one"
    assert len(heights) > 10, "and anything between"


def test_glyphs_of_further_people_are_moved_towards() -> None:
    low, high = zigzag(10.0, 30, 8), zigzag(22.0, 30, 8)
    stroke = high.points[:8] / np.float32(40)
    tokens = (VOCABULARY[30], r"\mathbb{R}", VOCABULARY[31])
    others: list[tuple[str, Strokes]] = [(token, (stroke,)) for token in tokens]
    rng = np.random.default_rng(0)
    moved = ShapeInterpolation([], 1.0, others)(low, rng)
    assert np.abs(moved.points - low.points).max() > 0.5
    still = ShapeInterpolation([], 1.0, others[1:])(low, rng)
    np.testing.assert_allclose(still.points, low.points, atol=1e-5)


def test_double_struck_letters_do_not_become_plain_ones() -> None:
    low, high = (
        replace(
            zigzag(height, IDS["R"], 8),
            tokens=np.array([IDS[t] for t in (r"\mathbb", "{", "R", "}", "-")]),
            alignment=np.array([-1, -1, 0, -1, 1]),
        )
        for height in (10.0, 22.0)
    )
    moved = ShapeInterpolation([high, zigzag(22.0, IDS["R"], 8)], 1.0)(
        low, np.random.default_rng(0)
    )
    np.testing.assert_allclose(moved.points, low.points, atol=1e-5)


def test_nothing_moves_towards_what_was_drawn_differently() -> None:
    rng = np.random.default_rng(0)
    low = zigzag(10.0, 30, 8)
    for others in ([], [zigzag(22.0, 31, 8)], [zigzag(200.0, 30, 8)]):
        moved = ShapeInterpolation([low, *others], share=1.0)(low, rng)
        np.testing.assert_allclose(moved.points, low.points, atol=1e-5)
    still = ShapeInterpolation([low, zigzag(22.0, 30, 8)], share=0.0)(low, rng)
    np.testing.assert_allclose(still.points, low.points, atol=1e-5)


def test_real_and_synthetic_ink_is_moved_in_training(ink: list[Example]) -> None:
    assert synthetic_ink(ink, SynthesisConfig()) is None
    pen = synthetic_ink(ink, SynthesisConfig(shape_interpolation=0.7))
    assert pen is not None
    # All of this ink is one font: a writer that differs is needed.
    bent = [replace(one, points=one.points + 4 * np.sin(one.points[:, ::-1] / 15)) for one in ink]
    pen.interpolation = ShapeInterpolation([*ink, *bent], 0.7)
    kinds: tuple[Kind, ...] = ("whole", "cut")
    for kind in kinds:
        before = member_example(ink, None, 0, kind, np.random.default_rng(1))
        after = member_example(ink, pen, 0, kind, np.random.default_rng(1))
        assert isinstance(before, Example)
        assert isinstance(after, Example)
        assert after.caption == before.caption
        assert after.points.shape == before.points.shape
        assert np.abs(after.points - before.points).max() > 0.5


def test_large_operators_of_fonts_are_large() -> None:
    letter = (np.array([[0, -0.7], [0.5, 0]], np.float32),)
    writers = Writers()
    for token, character in ((r"\sum", "Σ"), (r"\Sigma", "Σ")):
        writers.add_fonts([FontGlyph("font", token, character, letter, 0.6, 0.1, 0.5, 0.7, 0.8)])
    (small,), (large,) = (
        writers.glyphs["font font"][r"\Sigma"],
        writers.glyphs["font font"][r"\sum"],
    )
    _, top, _, bottom = bounding_box(small)
    assert (top, bottom) == pytest.approx((-1, 0))
    _, top, _, bottom = bounding_box(large)
    assert bottom - top == pytest.approx(1.5)
    assert (top + bottom) / 2 == pytest.approx(AXIS)
