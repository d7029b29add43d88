"""A stand-in for the Hub over real HTTP, as far as publishing and loading need it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_" + "a" * 34
"""Who has it may write."""
READER = "hf_" + "b" * 34
"""Who has it may not."""
KINDS = ("models", "datasets", "spaces")


@dataclass
class Repository:
    """The files of a repository by name, at each of its revisions."""

    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    is_private: bool = False
    sdk: str | None = None


@dataclass
class Hub:
    """What the server holds, what it was asked, and what it is to do wrong.

    Attributes:
        repositories: `(kind, name)` to repository.
        objects: content of large files by their sha256.
        requests: method and path of each request, in order.
        failing: how many of the next uploads of large files break off.
    """

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failing: int = 0

    def uploads(self) -> list[str]:
        """Requests that bring content."""
        return [one for one in self.requests if re.match(r"PUT|POST .*/commit/", one)]


def oid(content: bytes) -> str:
    """Git's name for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # do_GET, do_POST, ...
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        hub = self.hub
        address = urlsplit(self.path)
        path, query = unquote(address.path), parse_qs(address.query)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        hub.requests.append(f"{self.command} {path}")
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if match := re.fullmatch(r"/lfs/(\w+)", path):
            if hub.failing:
                hub.failing -= 1
                self.close_connection = True
                self.connection.close()
                return
            hub.objects[match[1]] = body
            self._send(200, {})
            return
        if token and token not in (TOKEN, READER):
            self._send(401, {"error": "Invalid credentials in Authorization header"})
            return
        is_writing = self.command in ("POST", "PUT", "DELETE") and "paths-info" not in path
        if is_writing and token == READER:
            self._send(403, {"error": "You don't have the rights to write here"})
            return
        if path == "/api/whoami-v2":
            self._send(200, {"name": "me", "auth": {"accessToken": {"role": "write"}}})
        elif path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif match := re.fullmatch(r"/api/(models|datasets|spaces)/([^/]+/[^/]+)(/.*)?", path):
            self._api(match[1], match[2], match[3] or "", query, body)
        elif match := re.fullmatch(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)\.git/info/.*", path):
            self._batch(json.loads(body))
        elif match := re.fullmatch(
            r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path
        ):
            self._resolve(match[1] or "models", match[2], match[3], match[4])
        else:
            self._send(404, {"error": f"no such page: {path}"})

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _create(self, wanted: dict[str, Any]) -> None:
        kind = wanted.get("type", "model") + "s"
        owner = wanted.get("organization") or "me"
        name = wanted["name"] if "/" in wanted["name"] else f"{owner}/{wanted['name']}"
        url = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}"
        if (kind, name) in self.hub.repositories:
            self._send(409, {"error": "You already created this repo", "url": url})
            return
        repository = Repository()
        # Clients say it in one of two ways.
        said = wanted.get("private"), wanted.get("visibility")
        repository.is_private = said[0] is True or said[1] == "private"
        repository.sdk = wanted.get("sdk")
        self.hub.repositories[kind, name] = repository
        self._send(200, {"url": url, "name": name, "id": name})

    def _api(
        self, kind: str, name: str, rest: str, query: dict[str, list[str]], body: bytes
    ) -> None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._missing("RepoNotFound")
            return
        if match := re.fullmatch(r"/preupload/(.+)", rest):
            there = self._files(repository, match[1]) or {}
            files = [
                {
                    "path": one["path"],
                    # As the Hub says it, so that the client does not send what is there.
                    "oid": self._content_id(repository, there, one["path"]),
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(body)["files"]
            ]
            self._send(200, {"files": files})
        elif match := re.fullmatch(r"/commit/(.+)", rest):
            self._commit(repository, name, match[1], bool(query.get("create_pr")), body)
        elif match := re.fullmatch(r"/tree/(refs/pr/\d+|[^/]+)(?:/(.*))?", rest):
            files_ = self._files(repository, match[1])
            if files_ is None:
                self._missing("RevisionNotFound")
                return
            self._send(200, self._entries(repository, files_, sorted(files_)))
        elif match := re.fullmatch(r"/paths-info/(.+)", rest):
            files_ = self._files(repository, match[1]) or {}
            asked = parse_qs(body.decode()).get("paths") or json.loads(body)["paths"]
            self._send(200, self._entries(repository, files_, asked))
        elif match := re.fullmatch(r"/tag/(.+)", rest):
            tag = json.loads(body)["tag"]
            if tag in repository.tags:
                self._send(409, {"error": "Tag already exists"})
                return
            repository.tags[tag] = match[1]
            repository.branches[tag] = dict(repository.branches[match[1]])
            self._send(200, {})
        elif match := re.fullmatch(r"/branch/(.+)", rest):
            if match[1] in repository.branches:
                self._send(409, {"error": "Branch already exists"})
                return
            repository.branches[match[1]] = dict(repository.branches["main"])
            self._send(200, {})
        elif rest == "/variables":
            variable = json.loads(body)
            repository.variables[variable["key"]] = variable["value"]
            self._send(200, {})
        elif rest == "" or rest.startswith("/revision/"):
            revision = rest.removeprefix("/revision/") or "main"
            files_ = self._files(repository, revision)
            if files_ is None:
                self._missing("RevisionNotFound")
                return
            siblings = [{"rfilename": path} for path in files_]
            self._send(
                200, {"id": name, "sha": self._sha(repository), "siblings": siblings, "tags": []}
            )
        else:
            self._send(404, {"error": f"no such page: {rest}"})

    def _commit(
        self, repository: Repository, name: str, revision: str, as_proposal: bool, body: bytes
    ) -> None:
        lines = [json.loads(line) for line in body.decode().splitlines() if line]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if as_proposal:
            branch = f"refs/pr/{len(repository.branches)}"
            repository.branches[branch] = dict(repository.branches["main"])
        else:
            branch = revision
            if branch not in repository.branches:
                self._missing("RevisionNotFound")
                return
        files = repository.branches[branch]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
                repository.large.discard(value["path"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
                repository.large.add(value["path"])
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
        repository.commits.append(header["summary"])
        url = f"{self.hub.url}/{name}"
        answer = {
            "success": True,
            "commitOid": self._sha(repository),
            "commitUrl": f"{url}/commit/{self._sha(repository)}",
        }
        if as_proposal:
            answer["pullRequestUrl"] = f"{url}/discussions/1"
        self._send(200, answer)

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for one in wanted["objects"]:
            entry: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.objects:
                entry["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}
            objects.append(entry)
        self._send(200, {"transfer": "basic", "objects": objects})

    def _resolve(self, kind: str, name: str, revision: str, path: str) -> None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._missing("RepoNotFound")
            return
        files = self._files(repository, revision)
        if files is None:
            self._missing("RevisionNotFound")
            return
        if path not in files:
            self._missing("EntryNotFound")
            return
        content = files[path]
        self._send(
            200, content, {"ETag": f'"{oid(content)}"', "X-Repo-Commit": self._sha(repository)}
        )

    def _files(self, repository: Repository, revision: str) -> dict[str, bytes] | None:
        if revision == self._sha(repository):
            revision = "main"
        return repository.branches.get(revision)

    def _entries(
        self, repository: Repository, files: dict[str, bytes], paths: list[str]
    ) -> list[dict[str, Any]]:
        return [self._entry(repository, path, files[path]) for path in paths if path in files]

    def _entry(self, repository: Repository, path: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "type": "file",
            "path": path,
            "size": len(content),
            "oid": oid(content),
        }
        if path in repository.large:
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
        return entry

    def _content_id(self, repository: Repository, files: dict[str, bytes], path: str) -> str | None:
        if path not in files:
            return None
        is_large = path in repository.large
        return hashlib.sha256(files[path]).hexdigest() if is_large else oid(files[path])

    def _sha(self, repository: Repository) -> str:
        return hashlib.sha1(str(len(repository.commits)).encode()).hexdigest()

    def _missing(self, code: str) -> None:
        self._send(404, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        for key, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serve() -> Iterator[Hub]:
    """A hub on a free port, until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
