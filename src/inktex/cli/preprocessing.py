"""`inktex recognize --show-preprocessing`: sheets with a picture before and after processing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inktex.ink import Ink
from inktex.ink.render import picture_box
from inktex.inputs import as_ink, as_picture, prepare

if TYPE_CHECKING:
    from PIL import Image

    from inktex.modeling.image_processing_inktex import InktexImageProcessor
    from inktex.modeling.normalized_picture_inktex import NormalizedPicture

_WIDTH = 900
"""Pixels."""
_HEIGHT = 420
"""Pixels that each of the two pictures may be tall."""


def preprocessing_sheet(picture: Any, image_processor: InktexImageProcessor) -> Image.Image:
    """The given picture, with a frame around what was taken for the formula; what the model sees.

    Args:
        picture: whatever `Recognizer` reads.

    Returns:
        RGB; below the pictures stands what was found and done, one reason a line. Where no formula
        was found, the given picture and why.

    Raises:
        ValueError: if it cannot be read as a picture.
        OSError: if the file cannot be opened.
    """
    from PIL import Image, ImageDraw, ImageOps

    from inktex.modeling.image_loading_inktex import NoFormulaError, load_picture

    ink = as_ink(picture)
    source = load_picture(as_picture(ink))
    if not isinstance(source, Image.Image):
        raise ValueError("Arrays and tensors are not shown: make a PIL picture of them.")
    placed: NormalizedPicture | None = None
    try:
        placed = prepare(ink if isinstance(ink, Ink) else source, image_processor)
        reasons = [f"- {reason}" for reason in placed.reasons]
    except NoFormulaError as error:
        reasons = [str(error)]
    upright = ImageOps.exif_transpose(source).convert("RGBA")
    given = Image.new("RGBA", upright.size, "white")
    given.alpha_composite(upright)
    if placed is not None:
        height, width = placed.picture.shape
        place = placed.to_source((0, 0, width, height))
        if isinstance(ink, Ink):
            place = picture_box(place, ink.traces)
        frame = ImageDraw.Draw(given)
        frame.rectangle(place, outline="#D55E00", width=2)
    parts = [given.convert("RGB")]
    if placed is not None:
        parts.append(ImageOps.invert(Image.fromarray(placed.picture)).convert("RGB"))
    parts = [ImageOps.contain(part, (_WIDTH - 20, _HEIGHT)) for part in parts]
    text = "\n".join(reasons)
    sheet = Image.new("RGB", (_WIDTH, sum(part.height + 15 for part in parts) + 15), "#dddddd")
    room = ImageDraw.Draw(sheet).multiline_textbbox((0, 0), text)[3]
    sheet = ImageOps.expand(sheet, (0, 0, 0, round(room) + 15), fill="#dddddd")
    top = 15
    for part in parts:
        sheet.paste(part, (10, top))
        top += part.height + 15
    ImageDraw.Draw(sheet).multiline_text((10, top), text, fill="black")
    return sheet


def write_sheets(
    sources: Iterable[Any],
    names: Iterable[str],
    folder: Path,
    image_processor: InktexImageProcessor,
) -> Iterator[Any]:
    """Pass the sources on, and write the sheet of each into a folder.

    What cannot be read as a picture has no sheet; its reader will say why.

    Raises:
        OSError: if the folder, which must be there, cannot be written to.
    """
    for number, (source, name) in enumerate(zip(sources, names, strict=True), start=1):
        try:
            sheet = preprocessing_sheet(source, image_processor)
        except (ValueError, OSError):
            pass
        else:
            stem = re.sub(r"[^\w.-]+", "_", Path(name).stem).strip("._") or "standard-input"
            sheet.save(folder / f"{number:04d}-{stem[:80]}.png")
        yield source
