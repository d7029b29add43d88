"""Brings a repository on the Hub to the state of a folder, in one commit.

What is on the Hub already is not sent again (`HfApi.upload_folder` compares hashes). Files of an
earlier release that the new one lacks are deleted, others' files are left alone, and so is a card
that was edited on the Hub: `.release.json` in the repository names what the last release wrote.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from huggingface_hub import HfApi, RepoFile
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .repository import CARD
from .verification import ReleaseError, file_names

__all__ = ["MANIFEST", "Kind", "Published", "publish"]

Kind = Literal["model", "dataset", "space"]

MANIFEST: Final = ".release.json"
"""Paths of the files that the last release wrote -> their git blob ids."""
ATTEMPTS: Final = 4
"""How often a broken connection is tried again."""
PAUSE: Final = 1.0
"""Seconds before the second attempt; twice as long before each further one."""


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
    revision: str = "main",
    tag: str | None = None,
    pull_request: bool = False,
    message: str = "A release of inktex",
    private: bool = False,
    pause: float = PAUSE,
) -> Published:
    """Bring a repository on the Hub to the state of a folder, in one commit.

    Args:
        folder: verified; gets a `.release.json`.
        repository: `owner/name`; it is made if there is none.
        api: knows the address and the token.
        kind: of repository.
        revision: branch to commit to; it is made from main if there is none.
        tag: to set on the new state, such as `v0.1.0`.
        pull_request: propose the changes instead of making them.
        message: of the commit.
        private: whether a new repository is.
        pause: seconds before a broken connection is tried again, twice as long each time.

    Returns:
        What was done.

    Raises:
        ReleaseError: if the Hub refuses or cannot be reached.
    """
    hub = _Hub(api, repository, kind, pause)
    hub.call(
        "create_repo", exist_ok=True, private=private or None,
        space_sdk="gradio" if kind == "space" else None,
    )  # fmt: skip
    if revision != "main":
        hub.call("create_branch", branch=revision, exist_ok=True)
    there, manifest = hub.files(revision), hub.manifest(revision)
    names = [name for name in file_names(folder) if name != MANIFEST]
    written = {name: _blob_id(folder / name) for name in names}
    # A card on the Hub that is neither the last release's nor this one's was edited there.
    is_edited = there.get(CARD) not in (None, manifest.get(CARD), written.get(CARD))
    kept = (CARD,) if is_edited and CARD in written else ()
    # Of an edited card the id of the last release stays on record, so that it counts as edited
    # the next time, too.
    written |= {name: manifest.get(name, "") for name in kept}
    deleted = tuple(name for name in manifest if name in there and name not in names)
    url = f"{api.endpoint}/{'' if kind == 'model' else kind + 's/'}{repository}"
    content = json.dumps(written, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    commit = hub.call(
        "upload_folder", folder_path=folder, commit_message=message, revision=revision,
        create_pr=pull_request, ignore_patterns=list(kept), delete_patterns=list(deleted),
    )  # fmt: skip
    now = hub.files(commit.pr_revision if pull_request else revision)
    if tag and not pull_request:
        hub.call("create_tag", tag=tag, revision=revision, exist_ok=True)
    changed = tuple(n for n in sorted(now) if n != MANIFEST and now[n] != there.get(n))
    return Published(commit.pr_url or url, changed, deleted, kept)


def _blob_id(path: Path) -> str:
    """Git's name for the content of a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class _Hub:
    """One repository; calls that a broken connection interrupts are tried again."""

    api: HfApi
    repository: str
    kind: Kind
    pause: float

    def call(self, name: str, **arguments: Any) -> Any:
        """Call a method of `HfApi` on the repository."""
        method = getattr(self.api, name)
        return self._insist(
            lambda: method(repo_id=self.repository, repo_type=self.kind, **arguments)
        )

    def files(self, revision: str) -> dict[str, str]:
        """Git blob ids of the files that are there."""

        def listed() -> dict[str, str]:
            try:
                tree = self.api.list_repo_tree(
                    self.repository, recursive=True, revision=revision, repo_type=self.kind
                )
                return {one.path: one.blob_id for one in tree if isinstance(one, RepoFile)}
            except EntryNotFoundError:  # a repository without a commit
                return {}

        found: dict[str, str] = self._insist(listed)
        return found

    def manifest(self, revision: str) -> dict[str, str]:
        """What the last release wrote; empty if there was none."""

        def loaded() -> dict[str, str]:
            try:
                path = self.api.hf_hub_download(
                    self.repository, MANIFEST, repo_type=self.kind, revision=revision
                )
            except LocalEntryNotFoundError as error:  # not reached: nothing is known of the file
                raise ConnectionError(str(error)) from error
            except EntryNotFoundError:
                return {}
            found: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
            return found

        known: dict[str, str] = self._insist(loaded)
        return known

    def _insist(self, action: Callable[[], Any]) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return action()
            except LocalTokenNotFoundError as error:
                raise ReleaseError("There is no token: log in with `hf auth login`.") from error
            except HfHubHTTPError as error:
                status = error.response.status_code if error.response is not None else 0
                if status < 500 or attempt == ATTEMPTS - 1:
                    raise ReleaseError(self._refusal(status, error)) from None
            except Exception as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise ReleaseError("The disk is full: nothing was published.") from None
                if not _is_connection(error):
                    raise
                if attempt == ATTEMPTS - 1:
                    raise ReleaseError(
                        f"{self.api.endpoint} cannot be reached ({type(error).__name__}): "
                        "try again later."
                    ) from None
            time.sleep(self.pause * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _refusal(self, status: int, error: HfHubHTTPError) -> str:
        if status == 401 and not isinstance(error, RepositoryNotFoundError):
            return "The Hub does not accept the token: log in anew with `hf auth login`."
        if status == 403:
            return (
                f"The token may not write to {self.repository}: ask its owner, or choose another "
                "name."
            )
        if isinstance(error, RevisionNotFoundError):
            return f"{self.repository} has no such revision."
        if isinstance(error, RepositoryNotFoundError):
            return (
                f"There is no {self.repository} at {self.api.endpoint}, or the token may not see "
                "it."
            )
        said = (error.server_message or str(error)).splitlines()[0]
        return f"{self.api.endpoint} answered {status}: " + re.sub(r"hf_\w+", "hf_***", said)


def _is_connection(error: Exception) -> bool:
    # By name: which HTTP library the Hub's client uses has changed more than once.
    # The client wraps what goes wrong while it sends large files.
    chain = [error, error.__cause__ or error.__context__]
    names = {base.__name__ for one in chain for base in type(one).__mro__}
    return isinstance(error, OSError) or "TransportError" in names
