"""Pages of PDF files as pictures."""

import io
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inktex.cli.recognize import find_pictures
from inktex.modeling import pdf_pages_inktex
from inktex.modeling.image_loading_inktex import load_picture, register_formats, split_page

pytest.importorskip("pypdfium2")
COLOURS = ("red", "green", "blue")


def _pdf(path: Path, sizes: tuple[tuple[int, int], ...] = ((144, 72),) * 3) -> Path:
    """A file of one-coloured pages, pixels of which are a 72th of an inch."""
    pages = [Image.new("RGB", size, colour) for size, colour in zip(sizes, COLOURS, strict=False)]
    pages[0].save(path, "PDF", save_all=True, append_images=pages[1:])
    return path


def _colour(picture: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(picture.convert("RGB")).reshape(-1, 3).mean(0).round().tolist())


def test_a_page_is_drawn_at_two_hundred_pixels_an_inch(tmp_path: Path) -> None:
    picture = load_picture(_pdf(tmp_path / "a.pdf", ((144, 72),)))
    assert picture.size == (400, 200)
    picture.load()
    assert picture.size == (400, 200)


def test_huge_pages_are_drawn_more_coarsely(tmp_path: Path) -> None:
    picture = load_picture(_pdf(tmp_path / "a.pdf", ((7200, 720),)))
    assert picture.size == (pdf_pages_inktex.MAX_SIDE, pdf_pages_inktex.MAX_SIDE // 10)


@pytest.mark.parametrize("as_text", [False, True])
def test_pages_are_counted_from_one_behind_the_name(tmp_path: Path, as_text: bool) -> None:
    path = _pdf(tmp_path / "a.pdf")
    for number, wanted in enumerate([(254, 0, 0), (0, 128, 0), (0, 0, 254)], start=1):
        name = f"{path}#page={number}"
        found = _colour(load_picture(name if as_text else Path(name)))
        assert np.allclose(found, wanted, atol=3)
    for number in (0, 4):
        with pytest.raises(ValueError, match=rf"a\.pdf has 3 page.* none with the number {number}"):
            load_picture(f"{path}#page={number}")


def test_the_pages_of_a_tiff_are_chosen_likewise(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    pages = [Image.new("RGB", (20, 10), colour) for colour in COLOURS]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert _colour(load_picture(f"{path}#page=3")) == (0, 0, 255)


def test_a_file_whose_name_ends_so_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png#page=2"
    Image.new("RGB", (20, 10), "red").save(path, "PNG")
    assert split_page(str(path)) == (str(path), None)
    assert _colour(load_picture(path)) == (255, 0, 0)


def test_the_first_page_is_read_and_how_to_read_others_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _pdf(tmp_path / "a.pdf")
    with caplog.at_level(logging.WARNING):
        assert np.allclose(_colour(load_picture(path.read_bytes())), (254, 0, 0), atol=3)
    assert "3 pages or frames" in caplog.text
    assert "#page=2" in caplog.text
    caplog.clear()
    load_picture(f"{path}#page=1")
    assert not caplog.text


def test_the_command_takes_pages(tmp_path: Path) -> None:
    name = f"{_pdf(tmp_path / 'a.pdf')}#page=2"
    other = str(tmp_path / "b.pdf#page=2")
    files, missing = find_pictures([name, other])
    assert files == [name]
    assert [(one.name, one.message) for one in missing] == [
        (other, f"{other}: no such file or folder.")
    ]


def test_a_broken_file_and_one_without_its_library_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 and nothing more")
    with pytest.raises(ValueError, match="cannot be read"):
        load_picture(path)
    register_formats()
    monkeypatch.delitem(Image.OPEN, "PDF")
    with pytest.raises(ValueError, match=r"a PDF file, which needs pypdfium2: .*'inktex\[pdf\]'"):
        load_picture(_pdf(path))


def test_many_threads_draw_the_same_page(tmp_path: Path) -> None:
    page = Image.new("L", (300, 100), 255)
    ImageDraw.Draw(page).line((10, 10, 290, 90), fill=0, width=4)
    file = io.BytesIO()
    page.save(file, "PDF")
    found: list[bytes] = []

    def draw() -> None:
        found.append(load_picture(file.getvalue()).convert("L").tobytes())

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert len({*found}) == 1
