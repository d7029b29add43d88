"""The page that reads in the browser, as a folder of files that any web server can give out."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

from .._version import __version__
from ..files import new_folder
from ..ink.inkml import read_inkml
from ..onnx.files import SETTINGS, SINGLE, SINGLE_SETTINGS, exported_folder
from .repository import CARD, name_model
from .verification import ReleaseError, file_names

__all__ = ["MAX_PAGE", "WASM", "build_browser", "install_packages", "one_graph"]

MAX_PAGE: Final = 25_000_000
"""Bytes of the whole page, which a first visit loads."""
WASM: Final = "ort-wasm-simd-threaded.wasm"
"""The smallest build of ONNX Runtime Web: no graphics card, and all operators of the CPU."""
EXAMPLES: Final = ("circle", "euler", "limit", "quadratic")
"""Of the Space, shown on the page."""
_STATIC: Final = ("index.html", "icon.svg", "manifest.webmanifest", CARD)
_ENTRIES: Final = ("page/main.js", "page/worker.js", "style.css")
_OPTIONS: Final = (
    "--bundle", "--minify", "--format=esm", "--target=es2022", "--entry-names=[name]",
    "--asset-names=fonts/[name]", "--loader:.woff2=file", "--log-level=warning",
    # Older formats of the same fonts, which no browser that runs the model asks for.
    "--external:*.woff", "--external:*.ttf",
)  # fmt: skip


def install_packages(source: Path, place: Path) -> None:
    """Copy the page's sources to a folder and install there what `package-lock.json` names.

    What is installed already stays; several processes may call it at a time.

    Args:
        source: the folder `spaces_app/browser`.
        place: gets the sources and `node_modules`.

    Raises:
        ReleaseError: if there is no npm, or it cannot install them.
    """
    place.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(place.with_name(f"{place.name}.lock")):
        ignored = shutil.ignore_patterns("node_modules")
        shutil.copytree(source, place, ignore=ignored, dirs_exist_ok=True)
        names = ("package.json", "package-lock.json", ".npmrc")
        wanted = hashlib.sha256(b"".join((source / name).read_bytes() for name in names))
        stamp = place / "node_modules" / ".inktex"
        if stamp.is_file() and stamp.read_text() == wanted.hexdigest():
            return
        _run(["npm", "ci", "--no-progress"], place, "The packages of the page were not installed")
        stamp.write_text(wanted.hexdigest())


def one_graph(model: Path, precision: str = "int8") -> Path:
    """The one-file graph of a model, exported into the cache if it is not there.

    Args:
        model: folder of a model.
        precision: `int8` or `fp32`.
    """
    folder = exported_folder(model, precision)
    if not (folder / SINGLE).is_file():
        from ..onnx.export import export, export_single

        if not (folder / SETTINGS).is_file():
            export(model)
        export_single(folder, precision)
    return folder / SINGLE


def build_browser(
    source: Path, folder: Path, graph: Path, place: Path, model: str | None = None
) -> Path:
    """Write the page with its model; returns the folder.

    Args:
        source: the folder `spaces_app/browser`; the examples lie beside it.
        folder: is replaced, in one step at the end.
        graph: the one-file graph of the model.
        place: where npm's packages are installed, see `install_packages`.
        model: repository of the model on the Hub, for the front matter.

    Raises:
        ReleaseError: if a tool is missing or fails.
    """
    from ..onnx.single_settings import write_single_settings

    install_packages(source, place)
    with new_folder(folder) as partial:
        tool = str((place / "node_modules/.bin/esbuild").resolve())
        output = f"--outdir={partial.resolve()}"
        _run([tool, *_ENTRIES, *_OPTIONS, output], place, "The page was not bundled")
        for name in _STATIC:
            shutil.copyfile(source / name, partial / name)
        shutil.copyfile(place / "node_modules/onnxruntime-web/dist" / WASM, partial / WASM)
        shutil.copyfile(graph, partial / SINGLE)
        write_single_settings(graph, partial / SINGLE_SETTINGS)
        _write_examples(source.parent / "examples", partial / "examples.json")
        if model is not None:
            name_model(partial / CARD, model)
        _write_service_worker(source / "service-worker.js", partial)
    return folder


def _write_examples(source: Path, path: Path) -> None:
    examples = [
        {
            "name": name,
            "strokes": [trace.astype(float).round(1).tolist() for trace in ink.traces],
        }
        for name in EXAMPLES
        if (ink := read_inkml(source / f"{name}.inkml"))
    ]
    path.write_text(json.dumps(examples), encoding="utf-8")


def _write_service_worker(source: Path, folder: Path) -> None:
    """Write the service worker with the names of all files, and a version of their content."""
    names = [name for name in file_names(folder) if name != CARD]
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + (folder / name).read_bytes())
    text = source.read_text(encoding="utf-8")
    text = text.replace('"VERSION"', f'"{__version__}-{digest.hexdigest()[:12]}"')
    text = text.replace('["FILES"]', json.dumps(["./", *names]))
    (folder / source.name).write_text(text, encoding="utf-8")


def _run(command: list[str], place: Path, fault: str) -> None:
    """Run a tool; what it says is shown only if it fails."""
    if shutil.which(command[0]) is None:
        raise ReleaseError(f"{fault}: there is no {command[0]}. Install Node 18 or later with npm.")
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{fault}: {(done.stderr or done.stdout).strip()}")
