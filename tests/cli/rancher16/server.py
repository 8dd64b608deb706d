"""Gives the rows out over HTTP: with keys, pages, links under the name that the server believes it has, and errors."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.cli.rancher16 import rows as recorded

KEY, SECRET = "1A2B3C4D5E6F", "old-server-secret"
LINKS_LEAD_TO = "http://rancher.inside.example:8080"
PAGE = 4


@dataclass
class OldServer:
    """The recorded server; `requests` are those that it got, `answers` what it says instead of what it has."""

    url: str = ""
    rows: dict[str, list[recorded.Row]] = field(default_factory=lambda: deepcopy(recorded.ROWS))
    exports: dict[str, tuple[str, str]] = field(default_factory=lambda: dict(recorded.EXPORTS))
    projects: list[recorded.Row] = field(default_factory=lambda: deepcopy(recorded.PROJECTS))
    settings: list[recorded.Row] | None = field(default_factory=lambda: deepcopy(recorded.SETTINGS))
    dialects: tuple[str, ...] = ("v1", "v2-beta")
    requests: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def answer(self, method: str, target: str, authorization: str) -> tuple[int, Any]:
        """The status and body for a request."""
        self.requests.append((method, target))
        parts = urlsplit(target)
        segments = parts.path.strip("/").split("/")
        if parts.path in self.answers:
            return self.answers[parts.path]
        if authorization != "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode():
            return 401, _error(401, "Unauthorized")
        if segments[0] not in self.dialects:
            return 404, _error(404, "Not Found")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method == "POST":
            return self._export(segments, query)
        return self._read(segments, parts.path, query)

    def _read(self, segments: list[str], path: str, query: dict[str, str]) -> tuple[int, Any]:
        if len(segments) == 1:
            return 200, {"id": segments[0], "type": "apiVersion", "links": {"self": f"{LINKS_LEAD_TO}{path}"}}
        if segments[1] == "settings":
            return (
                (404, _error(404, "Not Found")) if self.settings is None else (200, _page(self.settings, path, query))
            )
        if len(segments) == 2 and segments[1] == "projects":
            return 200, _page(self.projects, path, query)
        if len(segments) != 4 or not any(each["id"] == segments[2] for each in self.projects):
            return 404, _error(404, "Not Found")
        plural = {"environments": "stacks"}.get(segments[3], segments[3])
        if plural not in self.rows:
            return 404, _error(404, "Not Found")
        found = [] if segments[2] != "1a5" else self.rows[plural]
        if plural == "stacks":
            found = [
                {**each, "actions": {"exportconfig": f"{LINKS_LEAD_TO}{path}/{each['id']}/?action=exportconfig"}}
                for each in found
            ]
        return 200, _page(found, path, query)

    def _export(self, segments: list[str], query: dict[str, str]) -> tuple[int, Any]:
        if query.get("action") != "exportconfig" or len(segments) != 5 or segments[4] not in self.exports:
            return 404, _error(404, "Not Found")
        docker, rancher = self.exports[segments[4]]
        return 200, {"type": "composeConfig", "dockerComposeConfig": docker, "rancherComposeConfig": rancher}


def _page(found: list[recorded.Row], path: str, query: dict[str, str]) -> Any:
    start = int(query.get("marker", "m0").removeprefix("m"))
    limit = min(int(query.get("limit", "100")), PAGE)
    end, following = start + limit, None
    if end < len(found):
        following = f"{LINKS_LEAD_TO}{path}?{urlencode({'limit': limit, 'marker': f'm{end}'})}"
    return {
        "type": "collection",
        "data": found[start:end],
        "pagination": {"first": None, "previous": None, "next": following, "limit": limit, "total": None},
    }


def _error(status: int, code: str) -> Any:
    return {"type": "error", "status": status, "code": code, "message": None}


@contextmanager
def running_server() -> Iterator[OldServer]:
    """The server, listening on this machine."""
    old = OldServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer("POST")

        def _answer(self, method: str) -> None:
            status, body = old.answer(method, self.path, self.headers.get("Authorization", ""))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    old.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield old
    finally:
        server.shutdown()
        server.server_close()
