"""A reading as it is shown: its LaTeX in several spellings, its doubts, its symbols' places."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from latex2mathml.converter import convert
from PIL import Image, ImageDraw

from inktex.ink import Ink
from inktex.ink.render import (
    MARGIN_AFTER,
    MARGIN_BEFORE,
    STROKE_WIDTH,
    picture_box,
    placement,
    render,
)
from inktex.recognizer import Alternative, Reading
from inktex.tokenizer.compact_inktex import compact
from inktex.tokenizer.latex_wrapping_inktex import WRAPPINGS
from inktex.tokenizer.vocabulary_inktex import UNKNOWN_MARK

SPELLINGS: Final = ("compact", "spaced")
BARE: Final = "bare"
"""The wrapping that puts nothing around the LaTeX; the others are those of `inktex.formats`."""
UNCERTAIN: Final = 0.4
"""A reading with a lower probability is probably wrong."""
_WORDS: Final = (
    (0.9, "Almost certainly right"),
    (0.7, "Probably right"),
    (UNCERTAIN, "Uncertain"),
    (0.0, "Probably wrong somewhere"),
)
_SURE: Final = 0.7
"""A reading with a higher probability needs no check."""
_CHECK: Final = ": check the tinted symbols"
UNKNOWN: Final = compact([UNKNOWN_MARK])
"""LaTeX that stands for a mark outside the alphabet."""
_NUMBER: Final = "#2563eb"
"""Colour of boxes and numbers of several formulas."""
UNKNOWN_COLOUR: Final = "#c026d3"
"""As `--unknown` in `style.css`."""


@dataclass(frozen=True)
class Shown:
    """What stands in the answer.

    Attributes:
        candidates: the reading, then its alternatives; whichever the user took comes first.
        picture: URL (`data:`) of what was read; boxes are in its pixels.
        size: its width and height, in pixels.
        seen: URL (`data:`) of what the image processor made of it.
        notes: what the image processor found and did, in words; none of ink, of which it has
            nothing to find.
        locked: tokens that the visitor chose, by their indices in the reading.
        formulas: how many there seem to be, if the reading is probably wrong; else 1.
    """

    candidates: tuple[Alternative, ...]
    picture: str
    size: tuple[float, float]
    seen: str
    notes: tuple[str, ...] = ()
    locked: Mapping[int, str] = field(default_factory=dict)
    formulas: int = 1

    def without_pictures(self) -> Shown:
        """What the server may remember of it."""
        return replace(self, picture="", seen="", notes=())

    @property
    def best(self) -> Alternative:
        """The candidate that is the answer."""
        return self.candidates[0]


def show(
    source: Image.Image | Ink,
    reading: Reading,
    locked: Mapping[int, str] = MappingProxyType({}),
    formulas: int = 1,
) -> Shown:
    """A reading of a source, ready to be shown.

    Args:
        source: what was read.
        reading: of it.
        locked: tokens that the reading was made to have.
        formulas: see `Shown`.
    """
    picture, size = _ink_picture(source) if isinstance(source, Ink) else _picture(source)
    assert reading.picture is not None
    seen = _png(Image.fromarray(255 - reading.picture))
    candidates: tuple[Alternative, ...] = (reading, *reading.alternatives)
    notes = reading.reasons
    if isinstance(source, Ink):
        candidates, notes = tuple(_in_picture(one, source) for one in candidates), ()
    return Shown(candidates, picture, size, seen, notes, dict(locked), formulas)


def _in_picture(candidate: Alternative, ink: Ink) -> Alternative:
    """A candidate whose symbols have their boxes in the picture of the ink."""
    symbols = [
        one if one.box is None else replace(one, box=picture_box(one.box, ink.traces))
        for one in candidate.symbols
    ]
    return replace(candidate, symbols=tuple(symbols))


def numbered(source: Image.Image | Ink, readings: Sequence[Reading]) -> str:
    """An img of what was read, with the box and number of each formula in it, from 1 on.

    In a URL (`data:`): an image component would keep a file of the visitor's picture.
    """
    inked = Image.fromarray(255 - render(source.traces)) if isinstance(source, Ink) else source
    picture = inked.convert("RGB")
    pencil = ImageDraw.Draw(picture)
    unit = max(picture.size) / 100
    for number, reading in enumerate(readings, start=1):
        assert reading.box is not None
        place = reading.box
        if isinstance(source, Ink):
            place = picture_box(place, source.traces)
        left, top, right, bottom = place
        box = (left - unit / 2, top - unit / 2, right + unit / 2, bottom + unit / 2)
        pencil.rectangle(box, outline=_NUMBER, width=max(round(unit / 4), 1))
        pencil.text(box[:2], str(number), _NUMBER, font_size=max(4 * unit, 14), anchor="rs")
    url, _ = _picture(picture)
    return f'<img src="{url}" alt="The picture with {len(readings)} numbered formulas">'


def listed(readings: Sequence[Reading]) -> str:
    """Markdown of several formulas: number, score, formula and LaTeX of each."""
    return "\n\n".join(
        f"**{number}**: {verdict(one)[1]}\n\n{rendered(one.latex)}\n\n`{one.latex}`"
        for number, one in enumerate(readings, start=1)
    )


def spell(candidate: Alternative, spelling: str = "compact", wrapping: str = BARE) -> str:
    r"""LaTeX to copy.

    Args:
        candidate: the reading or one of its alternatives.
        spelling: `compact` (`x^{2}`) or `spaced` (`x ^ { 2 }`).
        wrapping: `BARE`, or one of `WRAPPINGS`.
    """
    if spelling == "compact":
        return candidate.latex if wrapping == BARE else candidate.to(f"latex-{wrapping}")
    before, after = WRAPPINGS.get(wrapping, ("", ""))
    return f"{before}{candidate.tokens.replace(UNKNOWN_MARK, UNKNOWN)}{after}"


def edited(text: str) -> tuple[str, str]:
    """What a user made of the LaTeX, in whatever is put around it: rendered, and as MathML.

    Both are empty where it is no LaTeX, as long as a brace is open, say.
    """
    latex = text.strip()
    for before, after in (("$", "$"), *WRAPPINGS.values()):
        if latex.startswith(before) and latex.endswith(after):
            latex = latex[len(before) : len(latex) - len(after)].strip()
            if before == WRAPPINGS["align"][0]:
                latex = f"\\begin{{aligned}}{latex}\\end{{aligned}}"
            break
    markup = mathml(latex) if latex else ""
    return (rendered(latex) if markup else "", markup)


def mathml(latex: str) -> str:
    """Presentation MathML of what a user wrote, beyond the vocabulary; empty if it cannot be."""
    try:
        markup: str = convert(latex, display="block")
    except Exception:  # of a converter that does not say what it raises
        return ""
    return markup


def rendered(latex: str) -> str:
    """Markdown that shows the formula, marks outside the alphabet in their colour.

    `<` would be taken for markup before KaTeX sees it.
    """
    safe = latex.replace("<", r"\lt ").replace(">", r"\gt ")
    safe = safe.replace(UNKNOWN, rf"\textcolor{{{UNKNOWN_COLOUR}}}{{{UNKNOWN}}}")
    return f"$$\n{safe}\n$$"


def verdict(candidate: Alternative) -> tuple[str, str]:
    """How sure the model is: words, and a percentage."""
    score = round(candidate.score, 2)
    words = next(words for least, words in _WORDS if score >= least)
    # Many doubts, each too small for a tint, may make an uncertain whole.
    if score < _SURE and candidate.doubtful:
        words += _CHECK
    if count := candidate.tokens.split().count(UNKNOWN_MARK):
        words += f"; {count} unknown {'mark' if count == 1 else 'marks'}"
    percent = f"{100 * candidate.score:.0f}"
    return words, "<1 %" if percent == "0" else f"{percent} %"


def told(shown: Shown) -> tuple[str, str]:
    """The verdict on the answer, and what may be wrong with it."""
    words, percent = verdict(shown.best)
    if shown.formulas > 1 and shown.best.score < UNCERTAIN:
        words += f". {shown.formulas} formulas? Each can be read under the answer"
    return words, percent


def is_worth_telling(score: float) -> bool:
    """Whether an alternative's probability says anything: of most that is less than 1 %."""
    return round(score, 2) > 0


def details(shown: Shown) -> dict[str, Any]:
    """What the browser needs to draw the picture with its symbols.

    Pictures that are not there (`Shown.without_pictures`) the browser has already.
    """
    candidate = shown.best
    boxes = {symbol.index: symbol.box for symbol in candidate.symbols}
    # Alternatives have none: what is chosen would be read anew without what makes them.
    others = candidate.candidates if isinstance(candidate, Reading) else ()
    width, height = shown.size
    return {
        "picture": shown.picture,
        "width": width,
        "height": height,
        "seen": shown.seen,
        "notes": shown.notes,
        "tokens": [
            {
                "text": "?" if token == UNKNOWN_MARK else token,
                "score": round(score, 4),
                "doubtful": index in candidate.doubtful,
                "unknown": token == UNKNOWN_MARK,
                "box": boxes.get(index),
                "locked": index in shown.locked,
                "candidates": [
                    {
                        "index": one.index,
                        "token": one.token,
                        "text": "?" if one.token == UNKNOWN_MARK else one.token,
                        "score": round(one.score, 4),
                    }
                    for one in (others[index] if others else ())
                ],
            }
            for index, (token, score) in enumerate(
                zip(candidate.tokens.split(), candidate.token_scores, strict=True)
            )
        ],
    }


def _picture(picture: Image.Image) -> tuple[str, tuple[float, float]]:
    """The picture as it was given, reduced if it is large; its size stays the one of the boxes."""
    size = (float(picture.width), float(picture.height))
    small = picture.copy()
    small.thumbnail((1024, 1024))
    if small.mode in ("RGBA", "LA") or small.width * small.height < 2**16:
        return _png(small), size
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return _url("image/jpeg", file.getvalue()), size


def _ink_picture(ink: Ink) -> tuple[str, tuple[float, float]]:
    """Ink as lines where the published protocol draws them."""
    scale, shift = placement(ink.traces)
    left, top, right, bottom = ink.box
    around = MARGIN_BEFORE + STROKE_WIDTH + MARGIN_AFTER
    width, height = (right - left) * scale + around, (bottom - top) * scale + around
    lines = []
    for trace in ink.traces:
        points = (trace * scale + shift).tolist()
        points += points[:1] if len(points) == 1 else []  # a dot is a line to itself
        lines.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    markup = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}"><rect width="100%" height="100%" fill="white"/>'
        f'<path d="{"".join(lines)}" fill="none" stroke="black" stroke-width="{STROKE_WIDTH}" '
        'stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    return _url("image/svg+xml", markup.encode()), (width, height)


def _png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return _url("image/png", file.getvalue())


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
