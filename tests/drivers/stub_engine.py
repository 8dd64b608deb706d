"""An engine that knows its name and nothing else, on a unix socket: enough to be added as a host."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

_VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
_INFO = {
    "ID": "PAPER",
    "Name": "paper",
    "ServerVersion": "20.10.24",
    "OperatingSystem": "Paper OS",
    "KernelVersion": "6.1.0",
    "Architecture": "x86_64",
    "NCPU": 2,
    "MemTotal": 2**31,
    "Driver": "overlay2",
}
_ANSWERS: dict[str, Any] = {"/version": _VERSION, "/info": _INFO, "/containers/json": [], "/_ping": "OK"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        path = path[path.index("/", 1) :] if path.startswith("/v1.") else path
        served = (self.server.requests, self.server.answers, self.server.refusal)  # type: ignore[attr-defined]  # a StubServer
        served[0].append(path)
        known = path in served[1]
        body = json.dumps(served[1][path] if known else {"message": f"{served[2]}: {path}"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass


class StubEngine(ThreadingMixIn, UnixStreamServer):
    """Answers until it is stopped; `requests` are the paths that were asked for, `answers` what it says to them,
    `refusal` what to any other."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.requests: list[str] = []
        self.answers, self.refusal = dict(_ANSWERS), "page not found"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
