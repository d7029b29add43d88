"""Brings a repository on the Hub to the state of a folder, in one commit.

What is on the Hub already is not sent again (`HfApi.upload_folder` compares hashes). Files of an
earlier release that the new one lacks are deleted, others' files are left alone, and so is a card
that was edited on the Hub: `.release.json` in the repository names what the last release wrote.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from huggingface_hub import HfApi, RepoFile

from .repository import CARD
from .verification import ReleaseError, file_names

Kind = Literal["model", "dataset", "space"]

MANIFEST: Final = ".release.json"
"""Paths of the files that the last release wrote -> their git blob ids."""


@dataclass(frozen=True)
class Published:
    """What publishing a folder did.

    Attributes:
        url: of the repository, or of the pull request.
        changed: files that are new or different on the Hub.
        deleted: files of the last release that this one does not have.
        kept: files that were edited on the Hub; they were left as they are.
    """

    url: str
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]


def publish(
    folder: Path,
    repository: str,
    api: HfApi,
    kind: Kind = "model",
    tag: str | None = None,
    pull_request: bool = False,
    message: str = "A release of inktex",
    is_private: bool = False,
    sdk: str = "gradio",
) -> Published:
    """Bring a repository on the Hub to the state of a folder, in one commit.

    Args:
        folder: verified; gets a `.release.json`.
        repository: `owner/name`; it is made if there is none.
        api: knows the address and the token.
        tag: to set on the new state, such as `v0.1.0`.
        pull_request: propose the changes instead of making them.
        message: of the commit.
        is_private: whether a new repository is seen by its owner alone.
        sdk: of a new Space: `gradio` or `static`.

    Raises:
        ReleaseError: if the Hub refuses or cannot be reached.
    """
    try:
        url = api.create_repo(
            repository,
            repo_type=kind,
            space_sdk=sdk if kind == "space" else None,
            exist_ok=True,
            private=is_private or None,
        )
        there = _files(api, repository, kind)
        manifest: dict[str, str] = {}
        if MANIFEST in there:
            path = api.hf_hub_download(repository, MANIFEST, repo_type=kind)
            manifest = json.loads(Path(path).read_text(encoding="utf-8"))
        names = [name for name in file_names(folder) if name != MANIFEST]
        written = {name: _blob_id(folder / name) for name in names}
        # A card on the Hub that is neither the last release's nor this one's was edited there.
        is_edited = there.get(CARD) not in (None, manifest.get(CARD), written.get(CARD))
        kept = (CARD,) if is_edited and CARD in written else ()
        # Of an edited card the id of the last release stays on record, so that it counts as edited
        # the next time, too.
        written |= {name: manifest.get(name, "") for name in kept}
        deleted = tuple(name for name in manifest if name in there and name not in names)
        content = json.dumps(written, indent=2, sort_keys=True) + "\n"
        (folder / MANIFEST).write_text(content, encoding="utf-8")
        commit = api.upload_folder(
            repo_id=repository, repo_type=kind, folder_path=folder, commit_message=message,
            create_pr=pull_request, ignore_patterns=list(kept), delete_patterns=list(deleted),
        )  # fmt: skip
        now = _files(api, repository, kind, commit.pr_revision)
        if tag and not pull_request:
            api.create_tag(repository, repo_type=kind, tag=tag, exist_ok=True)
    except Exception as error:  # of the client, its HTTP library and the system
        raise ReleaseError(f"{repository} was not published to {api.endpoint}: {error}") from error
    changed = tuple(n for n in sorted(now) if n != MANIFEST and now[n] != there.get(n))
    return Published(commit.pr_url or str(url), changed, deleted, kept)


def _files(api: HfApi, repository: str, kind: Kind, revision: str | None = None) -> dict[str, str]:
    """Git blob ids of the files on the Hub, by path."""
    tree = api.list_repo_tree(repository, recursive=True, repo_type=kind, revision=revision)
    return {one.path: one.blob_id for one in tree if isinstance(one, RepoFile)}


def _blob_id(path: Path) -> str:
    """Git's name for the content of a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
