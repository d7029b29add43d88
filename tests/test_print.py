"""Print: typesetting, the file of formulas, pictures for training, the split for evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from script_loading import load_script

from inktex.data.augmentation import AugmentationConfig
from inktex.data.examples import Example, from_expressions
from inktex.data.print import PrintedFormulas, PrintPicture, load_pictures, save_formulas
from inktex.data.print.formulas import Formula
from inktex.data.print.outlines import Outline
from inktex.data.printed import PrintExample, as_given
from inktex.evaluation.wide import print_split
from inktex.ink.filling import fill
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import IDS, STRUCTURAL_TOKENS
from inktex.training.batches import PlannedBatches, Raster, collate, image_processor
from inktex.training.plans import BatchConfig, Planner
from inktex.training.print_pictures import rasterize_print, vary_print
from inktex.training.recipe import recipe_from_dict
from inktex.training.synthetic import SynthesisConfig, SyntheticInk, draw_print_size

CONFIG = BatchConfig(resolution=0.8, margin_before=6, margin_after=5, pixels=100_000)
FORMULAS = (
    r"\frac{a+1}{b}=\sqrt[3]{x^2}-\overline{AB}",
    r"\sum_{i=1}^{n} \binom n k \not< \left(\frac{a}{\frac bc}\right)^2",
    r"f(x)=\begin{cases}-1&\text{if}\ x>0\\0&\text{otherwise}\end{cases}",
    r"\vec v\cdot\hat{a}\leq\underbrace{x+y}_{2}\xrightarrow{n\to\infty}\mathbb R",
)


def square(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def ring(size: float = 1.0) -> Outline:
    """A square with a square hole."""
    points = [*square(0, 0, size), *square(size / 4, size / 4, size / 2)[::-1]]
    return Outline(np.array(points, dtype=np.float32), np.array([0, 4, 8]))


def formula(latex: str = "a=b") -> Formula:
    """A ring for each token, side by side."""
    tokens = normalize(latex)
    places = np.array([(1.5 * i, 0.0, 1.0, 1.0) for i in range(len(tokens))])
    return Formula(tokens, "rings", [ring()] * len(tokens), range(len(tokens)), places)


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("print") / "print.npz"
    grey = np.full((60, 90), 255, dtype=np.uint8)
    grey[20:40, 20:24] = grey[20:24, 20:60] = grey[36:40, 20:60] = 0
    blank = np.full((30, 30), 255, dtype=np.uint8)
    pictures = [PrintPicture(["x"], "rings", grey), PrintPicture(["y"], "rings", blank)]
    save_formulas(path, [formula(), formula("x+y=zabcdefgh"), formula("12")], pictures)
    return path


@pytest.fixture(scope="module")
def ink() -> list[Example]:
    return from_expressions(written_expressions(12, seed=3))


# --- filling ------------------------------------------------------------------------------


def test_what_is_filled_is_measured_exactly() -> None:
    points = np.array([*square(1.25, 1.5, 2.5), *square(2.0, 2.0, 1.0)[::-1]])
    filled = fill(points, np.array([0, 4, 8]), 6, 6)[0]
    assert filled.sum() == pytest.approx(2.5**2 - 1)
    assert filled[2, 2] == pytest.approx(0)
    assert filled[1, 1] == pytest.approx(0.75 * 0.5)
    slanted = np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)])
    assert fill(slanted, np.array([0, 3]), 4, 4).sum() == pytest.approx(8)
    assert fill(slanted[::-1], np.array([0, 3]), 4, 4).sum() == pytest.approx(8)


def test_polygons_are_filled_each_in_its_picture() -> None:
    points = np.array([*square(0, 0, 2), *square(1, 1, 2), *square(1, 1, 2)], dtype=np.float64)
    filled = fill(points, np.array([0, 4, 8, 12]), 3, 3, np.array([0, 1, 1]), 2)
    assert filled.sum(axis=(1, 2)).tolist() == pytest.approx([4, 4])
    assert filled.max() == pytest.approx(1)


# --- the file -----------------------------------------------------------------------------


def test_formulas_come_back_at_the_published_scale(rings: Path) -> None:
    formulas = PrintedFormulas(rings)
    assert len(formulas) == 3
    first = formulas[0]
    assert first.caption == ["a", "=", "b"]
    assert first.size == pytest.approx((28 * 4, 28), abs=0.1)
    assert first.alignment.tolist() == [0, 1, 2]
    assert first.polygon_symbols.tolist() == [0, 0, 1, 1, 2, 2]
    assert first.symbol_labels.tolist() == [IDS[one] for one in "a=b"]
    assert [one.caption for one in formulas[1:]] == [formulas[1].caption, ["1", "2"]]


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"prepare_print\.py writes it"):
        PrintedFormulas(tmp_path / "none.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="no file of typeset formulas"):
        load_pictures(tmp_path / "broken.npz")
    with pytest.raises(ValueError, match="larger than 16 ems"):
        save_formulas(tmp_path / "x.npz", [replace(formula(), outlines=[ring(20.0)] * 3)])


# --- pictures for training ----------------------------------------------------------------


@pytest.mark.parametrize("given", [None, 0.5, 1.2])
def test_cells_hold_the_pixels_of_each_symbol(rings: Path, given: float | None) -> None:
    example = replace(PrintedFormulas(rings)[1], given=given)
    rng = np.random.default_rng(0)
    raster = Raster(*rasterize_print(example, 1.0, image_processor(CONFIG), rng))
    ink = (raster.picture > 127).sum()
    if given != 0.5:  # wide strokes that are enlarged are thinned afterwards
        assert raster.cells.sum() == pytest.approx(ink, rel=0.35)
    assert (raster.cells.sum(axis=(1, 2)) > 1).all()
    middles = [np.average(np.arange(one.shape[1]), weights=one.sum(axis=0)) for one in raster.cells]
    assert middles == sorted(middles)
    batch = collate([(example, raster)], (128, 640), CONFIG)
    written = batch["attention_target"][0].flatten(1).sum(dim=1)[: len(example.tokens)]
    assert written.numpy() == pytest.approx(1, abs=1e-5)


def test_holes_stay_holes(rings: Path) -> None:
    config = replace(CONFIG, resolution=1.0)
    picture, _ = rasterize_print(PrintedFormulas(rings)[2], 1.0, image_processor(config))
    row = picture[6 + 1 + 14]
    assert [row[7 + place] for place in (3, 14, 24, 35)] == [255, 0, 255, 0]


@pytest.mark.parametrize("given", [None, 0.5, 1.2])
def test_no_picture_is_larger_than_its_shape(rings: Path, given: float | None) -> None:
    example = replace(PrintedFormulas(rings)[1], given=given)
    for limit in ((48, 96), (24, 400)):
        rng = np.random.default_rng(1)
        picture, cells = rasterize_print(example, 1.3, image_processor(CONFIG, limit), rng)
        assert picture.shape <= limit
        assert picture.shape[1] <= limit[1]
        assert cells.shape[1:] == tuple(-(-side // 8) for side in picture.shape)


def test_print_is_varied_as_a_whole(rings: Path) -> None:
    example = PrintedFormulas(rings)[1]
    varied = vary_print(example, AugmentationConfig(), np.random.default_rng(0))
    assert not np.allclose(varied.points, example.points, atol=0.1)
    assert np.allclose(varied.points, example.points, atol=6)
    still = AugmentationConfig(rotation=0, aspect=0, slant=0)
    same = vary_print(example, still, np.random.default_rng(0))
    assert np.allclose(same.points, example.points, atol=1e-3)
    assert as_given(np.zeros((9, 9)), np.random.default_rng(0)).shape == (9, 9)


def test_sizes_cover_what_people_give() -> None:
    rng = np.random.default_rng(0)
    sizes = [draw_print_size(rng) for _ in range(200)]
    known = [one for one in sizes if one is not None]
    assert 90 < len(known) < 150
    assert min(known) < 0.5
    assert max(known) > 1.1


def test_print_is_batched_with_ink(ink: list[Example], rings: Path) -> None:
    synthesis = SynthesisConfig(share=0.6, print=str(rings), print_share=0.3)
    writer = SyntheticInk(ink, synthesis)
    drawn = [writer.draw(np.random.default_rng(i)) for i in range(60)]
    assert 18 < sum(isinstance(one, PrintExample) for one in drawn) < 42
    augmentation = AugmentationConfig(degraded=0.2)
    planner = Planner(ink, CONFIG, augmentation, synthetic=writer, share=synthesis.share)
    for varied in (augmentation, None):
        batches = PlannedBatches(ink, CONFIG, varied, synthetic=writer)
        for plan in planner.epoch(0):
            batch, again = batches[plan], batches[plan]
            assert batch["pixel_values"].shape[2:] == plan.shape
            assert all((batch[name] == again[name]).all() for name in batch)


def test_without_print_nothing_changes(ink: list[Example], rings: Path) -> None:
    plain = SyntheticInk(ink, SynthesisConfig(share=0.6))
    unused = SyntheticInk(ink, SynthesisConfig(share=0.6, print=str(rings)))
    for seed in range(5):
        one, other = (pen.draw(np.random.default_rng(seed)) for pen in (plain, unused))
        assert isinstance(one, Example)
        assert isinstance(other, Example)
        assert (one.points == other.points).all()


def test_wrong_shares_of_print_are_refused(ink: list[Example], rings: Path) -> None:
    with pytest.raises(ValueError, match="together must not be above"):
        SyntheticInk(ink, SynthesisConfig(share=0.2, print=str(rings), print_share=0.3))
    content = {
        "steps": 1,
        "stroke_restoration": {},
        "synthesis": {"print": "x", "print_share": 0.1},
    }
    with pytest.raises(ValueError, match="print_share to 0"):
        recipe_from_dict(content)


# --- the split ----------------------------------------------------------------------------


def test_the_split_has_pictures_as_the_image_processor_leaves_them(rings: Path) -> None:
    processor = InktexImageProcessor(resolution=1.0)
    one, other = print_split(str(rings), processor), print_split(str(rings), processor)
    assert [example.id for example in one] == ["print:0 rings", "print:1 rings"]
    assert [example.caption for example in one] == [["x"], ["y"]]
    assert (one[0].picture == other[0].picture).all()
    assert one[0].picture.any()
    assert not one[1].picture.any()  # nothing is found there
    assert len(print_split(str(rings), processor, 1)) == 1


def test_a_split_needs_pictures(tmp_path: Path) -> None:
    save_formulas(tmp_path / "print.npz", [formula()])
    with pytest.raises(ValueError, match="has no pictures"):
        print_split(str(tmp_path / "print.npz"), InktexImageProcessor(resolution=1.0))


# --- typesetting --------------------------------------------------------------------------


@pytest.mark.parametrize("latex", FORMULAS)
@pytest.mark.parametrize("display", [True, False])
def test_all_that_is_inked_is_typeset(latex: str, display: bool) -> None:
    pytest.importorskip("ziamath", reason="it is in the extra `train`")
    from inktex.data.print.typesetting import Face, box, typeset

    tokens = normalize(latex)
    glyphs = typeset(tokens, Face(None, "stix"), display)
    inked = {i for i, token in enumerate(tokens) if token not in STRUCTURAL_TOKENS}
    if r"\sqrt" in tokens:  # the brackets of its index
        inked -= {tokens.index("["), tokens.index("]")}
    assert {one.token for one in glyphs} == inked
    corners = np.array([np.concatenate(box(one)) for one in glyphs])
    assert np.isfinite(corners).all()
    boxes = {one.token: corner for one, corner in zip(glyphs, corners, strict=True)}
    if r"\not" in tokens:
        place = tokens.index(r"\not")
        slash, struck = boxes[place], boxes[place + 1]
        assert (slash[:2] + slash[2:]) / 2 == pytest.approx((struck[:2] + struck[2:]) / 2)
    if tokens[0] == r"\frac":
        bar, above, below = boxes[0], boxes[tokens.index("a")], boxes[tokens.index("b")]
        assert above[3] < bar[1] < bar[3] < below[1]


def test_a_face_that_lacks_a_glyph_is_named() -> None:
    pytest.importorskip("ziamath", reason="it is in the extra `train`")
    from inktex.data.print.typesetting import Face, MissingGlyphError, typeset

    face = Face(None, "stix")
    with pytest.raises(MissingGlyphError, match="stix has no '数'"):
        typeset(["x"], face, signs={"x": "数"})
    with pytest.raises(ValueError, match="no font to typeset"):
        Face(Path(__file__), "none")
    with pytest.raises(ValueError, match="nothing to typeset"):
        typeset([], face)


def test_the_command_typesets_captions(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ziamath", reason="it is in the extra `train`")
    for split in ("train", "dev"):
        lines = "".join(f"{' '.join(normalize(latex))}\n" for latex in FORMULAS)
        (tmp_path / f"{split}.txt").write_text(lines, encoding="utf-8")
    script = load_script(repository, "prepare_print")
    arguments = ["--faces", tmp_path, "--captions", tmp_path, "--count", 12, "--pictures", 0]
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in files:
        assert script.main([str(one) for one in [*arguments, "--output", path]]) == 0
    assert "Formulas by face: stix-two 12." in capsys.readouterr().out
    one, other = (PrintedFormulas(path)[:] for path in files)
    assert len(one) == 12
    assert all((a.points == b.points).all() for a, b in zip(one, other, strict=True))
    arguments[-1] = 4
    assert script.main([str(one) for one in arguments]) == 2
    assert "No face for evaluation" in capsys.readouterr().err


def test_pictures_are_set_in_held_out_faces_and_by_another_typesetter(tmp_path: Path) -> None:
    pytest.importorskip("ziamath", reason="it is in the extra `train`")
    pytest.importorskip("matplotlib", reason="it is in the extra `train`")
    from inktex.data.print.mathtext import draw_mathtext
    from inktex.data.print.typesetting import Face
    from inktex.synthesis.print import Prepared, prepare_pictures

    prepared = Prepared()
    captions = [normalize(latex) for latex in FORMULAS]
    prepare_pictures(captions, [(Face(None, "stix"), 1.0)], 5, 0, prepared)
    assert [one.face for one in prepared.pictures] == ["mathtext cm"] * 2 + ["stix"] * 3
    save_formulas(tmp_path / "print.npz", [], prepared.pictures)
    for one, other in zip(prepared.pictures, load_pictures(tmp_path / "print.npz"), strict=True):
        assert (one.picture == other.picture).all()
        assert list(one.tokens) == other.tokens
    assert draw_mathtext(normalize(FORMULAS[2]), 30.0) is None
