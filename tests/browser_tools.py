"""What the tests of the page in the browser share: npm's packages, and answers of Node."""

from __future__ import annotations

import base64
import functools
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inktex.release.browser import install_packages
from inktex.release.verification import ReleaseError
from inktex.shipped import pretrained_path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "spaces_app/browser"
PACKAGES = ROOT / "build/npm"
needs_npm = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="needs Node and npm"
)


@functools.cache
def packages() -> Path:
    """The folder with the page's sources and npm's packages; skips where these cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node and npm")
    try:
        install_packages(SOURCE, PACKAGES)
    except ReleaseError as error:
        if "network" in str(error) or "ENOTFOUND" in str(error) or "EAI_AGAIN" in str(error):
            pytest.skip(f"npm's packages cannot be had here: {error}")
        raise
    return PACKAGES


class Node:
    """A process of Node that answers with what the JavaScript package computes.

    Args:
        model: folder of a page, for readings.
    """

    def __init__(self, model: Path | None = None) -> None:
        command = ["node", "tools/answer.mjs", str(model or ".")]
        self.process = subprocess.Popen(
            command, cwd=packages(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, action: str, **request: Any) -> Any:
        """The whole answer, an error perhaps."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"action": action, **request}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __call__(self, action: str, **request: Any) -> Any:
        answer = self.ask(action, **request)
        assert "error" not in answer, answer
        return answer["value"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def as_json(traces: Sequence[NDArray[np.float32]]) -> list[Any]:
    """Strokes as JSON has them."""
    return [trace.astype(float).tolist() for trace in traces]


def picture_json(picture: Image.Image) -> dict[str, Any]:
    """A picture as Node's side takes it."""
    content = base64.b64encode(picture.convert("RGBA").tobytes()).decode()
    return {"data": content, "width": picture.width, "height": picture.height}


def raster(found: dict[str, Any]) -> NDArray[np.uint8]:
    """A picture that Node's side gave."""
    pixels = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return pixels.reshape(found["height"], found["width"])


def shipped_graph(folder: Path) -> Path:
    """The one-file graph of the shipped model in float32, of the graphs that inktex comes with.

    An export in eight bits would trace the model anew and measure its activations.
    """
    pytest.importorskip("onnxscript", reason="needs pip install 'inktex[export]'")
    from inktex.onnx.files import DECODER, ENCODER, SINGLE, find_export, read_weights
    from inktex.onnx.graphs import fill_graph
    from inktex.onnx.single import write_single

    try:
        found = find_export(pretrained_path(), "fp32")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert found.weights is not None
    weights = read_weights(found.weights)
    for name, graph in ((ENCODER, found.encoder), (DECODER, found.decoder)):
        fill_graph(graph, weights, folder / name)
    filled = replace(found, encoder=folder / ENCODER, decoder=folder / DECODER)
    write_single(filled, folder / SINGLE)
    return folder / SINGLE
