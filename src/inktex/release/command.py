r"""Publish a model, and what belongs to it, on the Hub.

    inktex release --dry-run  # builds and verifies, sends nothing
    inktex release --model-repository me/inktex --space me/inktex \
        --browser me/inktex-browser --crohme-card me/crohme --ink me/inktex-ink --tag v0.2.0

Each repository is built in a folder of --output and verified there: the model is loaded where
inktex is absent, by remote code and by `pipeline`, and must read generated pictures as the source
checkpoint does, token for token. Only when all of them are sound is anything sent. A repository
changes in one commit; what has not changed is not sent, a broken upload goes on where it broke
when the command is given again, and a card that was edited on the Hub stays.

The token is the one of `hf auth login` or of HF_TOKEN; it is not printed anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi
from PIL import Image

from inktex.cli.arguments import positive

from .._version import __version__
from ..data.crohme.card import build_crohme_card
from ..ink.render import render
from ..recognizer import load, pretrained_path
from ..synthesis.dataset import build_ink
from ..synthesis.random_captions import written_expressions
from .browser import MAX_PAGE, build_browser, one_graph
from .publish import publish
from .repository import RECORD, build_model, build_space
from .verification import ReleaseError, verify_files, verify_model

DESCRIPTION: Final = __doc__ or ""
SPACE: Final = Path("spaces_app")
"""Folder of the Space in a checkout; its `examples` are shown on the card."""
PAGE: Final = SPACE / "browser"
"""Folder of the page that reads in the browser."""
PACKAGES: Final = Path("build/npm")
"""Where npm's packages are installed."""
MAX_INK: Final = 500_000_000
"""Bytes of a data set of generated ink."""


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    source = options.source or pretrained_path()
    if not (source / RECORD).is_file():
        raise ReleaseError(
            f"{source} has no {RECORD}: make a checkpoint of the run with "
            "scripts/package_checkpoint.py."
        )
    record = json.loads((source / RECORD).read_text(encoding="utf-8"))
    recognizer = load(source, engine="torch")
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    model = options.model_repository or "me/inktex"
    print(f"Building {output / 'model'} ...", flush=True)
    examples = sorted((SPACE / "examples").glob("*.png"))
    ready = [("model", "model", options.model_repository)]
    folder = build_model(recognizer, record, output / "model", model, examples)
    pictures = {
        f"generated picture {number}": Image.fromarray(render(one.traces))
        for number, one in enumerate(written_expressions(options.pictures, seed=1))
    }
    count = verify_model(folder, recognizer, pictures)
    print(f"Verified: {count} pictures are read alike where inktex is absent.", flush=True)
    for wanted, place in ((options.space, SPACE), (options.browser, PAGE)):
        if wanted and not place.is_dir():
            raise ReleaseError(
                f"There is no {place} here: publish the Space from a checkout of inktex."
            )
    if options.space or (options.dry_run and SPACE.is_dir()):
        verify_files(build_space(SPACE, output / "space", model))
        ready.append(("space", "space", options.space))
    if options.browser:
        page = build_browser(PAGE, output / "browser", one_graph(source), PACKAGES, model)
        verify_files(page, MAX_PAGE)
        ready.append(("browser", "space", options.browser))
    if options.crohme_card or options.dry_run:
        verify_files(build_crohme_card(output / "crohme", model))
        ready.append(("crohme", "dataset", options.crohme_card))
    if options.ink:
        verify_files(build_ink(output / "ink", options.ink, options.count), MAX_INK)
        ready.append(("ink", "dataset", options.ink))
    if options.dry_run:
        print(f"Nothing was sent: look at {output}.")
        return 0
    if not options.model_repository:
        raise ReleaseError("Name the model's repository with --model-repository, or --dry-run.")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    for name, kind, repository in ready:
        done = publish(
            output / name,
            repository,
            api,
            kind=kind,  # type: ignore[arg-type]
            tag=options.tag,
            pull_request=options.pull_request,
            message=f"inktex {__version__}",
            is_private=options.private,
            sdk="static" if name == "browser" else "gradio",
        )
        sent = ", ".join(done.changed) if done.changed else "nothing, all of it is there already"
        print(f"{done.url}: sent {sent}")
        for path in done.kept:
            print(f"  {path} was edited on the Hub and stays as it is there.")
        if name == "space" and not options.pull_request:
            api.add_space_variable(repository, "INKTEX_MODEL", options.model_repository)
    return 0


def _repository(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a repository: give OWNER/NAME.")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    add = parser.add_argument
    add("--source", type=Path, help="checkpoint folder (default: the one that inktex ships)")
    add("--model-repository", type=_repository, metavar="OWNER/NAME")
    add("--space", type=_repository, metavar="OWNER/NAME", help="publish the Space too")
    add(
        "--browser",
        type=_repository,
        metavar="OWNER/NAME",
        help="publish the page that reads in the browser too, as a static Space; it needs npm",
    )
    add(
        "--crohme-card",
        type=_repository,
        metavar="OWNER/NAME",
        help="publish a card that tells how to build CROHME; no ink of it is sent",
    )
    add(
        "--ink",
        type=_repository,
        metavar="OWNER/NAME",
        help="publish a data set of generated ink too",
    )
    add("--count", type=positive, default=10_000, help="expressions of --ink")
    add("--pictures", type=positive, default=50, help="pictures that must be read alike")
    add("--output", type=Path, default=Path("build/release"), help="where to build")
    add("--tag", help="to set on the release, such as v0.2.0")
    add("--pull-request", action="store_true", help="propose the changes instead")
    add("--private", action="store_true", help="make new repositories private")
    add("--dry-run", action="store_true", help="build and verify, send nothing")
