"""A fake GitHub: OAuth's two steps, the person, and pages of organizations and teams."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 30
OWN_PATHS = ("/api/v3/user", "/api/v3/user/orgs", "/api/v3/user/teams")


class FakeGitHub:
    """Its data can be changed between requests; `requests` is every path that was requested."""

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
        self.requests: list[str] = []
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
        """The answer to a code: a token once, or GitHub's error."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return {"error": "incorrect_client_credentials", "error_description": "The client secret is wrong."}
        if form.get("code") not in self.codes:
            return {"error": "bad_verification_code", "error_description": "The code is incorrect or expired."}
        token = f"gho_{len(self.tokens)}_secret_token"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:org"}

    def reply(self, path: str, query: dict[str, str], token: str) -> tuple[Any, int]:
        """The answer to a query about oneself (with a token), or about others (also as the OAuth app)."""
        if path in self.refuses:
            status, body = self.refuses[path]
            return body, status
        if self.broken:
            return {"message": "no"}, 500
        app = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if token not in (self.tokens if path in OWN_PATHS else {app, *self.tokens}):
            return {"message": "no"}, 401
        found = self.answer(path, query) if path in OWN_PATHS else self.public(path, query)
        return (found, 200) if found is not None else ({"message": "no"}, 404)

    def answer(self, path: str, query: dict[str, str]) -> Any:
        page = int(query.get("page", "1")) - 1
        known = {"/api/v3/user": self.person}
        lists = {"/api/v3/user/orgs": self.orgs, "/api/v3/user/teams": self.teams}
        return lists[path][page * PAGE : (page + 1) * PAGE] if path in lists else known.get(path)

    def public(self, path: str, query: dict[str, str]) -> Any:
        """The public queries: people and organizations by number or name, and the search for them."""
        place, _slash, word = path.removeprefix("/api/v3/").rpartition("/")
        if (place, word) == ("search", "users"):
            part = query["q"].partition(" ")[0]
            return {"items": [each for each in self.others if part in each["login"]]}
        key = "login" if place == "users" else "id"
        return next((each for each in self.others if str(each[key]) == word), None)


def _handler(hub: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Log nothing."""

        def _send(self, body: Any, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _send_back(self, query: dict[str, str]) -> None:
            """As after the person's consent: with a code and the state that was given."""
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri']}?code=good&state={query['state']}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            hub.requests.append(self.path)
            size = int(self.headers.get("Content-Length", "0"))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()}
            self._send(hub.token(form), 500 if hub.broken else 200)

        def do_GET(self) -> None:
            hub.requests.append(self.path)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/login/oauth/authorize":
                self._send_back(query)
                return
            _scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            self._send(*hub.reply(parts.path, query, token))

    return Handler
