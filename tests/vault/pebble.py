"""Pebble, an ACME server for tests: strict, refuses every fourth nonce, and finds every name on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import Client

from tests.accounts.certificate_authority import certify
from tests.accounts.slapd import free_port


@dataclass(frozen=True)
class Pebble:
    """A running server: its directory, who certifies it, and the port under which it looks for proofs."""

    directory: str
    authority: str
    proof_port: int


@contextmanager
def pebble(folder: Path, external: Mapping[str, str] | None = None) -> Iterator[Pebble]:
    """Start one with its DNS; `external` are the HMAC keys of the external accounts that it wants, by their ids."""
    port, management, dns, proofs = (free_port() for _ in range(4))
    authority = certify(folder, "127.0.0.1")
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": proofs,
        "tlsPort": free_port(),
        **({"externalAccountBindingRequired": True, "externalAccountMACKeys": dict(external)} if external else {}),
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    nothing = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}")
    resolver = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv6", "", *nothing]
    server = ["pebble", "-strict", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    assert shutil.which("pebble"), "pebble is not installed (apt-get install pebble)"
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        for command in (resolver, server):
            stack.enter_context(_running(command, log))
        _await_port(port, folder / "log")
        yield Pebble(f"https://127.0.0.1:{port}/dir", authority, proofs)


@contextmanager
def _running(command: list[str], log: Any) -> Iterator[None]:
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "25", "PEBBLE_AUTHZREUSE": "0"}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _await_port(port: int, log: Path) -> None:
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@contextmanager
def portal_at(port: int) -> Iterator[list[tuple[str, str]]]:
    """The portal's URLs under a port, as a balancer hands the path on; yields what was asked for, host and path."""
    seen: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"]
            seen.append((host, self.path))
            answer = Client().get(self.path, headers={"Host": host})
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)
            connection.close()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
