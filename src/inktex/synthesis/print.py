r"""Typeset formulas for training, and pictures of others for evaluation.

A caption is set in a face that has all its glyphs, by itself in a line or within one, and with one
of the forms that print has of a sign: `\phi` is ϕ or φ, an arrow is short or long, and letters are
bold, upright or calligraphic now and then, as captions do not tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inktex.data.print.formulas import Formula, PrintPicture
from inktex.data.print.mathtext import draw_mathtext
from inktex.data.print.typesetting import Face, MissingGlyphError, PlacedGlyph, typeset
from inktex.data.printed import as_given
from inktex.ink.filling import fill
from inktex.tokenizer.latex_inktex import normalize
from inktex.tokenizer.vocabulary_inktex import (
    FOLDED,
    SPECIAL_TOKENS,
    UNKNOWN_MARK,
    VOCABULARY,
)

from .captions import RecombinationConfig, Recombiner
from .rare import INKED, with_token

PRINTABLE: Final = frozenset({*VOCABULARY} - {*SPECIAL_TOKENS, *FOLDED, UNKNOWN_MARK})
"""Tokens that can be set in type."""
_FORMS: Final = {
    r"\phi": "φ", r"\epsilon": "ε", r"\theta": "ϑ", r"\rho": "ϱ", r"\pi": "ϖ", r"\kappa": "ϰ",
    r"\leq": "⩽", r"\geq": "⩾", r"\rightarrow": "⟶", r"\leftarrow": "⟵", r"\Rightarrow": "⟹",
    r"\Leftarrow": "⟸", r"\Leftrightarrow": "⟺", r"\leftrightarrow": "⟷", r"\mapsto": "⟼",
    r"\perp": "⟂", r"\setminus": "\\", r"\square": "■", "|": "∣", "*": "*",
}  # fmt: skip
"""Other characters that print has for a token."""
_FORM_SHARE: Final = {r"\phi": 0.5, r"\epsilon": 0.5}
_OTHER_FORM: Final = 0.25
"""Share of the formulas that have the other form of a token, but for those above."""
_STYLED: Final = 0.25
"""Share of the formulas in which some letters are bold, upright or calligraphic."""
_INLINE: Final = 0.2
"""Share of the formulas that are set as within a line of text."""
_SMALL: Final = 0.15
"""Share of the formulas whose delimiters do not stretch, as where an author did not ask for it."""
_SCRIPT: Final = {
    **{chr(ord("A") + i): chr(0x1D49C + i) for i in range(26)},
    **dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True)),
}
_FAILURES: Final = 200
"""Captions one after another that no face can set: then there is no hope."""

# Pictures for evaluation.
_EVALUATED: Final = RecombinationConfig(
    row=0.1, item=0.05, symbol=0.05, join=0.2, verbatim=0.6, longest=60, lines=0.15, matrices=0.15
)
_LINES: Final = RecombinationConfig(
    row=0.1, item=0.05, symbol=0.05, join=0.2, verbatim=0.6, longest=60
)
_EMS: Final = (20.0, 80.0)
"""Pixels of an em: text of 12 points on a screen and a half up, to a scan of 600 dots an inch."""
_MATHTEXT: Final = 0.4
"""Share of the pictures that matplotlib typesets."""


@dataclass
class Prepared:
    """What became of captions.

    Attributes:
        formulas: for training.
        pictures: for evaluation.
        left_out: how often a face could not set a caption, by reason.
    """

    formulas: list[Formula] = field(default_factory=list)
    pictures: list[PrintPicture] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def prepare_formulas(
    captions: Sequence[Sequence[str]],
    faces: Sequence[tuple[Face, float]],
    config: RecombinationConfig,
    count: int,
    seed: int,
    out: Prepared,
) -> None:
    """Add typeset formulas for training to `out`.

    Args:
        captions: in canonical style, for training.
        faces: to set them in, with weights.
        config: how captions are recombined.

    Raises:
        ValueError: if the faces can set next to nothing.
    """
    rng = np.random.default_rng(seed)
    recombiner = Recombiner(captions, config, known=PRINTABLE, whole=True)
    drawn = (recombiner.draw(rng) for _ in iter(int, 1))
    settled = _settled(drawn, faces, rng, out.left_out)
    for _ in tqdm(range(count), desc="typesetting", unit="formula", disable=None, leave=False):
        tokens, face, glyphs = next(settled)
        out.formulas.append(
            Formula(
                tokens,
                face,
                [one.outline for one in glyphs],
                [one.token for one in glyphs],
                np.array([one.place for one in glyphs]),
            )
        )


def prepare_pictures(
    captions: Sequence[Sequence[str]],
    faces: Sequence[tuple[Face, float]],
    count: int,
    seed: int,
    out: Prepared,
) -> None:
    """Add grey pictures for evaluation to `out`: a part set by matplotlib in Computer Modern."""
    rng = np.random.default_rng(seed)
    by_mathtext = round(count * _MATHTEXT)
    lines = Recombiner(captions, _LINES, known=PRINTABLE, whole=True)
    progress = tqdm(total=count, desc="drawing", unit="picture", disable=None, leave=False)
    while len(out.pictures) < by_mathtext:
        tokens = lines.draw(rng)
        drawn = draw_mathtext(tokens, float(np.exp(rng.uniform(*np.log(_EMS)))))
        if drawn is None:
            out.left_out["not for mathtext"] += 1
            continue
        picture = as_given(1.0 - drawn / 255, rng)
        out.pictures.append(PrintPicture(tokens, "mathtext cm", picture))
        progress.update()
    settled = _settled(_held_out(captions, rng), faces, rng, out.left_out)
    while len(out.pictures) < count:
        tokens, face, glyphs = next(settled)
        em = float(np.exp(rng.uniform(*np.log(_EMS))))
        out.pictures.append(PrintPicture(tokens, face, as_given(_drawn(glyphs, em), rng)))
        progress.update()
    progress.close()


def _held_out(captions: Sequence[Sequence[str]], rng: np.random.Generator) -> Iterator[list[str]]:
    """Captions of all structures, half of them with a symbol of the alphabet, each in its turn."""
    recombiner = Recombiner(captions, _EVALUATED, known=PRINTABLE, whole=True)
    wanted = [token for token in INKED if token in PRINTABLE]
    turn = 0
    while True:
        tokens = recombiner.draw(rng)
        if rng.random() < 0.5:
            tokens = normalize(" ".join(with_token(tokens, wanted[turn % len(wanted)], rng)))
            turn += 1
        if len(tokens) <= _EVALUATED.longest and PRINTABLE.issuperset(tokens):
            yield tokens


def _settled(
    captions: Iterator[list[str]],
    faces: Sequence[tuple[Face, float]],
    rng: np.random.Generator,
    left_out: Counter[str],
) -> Iterator[tuple[list[str], str, list[PlacedGlyph]]]:
    """Captions, each in the first face of a random order that has all its glyphs."""
    weights = np.array([weight for _, weight in faces])
    failures = 0
    for tokens in captions:
        display, stretch = bool(rng.random() >= _INLINE), bool(rng.random() >= _SMALL)
        signs = _forms(tokens, rng)
        for number in rng.choice(len(faces), len(faces), replace=False, p=weights / weights.sum()):
            face = faces[number][0]
            try:
                glyphs = typeset(tokens, face, display, signs, stretch)
            except MissingGlyphError as error:
                left_out[str(error)] += 1
                continue
            except ValueError:
                left_out[f"{face.name} cannot set it"] += 1
                continue
            failures = 0
            yield tokens, face.name, glyphs
            break
        else:
            failures += 1
            if failures > _FAILURES:
                reason, _ = left_out.most_common(1)[0]
                raise ValueError(f"No face can set {_FAILURES} captions in a row: {reason}")


def _forms(tokens: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Characters for tokens, other than the usual ones."""
    signs = {
        token: form
        for token, form in _FORMS.items()
        if rng.random() < _FORM_SHARE.get(token, _OTHER_FORM)
    }
    letters = sorted({one for one in tokens if len(one) == 1 and one.isascii() and one.isalpha()})
    if letters and rng.random() < _STYLED:
        for letter in rng.choice(letters, int(rng.integers(1, 3))).tolist():
            place = ord(letter) - (ord("A") if letter.isupper() else ord("a") - 26)
            bold, slanted = chr(0x1D400 + place), chr(0x1D468 + place)
            choices = [bold, bold, slanted, letter, _SCRIPT.get(letter, letter)]
            signs[letter] = choices[int(rng.integers(len(choices)))]
    return signs


def _drawn(glyphs: Sequence[PlacedGlyph], em: float) -> NDArray[np.float64]:
    """How much of each pixel a formula fills, with a margin."""
    points = np.concatenate(
        [one.outline.points * np.array(one.place[2:]) + np.array(one.place[:2]) for one in glyphs]
    )
    lengths = np.concatenate([np.diff(one.outline.offsets) for one in glyphs])
    margin = 4.0
    points = (points - points.min(axis=0)) * em + margin
    width, height = np.ceil(points.max(axis=0) + margin).astype(int).tolist()
    return fill(points, np.concatenate([[0], np.cumsum(lengths)]), width, height)[0]
