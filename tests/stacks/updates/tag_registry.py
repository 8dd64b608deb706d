"""A registry for tests that answers HEAD of manifests: tokens, private repositories, ETags and rate limits."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


def digest(text: str) -> str:
    """A digest that a text stands for."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass
class TagRegistry:
    """What it has, whom it shows it, and which requests it got: `method path`, with the status.

    `private` repositories need one of `accounts`; `limit_headers` come with every answer, `is_limited` makes it 429.
    `broken` are raw answers of whoever is no registry.
    """

    address: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    accounts: dict[str, str] = field(default_factory=dict)
    uses_tokens: bool = False
    realm: str = ""
    limit_headers: dict[str, str] = field(default_factory=dict)
    is_limited: bool = False
    broken: bytes = b""
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def image(self, name: str) -> str:
        """The name of an image that is here."""
        return f"{self.address}/{name}"

    def push(self, name: str, text: str = "") -> str:
        """Have a tag mean an image; its digest."""
        self.tags[name] = digest(text or name)
        return self.tags[name]

    @property
    def heads(self) -> list[str]:
        """The questions for manifests."""
        return [each for each in self.requests if each.startswith("HEAD /v2/")]


def handler_of(registry: TagRegistry) -> type[BaseHTTPRequestHandler]:
    """What answers for a registry, for a server."""
    return type("Handler", (_Handler,), {"registry": registry})


@contextmanager
def tag_registry(**settings: Any) -> Iterator[TagRegistry]:
    """Start one on 127.0.0.1, without TLS."""
    made = TagRegistry(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made))
    made.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


class _Handler(BaseHTTPRequestHandler):
    registry: TagRegistry

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer_manifest()

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/token":
            self._give_token()
        else:
            self._answer_manifest()

    def _give_token(self) -> None:
        scope = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
        repository = scope.split(":")[1] if scope.count(":") == 2 else ""
        user = self._user()
        if user is None or (repository in self.registry.private and not user):
            self._reply(401)
            return
        token = base64.b64encode(f"{user}/{repository}".encode()).decode()
        self._reply(200, {"Content-Type": "application/json"}, json.dumps({"token": token, "expires_in": 300}).encode())

    def _user(self) -> str | None:
        """Who comes: empty without an account, None with a wrong one."""
        scheme, _blank, rest = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return ""
        user, _colon, password = base64.b64decode(rest).decode().partition(":")
        return user if self.registry.accounts.get(user) == password else None

    def _may_see(self, repository: str) -> bool:
        authorization = self.headers.get("Authorization", "")
        if self.registry.uses_tokens:
            known = base64.b64decode(authorization.removeprefix("Bearer ") or b"").decode().partition("/")
            return authorization.startswith("Bearer ") and known[2] == repository
        return repository not in self.registry.private or bool(self._user())

    def _answer_manifest(self) -> None:
        registry = self.registry
        if registry.broken:
            registry.requests.append(f"{self.command} {self.path} broken")
            self.wfile.write(registry.broken)
            self.close_connection = True
            return
        repository, _slash, tag = self.path.removeprefix("/v2/").partition("/manifests/")
        found = registry.tags.get(f"{repository}:{tag}")
        if registry.is_limited:
            self._reply(429, registry.limit_headers)
        elif not self._may_see(repository):
            self._reply(401, {"Www-Authenticate": self._challenge()})
        elif found is None:
            self._reply(404, registry.limit_headers)
        elif self.headers.get("If-None-Match") == f'"{found}"':
            self._reply(304, registry.limit_headers)
        else:
            self._reply(200, {"Docker-Content-Digest": found, "ETag": f'"{found}"', **registry.limit_headers})

    def _challenge(self) -> str:
        if not self.registry.uses_tokens:
            return 'Basic realm="tests"'
        realm = self.registry.realm or f"http://{self.registry.address}/token"
        return f'Bearer realm="{realm}",service="tests"'

    def _reply(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.registry.requests.append(f"{self.command} {self.path} {status}")
        self.registry.headers.append(dict(self.headers.items()))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
