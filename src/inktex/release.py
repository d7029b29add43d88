"""A release: a repository is built in a folder, verified there, and only then published.

Nothing is half-published: all changes of a repository go into one commit. What has arrived before
a connection broke is not sent again, what has not changed is not sent at all, and a card that
somebody edited on the Hub is left as it is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    EvalResultEntry,
    HfApi,
    RepoFile,
    eval_result_entries_to_yaml,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .card import model_card
from .evaluation.reading import write_json
from .files import new_folder
from .hub import code_files, export
from .recognizer import MAX_TOKENS

if TYPE_CHECKING:
    from PIL import Image

    from .recognizer import Recognizer

Kind = Literal["model", "dataset", "space"]

CARD: Final = "README.md"
RECORD: Final = "training.json"
MANIFEST: Final = ".release.json"
"""What the last release wrote, by git's names: tells its own files from those of others."""
MAX_BYTES: Final = 20_000_000
"""Of a model repository."""
ATTEMPTS: Final = 4
"""How often a broken connection is tried again."""
PAUSE: Final = 1.0
"""Seconds before the second attempt; twice as long before each further one."""

_SECRETS: Final = re.compile(
    rb"hf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|"
    rb"gh[pousr]_[A-Za-z0-9]{30,}|(?<![\w.])/(?:home|root|Users)/\w"
)
"""Tokens, keys, and paths of the machine that built the release."""


class ReleaseError(RuntimeError):
    """A release that cannot be built, verified or published; the message says why in a sentence."""


# --- building -----------------------------------------------------------------------------


def build_model(
    recognizer: Recognizer,
    record: Mapping[str, Any],
    folder: Path,
    repository: str,
    examples: Sequence[Path] = (),
) -> Path:
    """Write the repository of a model.

    Args:
        recognizer: the source checkpoint.
        record: its `training.json`.
        folder: is replaced, in one step at the end.
        repository: its name on the Hub, `owner/name`.
        examples: pictures for the card; they are read, and stand there with what was read.

    Returns:
        The folder.
    """
    readings = [(path.name, recognizer(path)) for path in examples]
    with new_folder(folder) as partial:
        export(recognizer.model, partial / "model", recognizer.processor)
        for path in list((partial / "model").iterdir()):
            path.rename(partial / path.name)
        (partial / "model").rmdir()
        write_json(partial / RECORD, dict(record))
        card = model_card(record, repository, [(n, r.latex, r.score) for n, r in readings])
        (partial / CARD).write_text(card, encoding="utf-8")
        for path in examples:
            (partial / "examples").mkdir(exist_ok=True)
            shutil.copyfile(path, partial / "examples" / path.name)
        results = partial / ".eval_results"
        results.mkdir()
        (results / "crohme.yaml").write_text(_eval_results(record, repository), encoding="utf-8")
    return folder


def _eval_results(record: Mapping[str, Any], repository: str) -> str:
    owner = repository.partition("/")[0]
    entries = [
        EvalResultEntry(
            dataset_id=f"{owner}/crohme",
            task_id=name.partition("-")[0],
            value=round(100 * scores["exp_rate"], 2),
            notes=f"ExpRate in per cent, preset {scores['preset']}, official pictures",
        )
        for name, scores in record["scores"].items()
        if not name.startswith("dev")
    ]
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False))


def build_space(source: Path, folder: Path, model: str) -> Path:
    """Copy the Space, and name the model in its front matter.

    Args:
        source: the folder `spaces_app`.
        folder: is replaced.
        model: repository that the Space is to read with.
    """
    with new_folder(folder) as partial:
        for path in sorted(source.rglob("*")):
            inner = path.relative_to(source)
            if path.is_file() and "__pycache__" not in inner.parts:
                (partial / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, partial / inner)
        _, front, text = (partial / CARD).read_text(encoding="utf-8").split("---\n", 2)
        fields = yaml.safe_load(front) | {"models": [model]}
        front = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
        (partial / CARD).write_text(f"---\n{front}---\n{text}", encoding="utf-8")
    return folder


# --- verifying ----------------------------------------------------------------------------

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


def verify_model(folder: Path, recognizer: Recognizer, pictures: Mapping[str, Image.Image]) -> int:
    """Make sure that a repository is what it says.

    It is loaded in another process, where inktex is absent, by remote code and by `pipeline`, and
    has to read as the source does, token for token. The card has to tell the recorded scores and
    licence, the code has to be the package's, and no secret and no large file may be in it.

    Args:
        folder: of `build_model`.
        recognizer: the source checkpoint.
        pictures: to read, by name.

    Returns:
        How many pictures were read alike.

    Raises:
        ReleaseError: naming all that is wrong.
    """
    faults = [*_content_faults(folder), *_reading_faults(folder, recognizer, pictures)]
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
    for name in _names(folder):
        content = (folder / name).read_bytes()
        size += len(content)
        if name.endswith((".safetensors", ".parquet", ".png")):
            continue
        if found := _SECRETS.search(content):
            hint = found[0][:6].decode(errors="replace")
            yield f"{name} has what looks like a secret or a private path ({hint}...)."
        if name.endswith((".pt", ".bin", ".pkl", ".ckpt")):
            yield f"{name} is no safetensors."
    if size > limit:
        yield f"It has {size / 1e6:.1f} MB, more than {limit / 1e6:.0f}."


def _content_faults(folder: Path) -> Iterator[str]:
    yield from _file_faults(folder, MAX_BYTES)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        card = (folder / CARD).read_text(encoding="utf-8")
    except OSError as error:
        yield f"{Path(str(error.filename)).name} is missing."
        return
    front = yaml.safe_load(card.split("---\n", 2)[1])
    if not front.get("license") or record["weights_licence"] not in card:
        yield "The card does not tell the licence."
    told = {
        (result["dataset"]["config"], metric["value"])
        for entry in front.get("model-index", [])
        for result in entry["results"]
        for metric in result["metrics"]
        if metric["type"] == "exprate"
    }
    measured = {
        (name, round(100 * scores["exp_rate"], 2)) for name, scores in record["scores"].items()
    }
    if told != measured:
        yield f"The card's scores {sorted(told)} are not those measured, {sorted(measured)}."
    for path in code_files():
        copy = folder / path.name
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            yield f"{path.name} is not the package's."


def _reading_faults(
    folder: Path, recognizer: Recognizer, pictures: Mapping[str, Image.Image]
) -> Iterator[str]:
    import tempfile

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


# --- publishing ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """What publishing a folder did.

    Attributes:
        url: of the repository, or of the pull request.
        changed: files that were sent.
        deleted: files of the last release that this one does not have.
        kept: files that somebody else edited; they were left as they are.
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
        folder: verified.
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
        ReleaseError: in a sentence, if the Hub refuses or cannot be reached.
    """

    def insistently(action: Callable[[], Any]) -> Any:
        return _insist(action, repository, api, pause)

    insistently(
        lambda: api.create_repo(
            repository,
            repo_type=kind,
            exist_ok=True,
            private=private or None,
            space_sdk="gradio" if kind == "space" else None,
        )
    )
    if revision != "main":
        insistently(
            lambda: api.create_branch(repository, branch=revision, repo_type=kind, exist_ok=True)
        )
    there = insistently(lambda: _there(api, repository, kind, revision))
    before = insistently(lambda: _manifest(api, repository, kind, revision))
    names = _names(folder)
    written = {name: _blob(folder / name) for name in names}
    kept = tuple(
        name
        for name in names
        if name == CARD and name in there and not _is_ours(there[name], before.get(name), folder)
    )
    # The hash that was written, not the one that is there: an edited card stays edited.
    manifest = {name: before.get(name, "") if name in kept else written[name] for name in written}
    changed = [n for n in names if n not in kept and not _is_same(there.get(n), folder / n)]
    deleted = [name for name in before if name in there and name not in names]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(name, str(folder / name)) for name in changed),
        *(CommitOperationDelete(name) for name in deleted),
    ]
    url = f"{api.endpoint}/{'' if kind == 'model' else kind + 's/'}{repository}"
    if operations:
        content = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
        operations.append(CommitOperationAdd(MANIFEST, content))
        commit = insistently(
            lambda: api.create_commit(
                repository,
                operations,
                commit_message=message,
                repo_type=kind,
                revision=revision,
                create_pr=pull_request,
            )
        )
        url = commit.pr_url or url
    if tag and not pull_request:
        insistently(
            lambda: api.create_tag(
                repository, tag=tag, revision=revision, repo_type=kind, exist_ok=True
            )
        )
    return Published(url, tuple(changed), tuple(deleted), kept)


@dataclass(frozen=True)
class _Remote:
    """A file on the Hub: git's name for it, or the SHA-256 of a large one."""

    blob: str
    sha256: str | None


def _there(api: HfApi, repository: str, kind: Kind, revision: str) -> dict[str, _Remote]:
    try:
        tree = list(
            api.list_repo_tree(repository, recursive=True, revision=revision, repo_type=kind)
        )
    except EntryNotFoundError:  # a repository without a commit
        return {}
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    return {
        file.path: _Remote(file.blob_id, file.lfs.sha256 if file.lfs else None) for file in files
    }


def _manifest(api: HfApi, repository: str, kind: Kind, revision: str) -> dict[str, str]:
    try:
        path = api.hf_hub_download(repository, MANIFEST, repo_type=kind, revision=revision)
    except LocalEntryNotFoundError as error:  # the line broke: nothing is known of the file
        raise ConnectionError(str(error)) from error
    except EntryNotFoundError:
        return {}
    found: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def _is_ours(remote: _Remote, written: str | None, folder: Path) -> bool:
    """Whether the card on the Hub is the one that the last release wrote, or this one's."""
    if _is_same(remote, folder / CARD):
        return True
    return written is not None and written == remote.blob


def _is_same(remote: _Remote | None, path: Path) -> bool:
    if remote is None:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return remote.blob == _blob(path)


def _blob(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def _insist(action: Callable[[], Any], repository: str, api: HfApi, pause: float) -> Any:
    """Try again what a broken connection interrupted; everything else in one sentence."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except LocalTokenNotFoundError as error:
            raise ReleaseError("There is no token: log in with `hf auth login`.") from error
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status < 500 or attempt == ATTEMPTS - 1:
                raise ReleaseError(_refusal(status, repository, api, error)) from None
        except OSError as error:  # also what the HTTP library raises for a lost connection
            if error.errno == errno.ENOSPC:
                raise ReleaseError("The disk is full: nothing was published.") from None
            if attempt == ATTEMPTS - 1:
                raise ReleaseError(_unreachable(api, error)) from None
        except Exception as error:
            if not _is_connection(error):
                raise
            if attempt == ATTEMPTS - 1:
                raise ReleaseError(_unreachable(api, error)) from None
        time.sleep(pause * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _is_connection(error: Exception) -> bool:
    # By name: which HTTP library the Hub's client uses has changed more than once.
    # The client wraps what goes wrong while it sends large files.
    chain = [error, error.__cause__ or error.__context__]
    names = {base.__name__ for one in chain for base in type(one).__mro__}
    return "TransportError" in names


def _unreachable(api: HfApi, error: Exception) -> str:
    return f"{api.endpoint} cannot be reached ({type(error).__name__}): try again later."


def _refusal(status: int, repository: str, api: HfApi, error: HfHubHTTPError) -> str:
    if status == 401 and not isinstance(error, RepositoryNotFoundError):
        return "The Hub does not accept the token: log in anew with `hf auth login`."
    if status == 403:
        return f"The token may not write to {repository}: ask its owner, or choose another name."
    if isinstance(error, RevisionNotFoundError):
        return f"{repository} has no such revision."
    if isinstance(error, RepositoryNotFoundError):
        return f"There is no {repository} at {api.endpoint}, or the token may not see it."
    said = (error.server_message or str(error)).splitlines()[0]
    return f"{api.endpoint} answered {status}: " + re.sub(r"hf_\w+", "hf_***", said)
