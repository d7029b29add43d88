"""The notebook runs from top to bottom, offline, with the checkpoint that is shipped."""

from pathlib import Path
from typing import Any

import pytest

from inktex.recognizer import pretrained_path

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


@pytest.fixture(scope="module")
def notebook(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pretrained_path()  # says what is missing
    content = nbformat.read(repository / "notebooks/quickstart.ipynb", as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(
        content, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def outputs(notebook: Any, start: str) -> str:
    """What the cell that begins so has printed and given."""
    (cell,) = [c for c in notebook.cells if c.source.startswith(start)]
    texts = [one.get("text") or one["data"].get("text/plain", "") for one in cell.outputs]
    return "".join(texts)


def test_it_reads(notebook: Any) -> None:
    assert r"x=\frac{-b\pm\sqrt{b^{2}-4ac}}{2a}" in outputs(notebook, "ink = draw")
    assert "2+3=5" in outputs(notebook, "captions = [")
    assert "NoFormulaError" in outputs(notebook, "captions = [")
    assert "generated_text" in outputs(notebook, "from transformers")


def test_it_shows_where_symbols_are(notebook: Any) -> None:
    (cell,) = [c for c in notebook.cells if c.source.startswith("figure, axes")]
    assert any("image/png" in one.get("data", {}) for one in cell.outputs)


def test_it_fine_tunes(notebook: Any) -> None:
    assert "frac" in outputs(notebook, "import csv")


def test_it_is_kept_without_outputs(repository: Path) -> None:
    content = nbformat.read(repository / "notebooks/quickstart.ipynb", as_version=4)
    for cell in content.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
