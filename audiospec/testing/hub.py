"""A hub of models for tests: what huggingface_hub asks its server for, in a thread of this process."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

#: The token that the stand-in takes.
TOKEN = "hf_only_for_tests"  # noqa: S105 # of no account
#: Files with these suffixes are uploaded on their own, as the hub does with all large ones.
_LARGE = (".skops", ".safetensors", ".png")


@dataclass
class Repository:
    """A repository of the stand-in.

    Attributes
    ----------
    private, gated : bool
    commits : dict
        Commit → name of a file → its content.
    branches : dict
        Branch → commit.
    claimed : dict
        Name of a file → size that the listings claim for it, if it is not the real one.
    """

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": b"*.skops filter=lfs\n"})

    def commit(self, branch: str, files: Mapping[str, bytes]) -> str:
        """Make a commit that has these files, and no others; return its hash."""
        parent = self.branches.get(branch, "")
        digest = hashlib.sha1(parent.encode(), usedforsecurity=False)
        for name, content in sorted(files.items()):
            digest.update(name.encode() + b"\0" + content)
        self.commits[digest.hexdigest()] = dict(files)
        self.branches[branch] = digest.hexdigest()
        return digest.hexdigest()

    def files(self, branch: str = "main") -> dict[str, bytes]:
        """Return the files of a branch."""
        return self.commits[self.branches[branch]]


class Hub(ThreadingHTTPServer):
    """The server.

    Attributes
    ----------
    repositories : dict
        ``"user/name"`` → `Repository`.
    uploaded : dict
        SHA-256 → content of the large files.
    requests : list of str
        Method and path of each request.
    broken : str
        Requests whose method and path contain this get no answer; ``""``: all are answered.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.uploaded: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.broken = ""

    @property
    def address(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing about a client that has gone."""


@contextmanager
def hub() -> Iterator[Hub]:
    """Run a stand-in of the hub during a block."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def client_of(
    server: Hub, cache: Path, token: str | None = TOKEN, *, offline: bool = False
) -> Iterator[None]:
    """Lead the client of this process to a stand-in, with an empty home of its own.

    Its settings are read from the environment once, when it is imported, so they are changed where they are
    kept. Another process gets them by `environment_of`.

    Parameters
    ----------
    server : Hub
    cache : Path
        Folder of downloads.
    token : str or None
        None: there is none.
    offline : bool
        As with ``HF_HUB_OFFLINE=1``.
    """
    from huggingface_hub import constants

    settings: dict[str, Any] = {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_URL_HOSTS": frozenset({"127.0.0.1"}),
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": offline,
        "HF_TOKEN_PATH": str(cache / "no-token"),
        "HF_STORED_TOKENS_PATH": str(cache / "no-tokens"),
        "AGENT_HARNESSES_PATH": str(cache / "no-list"),
        "HF_HUB_DISABLE_TELEMETRY": True,
    }
    before = {name: getattr(constants, name) for name in settings if hasattr(constants, name)}
    tokens = {name: os.environ.pop(name, None) for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    for name in before:
        setattr(constants, name, settings[name])
    if token is not None:
        os.environ["HF_TOKEN"] = token
    try:
        yield
    finally:
        os.environ.pop("HF_TOKEN", None)
        os.environ.update({name: value for name, value in tokens.items() if value is not None})
        for name, value in before.items():
            setattr(constants, name, value)


def environment_of(server: Hub, home: Path, token: str | None = TOKEN) -> dict[str, str]:
    """Return the environment in which another process uses a stand-in.

    Parameters
    ----------
    server : Hub
    home : Path
        Folder of its cache and its settings.
    token : str or None
        None: there is none.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {
        **inherited,
        "HF_ENDPOINT": server.address,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        **({} if token is None else {"HF_TOKEN": token}),
    }


class _RefusalError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status = status
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer a request."""
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.broken and self.server.broken in f"{self.command} {path}":
            self.close_connection = True
            return
        try:
            status, content, headers = self._answer(path, body)
        except _RefusalError as refused:
            status, content, headers = refused.status, b'{"error": "refused"}', refused.headers
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 # the names are the library's

    def _answer(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        parts = path.strip("/").split("/")
        if parts[0] == "large":
            self.server.uploaded[parts[1]] = body
            return 200, b"", {}
        writes = self.command == "POST"
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN) or (writes and not token):
            raise _RefusalError(401, message="Invalid credentials in Authorization header" if token else "")
        if path == "/api/repos/create":
            return self._created(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validated(json.loads(body)["content"])
        if parts[:2] == ["api", "models"]:
            repository = self._repository("/".join(parts[2:4]), token)
            status, content, headers = self._of_api(repository, parts[4:5], "/".join(parts[5:]), body)
            return status, content.replace(b"user/name", "/".join(parts[2:4]).encode()), headers
        if parts[1:] and parts[1].endswith(".git"):
            self._repository(f"{parts[0]}/{parts[1].removesuffix('.git')}", token)
            return self._large(json.loads(body))
        if parts[2:3] == ["resolve"]:
            return self._file(self._repository("/".join(parts[:2]), token), parts[3], "/".join(parts[4:]))
        raise _RefusalError(404)

    def _repository(self, name: str, token: str) -> Repository:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not token):
            raise _RefusalError(404 if token else 401, "RepoNotFound", "Repository not found")
        if repository.gated:
            raise _RefusalError(403, "GatedRepo", "Access to this model is restricted")
        return repository

    def _commit(self, repository: Repository, revision: str) -> str:
        commit = repository.branches.get(revision or "main", revision)
        if commit not in repository.commits:
            raise _RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _created(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return 409, _json({"url": f"{self.server.address}/{name}"})[1], {}
        private = asked.get("private") or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private=bool(private))
        return _json({"url": f"{self.server.address}/{name}"})

    def _validated(self, content: str) -> tuple[int, bytes, dict[str, str]]:
        import yaml

        try:
            metadata = yaml.safe_load(content.split("---\n")[1])
            errors = [] if isinstance(metadata, dict) else [{"message": "no metadata"}]
        except (yaml.YAMLError, IndexError) as error:
            errors = [{"message": str(error)}]
        status, content_, headers = _json({"errors": errors, "warnings": []})
        return (400 if errors else status), content_, headers

    def _of_api(
        self, repository: Repository, what: list[str], revision: str, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        match what:
            case [] | ["revision"]:
                commit = self._commit(repository, revision)
                listed = [{**one, "rfilename": one["path"]} for one in _listed(repository, commit)]
                about = {"id": "user/name", "sha": commit, "private": repository.private, "siblings": listed}
                return _json(about)
            case ["tree"]:
                return _json(_listed(repository, self._commit(repository, revision)))
            case ["branch"]:
                if revision in repository.branches:
                    raise _RefusalError(409, message="Reference already exists")
                repository.branches[revision] = repository.branches["main"]
                return 201, b"{}", {}
            case ["preupload"]:
                there = repository.commits[self._commit(repository, revision)]
                files = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(_LARGE) else "regular",
                        "shouldIgnore": False,
                        "oid": _oid(file["path"], there[file["path"]]) if file["path"] in there else None,
                    }
                    for file in json.loads(body)["files"]
                ]
                return _json({"files": files})
            case ["commit"]:
                return self._committed(repository, revision, body)
        raise _RefusalError(404)

    def _committed(
        self, repository: Repository, branch: str, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        files = dict(repository.commits[self._commit(repository, branch)])
        for line in body.splitlines():
            step = json.loads(line)
            key, value = step["key"], step["value"]
            if key == "header" and value.get("parentCommit", "") not in ("", repository.branches[branch]):
                raise _RefusalError(412, message="A commit has happened since")
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.uploaded[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(branch, files)
        return _json({"commitUrl": f"{self.server.address}/user/name/commit/{commit}", "commitOid": commit})

    def _large(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        objects = [
            {
                **one,
                **(
                    {}
                    if one["oid"] in self.server.uploaded
                    else {"actions": {"upload": {"href": f"{self.server.address}/large/{one['oid']}"}}}
                ),
            }
            for one in asked["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})

    def _file(self, repository: Repository, revision: str, name: str) -> tuple[int, bytes, dict[str, str]]:
        commit = self._commit(repository, revision)
        if name not in repository.commits[commit]:
            raise _RefusalError(404, "EntryNotFound", "Entry not found")
        content = repository.commits[commit][name]
        return 200, content, {"ETag": f'"{_oid(name, content)}"', "X-Repo-Commit": commit}


def _listed(repository: Repository, commit: str) -> list[dict[str, Any]]:
    """Return the files of a commit as the listings state them."""
    return [
        {
            "type": "file",
            "path": name,
            "size": repository.claimed.get(name, len(content)),
            "oid": _oid(name, content),
        }
        for name, content in repository.commits[commit].items()
    ]


def _oid(name: str, content: bytes) -> str:
    """Return the hash by which a file is known: SHA-256 of a large one, Git's of another."""
    if name.endswith(_LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _json(value: object) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}
