"""A make-believe GitHub: OAuth's two steps, the person, and pages of organizations and teams."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 30
OWN = ("/api/v3/user", "/api/v3/user/orgs", "/api/v3/user/teams")


class Hub:
    """What it knows can be changed between requests; `asked` is every path that was asked for."""

    client_id, client_secret = "corral-client", "corral-client-secret"

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"id": 42, "login": "octo", "name": "Octo Cat"}
        self.orgs: list[dict[str, Any]] = [{"id": 7, "login": "acme"}]
        self.teams: list[dict[str, Any]] = [
            {"id": 70, "slug": "ops", "name": "Ops", "organization": {"id": 7, "login": "acme"}}
        ]
        self.others: list[dict[str, Any]] = [
            {"id": 43, "login": "octavia", "type": "User"},
            {"id": 7, "login": "acme", "type": "Organization"},
        ]
        self.codes = {"good"}
        self.refuses: dict[str, tuple[int, Any]] = {}
        self.tokens: set[str] = set()
        self.asked: list[str] = []
        self.broken = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def config(self, **changes: Any) -> dict[str, Any]:
        working = {"clientId": self.client_id, "clientSecret": self.client_secret}
        return {**working, "hostname": self.host, "scheme": "http://", **changes}

    def token(self, form: dict[str, str]) -> dict[str, str]:
        """The answer to a code: a token once, or GitHub's words for what is wrong."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return {"error": "incorrect_client_credentials", "error_description": "The client secret is wrong."}
        if form.get("code") not in self.codes:
            return {"error": "bad_verification_code", "error_description": "The code is incorrect or expired."}
        token = f"gho_{len(self.tokens)}_secret_token"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:org"}

    def answer(self, path: str, query: dict[str, str]) -> Any:
        page = int(query.get("page", "1")) - 1
        known = {"/api/v3/user": self.person}
        lists = {"/api/v3/user/orgs": self.orgs, "/api/v3/user/teams": self.teams}
        return lists[path][page * PAGE : (page + 1) * PAGE] if path in lists else known.get(path)

    def public(self, path: str, query: dict[str, str]) -> Any:
        """What everybody may ask for: people and organizations by number or name, and the search for them."""
        place, _slash, word = path.removeprefix("/api/v3/").rpartition("/")
        if (place, word) == ("search", "users"):
            part = query["q"].partition(" ")[0]
            return {"items": [each for each in self.others if part in each["login"]]}
        key = "login" if place == "users" else "id"
        return next((each for each in self.others if str(each[key]) == word), None)


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Silence."""

        def _send(self, body: Any, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            hub.asked.append(self.path)
            size = int(self.headers.get("Content-Length", "0"))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
            self._send(hub.token(form), 500 if hub.broken else 200)

        def do_GET(self) -> None:
            hub.asked.append(self.path)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if parts.path in hub.refuses:
                status, body = hub.refuses[parts.path]
                self._send(body, status)
                return
            basic = base64.b64encode(f"{hub.client_id}:{hub.client_secret}".encode()).decode()
            if not hub.broken and (scheme == "Basic" or token in hub.tokens) and parts.path not in OWN:
                found = hub.public(parts.path, query) if token in {basic, *hub.tokens} else None
                self._send(found or {"message": "no"}, 200 if found else 404 if token in {basic, *hub.tokens} else 401)
                return
            if hub.broken or scheme != "token" or token not in hub.tokens:
                self._send({"message": "no"}, 500 if hub.broken else 401)
                return
            self._send(hub.answer(parts.path, query))

    return Handler
