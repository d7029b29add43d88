"""Checks of a repository's folder before it is published."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from inktex.engine import MAX_TOKENS

if TYPE_CHECKING:
    from PIL import Image

    from ..recognizer import Recognizer

MAX_BYTES: Final = 20_000_000
"""Of a model repository."""
_SECRETS: Final = re.compile(
    rb"hf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|"
    rb"gh[pousr]_[A-Za-z0-9]{30,}|(?<![\w.])/(?:home|root|Users)/\w"
)
"""Tokens, keys, and paths of the machine that built the release."""
_NOBODYS_HOME: Final = b"/home/web_user"
"""In all that was compiled by Emscripten, wherever that was."""
_READ = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "inktex":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline

folder, *pictures = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
found = []
for picture in pictures:
    ids = model.generate(**processor(images=picture, return_tensors="pt"), max_length=LENGTH)
    found.append(processor.batch_decode(ids, skip_special_tokens=True)[0])
read = pipeline("image-to-text", model=folder, trust_remote_code=True)
answers = [read(picture, max_length=LENGTH)[0]["generated_text"] for picture in pictures]
print(json.dumps({"tokens": found, "pipeline": answers}))
""".replace("LENGTH", str(MAX_TOKENS + 1))


class ReleaseError(ValueError):
    """A release that cannot be built, verified or published; the message says why."""


def verify_model(folder: Path, recognizer: Recognizer, pictures: Mapping[str, Image.Image]) -> int:
    """Make sure that a repository is what it says; returns how many pictures were read alike.

    It is loaded in another process, where inktex is absent, by remote code and by `pipeline`, and
    has to read as the source does, token for token. No secret and no large file may be in it.

    Args:
        folder: of `build_model`.
        recognizer: the source checkpoint.
        pictures: to read, by name.

    Raises:
        ReleaseError: naming all that is wrong.
    """
    faults = [*_file_faults(folder, MAX_BYTES), *_reading_faults(folder, recognizer, pictures)]
    if faults:
        raise ReleaseError(f"{folder} must not be published: " + " ".join(faults))
    return len(pictures)


def verify_files(folder: Path, limit: int = MAX_BYTES) -> None:
    """Make sure that a folder has no secret in it and is not too large.

    Raises:
        ReleaseError: naming all that is wrong.
    """
    faults = list(_file_faults(folder, limit))
    if faults:
        raise ReleaseError(f"{folder} must not be published: " + " ".join(faults))


def _file_faults(folder: Path, limit: int) -> Iterator[str]:
    size = 0
    for name in file_names(folder):
        content = (folder / name).read_bytes()
        size += len(content)
        if name.endswith((".safetensors", ".parquet", ".png", ".onnx", ".wasm", ".woff2")):
            continue
        content = content.replace(_NOBODYS_HOME, b"")
        if found := _SECRETS.search(content):
            hint = found[0][:6].decode(errors="replace")
            yield f"{name} has what looks like a secret or a private path ({hint}...)."
        if name.endswith((".pt", ".bin", ".pkl", ".ckpt")):
            yield f"{name} is no safetensors."
    if size > limit:
        yield f"It has {size / 1e6:.1f} MB, more than {limit / 1e6:.0f}."


def _reading_faults(
    folder: Path, recognizer: Recognizer, pictures: Mapping[str, Image.Image]
) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="inktex-verify-") as place:
        paths = []
        for number, picture in enumerate(pictures.values()):
            paths.append(Path(place) / f"{number}.png")
            picture.save(paths[-1])
        expected = [recognizer(path) for path in paths]
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(folder.resolve()), *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
            cwd=place,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield f"It does not load without inktex: {last}"
        return
    found = json.loads(done.stdout.splitlines()[-1])
    for name, reading, tokens, latex in zip(
        pictures, expected, found["tokens"], found["pipeline"], strict=True
    ):
        if tokens != reading.tokens:
            yield f"{name} is read as {tokens!r}, not as {reading.tokens!r}."
        elif latex != reading.latex:
            yield f"The pipeline reads {name} as {latex!r}, not as {reading.latex!r}."


def file_names(folder: Path) -> list[str]:
    """Paths of all files in a folder, relative to it, with `/`, sorted."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
