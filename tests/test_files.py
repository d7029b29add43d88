"""Files and folders are whole or not there."""

from pathlib import Path

import pytest

from inktex.files import new_file, new_folder, recover, write_text


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one.txt"
    write_text(path, "old")
    with new_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"

    def half() -> None:
        with new_file(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["one.txt"]


def test_a_folder_takes_its_place_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for content in ("old", "new"):
        with new_folder(folder) as partial:
            (partial / content).touch()
    assert [file.name for file in folder.iterdir()] == ["new"]

    def half() -> None:
        with new_folder(folder) as partial:
            (partial / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [file.name for file in folder.iterdir()] == ["new"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_power_cut_between_two_folders_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    with new_folder(folder) as partial:
        (partial / "old").touch()
    rename = Path.rename

    def power_cut(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", power_cut)
        with pytest.raises(KeyboardInterrupt), new_folder(folder) as partial:
            (partial / "new").touch()
    assert not folder.exists()
    assert recover(folder)
    assert [file.name for file in folder.iterdir()] == ["old"]
    assert not recover(folder), "there is nothing to bring back"
