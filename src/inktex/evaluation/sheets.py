"""Contact sheets: many pictures in one, to look at."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw


def tiled_sheet(
    tiles: Sequence[tuple[Image.Image | None, str]], columns: int, size: tuple[int, int]
) -> Image.Image:
    """Pictures in rows, each below its label.

    Args:
        tiles: picture and label; no picture leaves the place empty.
        columns: tiles in a row.
        size: width and height of a tile in pixels; larger pictures are reduced.
    """
    width, height = size
    sheet = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height), "white")
    pencil = ImageDraw.Draw(sheet)
    for number, (picture, label) in enumerate(tiles):
        x, y = number % columns * width, number // columns * height
        pencil.rectangle((x, y, x + width - 1, y + height - 1), outline="#cccccc")
        pencil.text((x + 4, y + 2), label[: width // 6], fill="black")
        if picture is not None:
            small = picture.convert("RGBA")
            small.thumbnail((width - 8, height - 20), Image.Resampling.LANCZOS)
            sheet.paste(small, (x + (width - small.width) // 2, y + 16), small)
    return sheet
