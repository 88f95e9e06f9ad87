"""A stand-in of the Hugging Face hub's HTTP API: repositories in memory, as far as uploads and downloads go."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """Repositories by name: their branches, and of each the files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, dict[str, dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.messages: list[str] = []
        self.tokens: set[str] = set()

    @property
    def endpoint(self) -> str:
        """The address, for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def stand_in() -> Iterator[Hub]:
    """A hub that listens as long as the block lasts."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


_DISCUSSION = {
    "title": "t",
    "num": 1,
    "author": {"name": "me"},
    "createdAt": "2026-01-01T00:00:00.000Z",
    "status": "open",
    "isPullRequest": True,
    "events": [],
    "filesWithConflicts": [],
    "changes": {"base": "refs/heads/main"},
    "diffUrl": "",
    "diff": "",
}


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        """Creates repositories and branches, and takes commits."""
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("authorization", ""))
        if url.path == "/api/repos/create":
            self._create(json.loads(body))
        elif url.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/(.+)/discussions", url.path):
            self.server.repos[found[1]].setdefault("refs/pr/1", dict(self.server.repos[found[1]]["main"]))
            self._answer({"num": 1})
        elif found := re.fullmatch(r"/api/models/(.+)/(branch|preupload|commit)/([^/]+)", url.path):
            repo, what, revision = found[1], found[2], unquote(found[3])
            if repo not in self.server.repos:
                self._refuse("RepoNotFound")
            else:
                getattr(self, f"_{what}")(repo, revision, body, parse_qs(url.query))
        else:
            self._refuse("Unknown")

    def _create(self, asked: dict[str, Any]) -> None:
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        known = name in self.server.repos
        self.server.repos.setdefault(name, {"main": {}})
        self.server.private.setdefault(
            name, bool(asked.get("private") or asked.get("visibility") == "private")
        )
        self._answer({"url": f"{self.server.endpoint}/{name}", "id": name}, status=409 if known else 200)

    def _branch(self, repo: str, revision: str, *_: Any) -> None:
        known = revision in self.server.repos[repo]
        self.server.repos[repo].setdefault(revision, dict(self.server.repos[repo]["main"]))
        self._answer({}, status=409 if known else 200)

    def _preupload(self, repo: str, revision: str, body: bytes, *_: Any) -> None:
        files = json.loads(body)["files"]
        self._answer(
            {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
        )

    def _commit(self, repo: str, revision: str, body: bytes, query: dict[str, list[str]]) -> None:
        is_request = query.get("create_pr") == ["1"]
        target = "refs/pr/1" if is_request else revision
        files = self.server.repos[repo].setdefault(target, {})
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "header":
                self.server.messages.append(entry["value"]["summary"])
            elif entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        address = f"{self.server.endpoint}/{repo}"
        answer = {"success": True, "commitOid": _oid(files), "commitUrl": f"{address}/commit/{_oid(files)}"}
        self._answer(answer | ({"pullRequestUrl": f"{address}/discussions/1"} if is_request else {}))

    def do_HEAD(self) -> None:
        """Tells of a file."""
        self.do_GET()

    def do_GET(self) -> None:
        """Gives a file, or tells of a repository."""
        url = urlsplit(self.path)
        if re.fullmatch(r"/api/models/(.+)/discussions/1", url.path):
            self._answer(
                _DISCUSSION | {"repo": {"name": url.path.split("/models/")[1][:-14], "type": "model"}}
            )
        elif found := re.fullmatch(r"/api/models/(.+?)(?:/revision/([^/]+))?", url.path):
            repo, revision = found[1], unquote(found[2] or "main")
            if self._known(repo, revision):
                files = self.server.repos[repo][revision]
                siblings = [{"rfilename": name} for name in files]
                self._answer({"id": repo, "sha": _oid(files), "siblings": siblings, "private": False})
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", url.path):
            repo, revision, name = found[1], unquote(found[2]), unquote(found[3])
            if self._known(repo, revision):
                files = self.server.repos[repo][revision]
                if name in files:
                    self._answer(files[name], commit=_oid(files))
                else:
                    self._refuse("EntryNotFound")
        else:
            self._refuse("RepoNotFound")

    def _known(self, repo: str, revision: str) -> bool:
        branches = self.server.repos.get(repo)
        if branches is None or revision not in branches:
            self._refuse("RepoNotFound" if branches is None else "RevisionNotFound")
            return False
        return True

    def _refuse(self, code: str) -> None:
        self._answer({"error": code}, status=404, error=code)

    def _answer(
        self, value: Any, *, status: int = 200, commit: str | None = None, error: str | None = None
    ) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/octet-stream" if commit else "application/json")
        if commit is not None:
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        if error is not None:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _oid(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
