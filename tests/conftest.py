"""Fixtures that several tests share, and a test run that touches neither network nor home."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Set before any Hugging Face library is imported, because they read these on import.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_XET"] = "1"
_HOME = tempfile.mkdtemp(prefix="inktex-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["HF_HOME"] = _HOME
os.environ["TOKENIZERS_PARALLELISM"] = "false"

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="module")
def small_model() -> Any:
    """An untrained model, as small as one can be that has every part; one a module."""
    import torch

    from inktex.modeling.configuration_inktex import InktexConfig
    from inktex.modeling.modeling_inktex import InktexForConditionalGeneration

    torch.manual_seed(0)
    config = InktexConfig(
        encoder={
            "stem_channels": [4, 8],
            "block_layers": [1, 1],
            "growth_rates": [4, 4],
            "bottleneck_factors": [0, 1],
            "fusion_channels": 16,
            "hidden_size": 16,
        },
        decoder={
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "guided_layers": [1],
            "max_position_embeddings": 12,
        },
    )
    return InktexForConditionalGeneration(config).eval()


@pytest.fixture(scope="session")
def crohme() -> Path:
    """The folder with the CROHME files; without it the test is skipped."""
    folder = os.environ.get("INKTEX_CROHME")
    if not folder:
        pytest.skip("needs CROHME: set INKTEX_CROHME to the folder of captions_*.tsv")
    path = Path(folder)
    if not (path / "captions_train.tsv").is_file():
        pytest.fail(f"INKTEX_CROHME is {folder}, where there is no captions_train.tsv")
    return path


@pytest.fixture(scope="session")
def captions(crohme: Path) -> list[str]:
    """All published captions: space-separated tokens."""
    found: list[str] = []
    for path in sorted(crohme.glob("captions_*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [line.split("\t")[1] for line in lines]
    return found


@pytest.fixture
def cut_power(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`cut_power(module, name, calls, run)`: run, until a function has been called so often."""

    def cut(module: ModuleType | type, name: str, calls: int, run: Callable[[], object]) -> None:
        function, done = getattr(module, name), 0

        def power_cut(*arguments: Any) -> Any:
            nonlocal done
            if done == calls:
                raise KeyboardInterrupt
            done += 1
            return function(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, power_cut)
            with pytest.raises(KeyboardInterrupt):
                run()

    return cut
