"""Registries for tests: Debian's, with a password and TLS, and a small one with tokens that can refuse by rate."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.docker.portal_process import free_port, wait_until
from tests.vault.issuing import root

_CERTIFICATES = Path("/etc/docker/certs.d")  # where engines look for the authorities of registries; nothing changes it
_CONFIG = """version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "{address}", tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""


@dataclass
class PasswordRegistry:
    """A running docker-registry behind TLS of an authority that engines do not know yet."""

    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = None

    def set_password(self, user: str, password: str) -> None:
        """The one account that it knows from now on; it reads the file anew when that has changed."""
        made = subprocess.run(["htpasswd", "-iBn", user], input=password.encode(), capture_output=True, check=True)
        (self.folder / "htpasswd").write_bytes(made.stdout)

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """The engines of this machine trust its authority meanwhile."""
        folder = _CERTIFICATES / self.address
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_text(root().cert)
        try:
            yield
        finally:
            shutil.rmtree(folder)


@contextmanager
def password_registry(folder: Path, host: str) -> Iterator[PasswordRegistry]:
    """Start one at `host`: not at 127.0.0.1, where engines ask for no certificate."""
    issued = root().issue(host)
    address = f"{host}:{free_port()}"
    (folder / "cert.pem").write_text(issued.cert)
    (folder / "key.pem").write_text(issued.key_text)
    (folder / "registry.yml").write_text(_CONFIG.format(folder=folder, address=address))
    made = PasswordRegistry(folder, address)
    made.set_password("alice", "unknown-to-all")
    with (folder / "registry.log").open("wb") as log:
        command = ["docker-registry", "serve", str(folder / "registry.yml")]
        made.process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_listening(address), seconds=60, what="the registry")
        yield made
    finally:
        made.process.kill()
        made.process.wait(60)


def _is_listening(address: str) -> bool:
    host, _colon, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


@dataclass
class TokenRegistry:
    """A registry of one image, open to who has a token, which `accounts` get; `is_limited`: it answers 429."""

    address: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    is_limited: bool = False
    pulls: int = 0
    blobs: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    manifest: str = ""

    @property
    def image(self) -> str:
        return f"{self.address}/team/tool:1"

    def add_blob(self, kind: str, content: bytes) -> dict[str, Any]:
        """Keep a part of the image; returns how a manifest refers to it."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = (kind, content)
        return {"mediaType": kind, "size": len(content), "digest": digest}


@contextmanager
def token_registry() -> Iterator[TokenRegistry]:
    """Start one, without TLS on 127.0.0.1, where engines allow that."""
    made = TokenRegistry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_TokenHandler,), {"registry": made}))
    made.address = f"127.0.0.1:{server.server_port}"
    _add_image(made)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def _add_image(registry: TokenRegistry) -> None:
    """An image of one small file, which nobody needs to run."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("hello")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    layer = archive.getvalue()
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "tests"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": registry.add_blob("application/vnd.docker.container.image.v1+json", json.dumps(config).encode()),
        "layers": [registry.add_blob(kind, gzip.compress(layer, mtime=0))],
    }
    found = registry.add_blob(str(manifest["mediaType"]), json.dumps(manifest).encode())
    registry.manifest = found["digest"]


class _TokenHandler(BaseHTTPRequestHandler):
    """The few requests that an engine makes to pull, and its request for a token."""

    registry: TokenRegistry
    _TOKEN = "a-token-of-tests"

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """A token, or a part of the image."""
        path = urlsplit(self.path).path
        if path == "/token":
            self._answer_token()
        elif self.headers.get("Authorization") != f"Bearer {self._TOKEN}":
            realm = f'Bearer realm="http://{self.registry.address}/token",service="tests"'
            self._refuse(401, "UNAUTHORIZED", "authentication required", {"Www-Authenticate": realm})
        elif path == "/v2/":
            self._send(200, "application/json", b"{}")
        elif self.registry.is_limited:
            self._refuse(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
        else:
            self._answer_blob(path)

    def _answer_token(self) -> None:
        scheme, _space, given = self.headers.get("Authorization", "").partition(" ")
        user, _colon, password = base64.b64decode(given if scheme == "Basic" else "").decode().partition(":")
        if self.registry.accounts.get(user, "") != password or not password:
            # Some registries repeat what they were sent.
            self._refuse(401, "UNAUTHORIZED", f"incorrect username or password: {user}:{password}")
            return
        self._send(200, "application/json", json.dumps({"token": self._TOKEN}).encode())

    def _answer_blob(self, path: str) -> None:
        is_manifest = "/manifests/" in path
        key = path.rpartition("/")[2]
        digest = self.registry.manifest if is_manifest and not key.startswith("sha256:") else key
        if digest not in self.registry.blobs:
            self._refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        self.registry.pulls += is_manifest and self.command == "GET"
        kind, content = self.registry.blobs[digest]
        self._send(200, kind, content, {"Docker-Content-Digest": digest})

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._send(status, "application/json", body, headers or {})

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Docker-Distribution-Api-Version": "registry/2.0",
        }
        for name, value in {**fixed, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
