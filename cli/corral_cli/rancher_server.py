"""A Rancher server of version 1.x that is read from: by its public API, and by requests that change nothing there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from corral_cli import VERSION
from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json
from corral_cli.terminal import UserTerminal, printable
from corral_cli.transport import HttpAnswer, Transport

PAGE = 500
MAX_PAGES = 200
DIALECTS = ("v2-beta", "v1")  # the first since 1.2; what came before speaks the second alone
_GONE = frozenset({"removing", "removed", "purging", "purged"})
_API_PATH = re.compile(r"/(?:v1|v2-beta)(?:/.*)?$")


@dataclass(frozen=True)
class OldAccess:
    """A Rancher server and a key of it; an account's key sees all environments of the account."""

    url: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"OldAccess({self.url!r})"

    def normalized(self) -> OldAccess:
        """With the server's address only, whatever page or API path was given. Raises `CliError`."""
        url = self.url.strip().rstrip("/")
        if not re.match(r"https?://[^/\s@]+(?:/|$)", url):
            text = f"--from {url[:120]!r} is no URL of a server: write it as http://rancher.example.com:8080"
            raise CliError(text, ExitCode.USAGE)
        return OldAccess(_API_PATH.sub("", url), self.access_key, self.secret_key)


class RancherServer:
    """The server, as the owner of a key; nothing is sent but GET, and the action that exports a stack."""

    def __init__(self, access: OldAccess, transport: Transport, terminal: UserTerminal) -> None:
        self._access = access.normalized()
        self._transport = transport
        self._terminal = terminal
        self._dialect = ""

    @property
    def root(self) -> str:
        """The server's address."""
        return self._access.url

    @property
    def dialect(self) -> str:
        """The newest of its API's dialects that is known here. Raises `CliError` for what is no such server."""
        if not self._dialect:
            self._dialect = self._find_dialect()
        return self._dialect

    @property
    def stacks_name(self) -> str:
        """What the dialect calls stacks."""
        return "stacks" if self.dialect == "v2-beta" else "environments"

    def projects(self) -> list[Json]:
        """The environments that the key sees and that are not removed, by name."""
        found = [each for each in self._pages(f"/{self.dialect}/projects", {}) if not is_gone(each)]
        return sorted(found, key=lambda each: str(each.get("name") or "").lower())

    def list_all(self, project: Json, plural: str) -> list[Json] | None:
        """What an environment has of a type and is not removed; None where the key may not see the type."""
        path = f"/{self.dialect}/projects/{quote(str(project.get('id')), safe='')}/{plural}"
        return self._list(path)

    def settings(self) -> dict[str, str] | None:
        """The settings of the whole server by name; None where the key may not see them."""
        found = self._list(f"/{self.dialect}/settings")
        if found is None:
            return None
        return {str(each.get("name") or each.get("id")): str(each.get("value") or "") for each in found}

    def export(self, project: Json, stack: Json) -> tuple[str, str]:
        """The texts of docker-compose.yml and rancher-compose.yml of a stack. Raises `CliError`."""
        given = (stack.get("actions") or {}).get("exportconfig")
        own = f"/{self.dialect}/projects/{quote(str(project.get('id')), safe='')}/{self.stacks_name}"
        path = _path_of(given) if given else f"{own}/{quote(str(stack.get('id')), safe='')}/?action=exportconfig"
        found = self._parse("POST", path, self._send("POST", path, {}, {}))
        return str(found.get("dockerComposeConfig") or ""), str(found.get("rancherComposeConfig") or "")

    def _find_dialect(self) -> str:
        for dialect in DIALECTS:
            answer = self._send("GET", f"/{dialect}", {}, None)
            if answer.status == 404:
                continue
            found = self._parse("GET", f"/{dialect}", answer)
            if found.get("id") == dialect or found.get("type") == "apiVersion":
                return dialect
        raise CliError(f"{self.root} has no API of a Rancher 1.x server: is this its URL?", ExitCode.NOT_FOUND)

    def _list(self, path: str) -> list[Json] | None:
        try:
            return [each for each in self._pages(path, {}) if not is_gone(each)]
        except CliError as error:
            if error.code in {ExitCode.NOT_FOUND, ExitCode.REFUSED}:
                return None
            raise

    def _pages(self, path: str, query: Mapping[str, object]) -> list[Json]:
        """All pages of a list; one that leads round in a circle, or never ends, is refused."""
        page = self._parse("GET", path, self._send("GET", path, {"limit": PAGE, **query}, None))
        found, seen = _data_of(page), set[str]()
        while following := (page.get("pagination") or {}).get("next"):
            path = _path_of(str(following))
            if path in seen or len(seen) >= MAX_PAGES:
                raise CliError(f"{self.root} has no end of its list {printable(path)[:120]}.")
            seen.add(path)
            page = self._parse("GET", path, self._send("GET", path, {}, None))
            found += _data_of(page)
        return found

    def _send(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> HttpAnswer:
        joint = "&" if "?" in path else "?"
        url = self.root + path + (joint + urlencode(query) if query else "")
        pair = f"{self._access.access_key}:{self._access.secret_key}".encode()
        headers = {
            "Accept": "application/json",
            "Authorization": "Basic " + base64.b64encode(pair).decode(),
            "User-Agent": f"corral/{VERSION}",
            "X-API-No-Challenge": "true",
            # A server with access control off answers a wrong key as its administrator.
            "X-ENFORCE-AUTHENTICATION": "true",
        }
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self._terminal.debug(f"{method} {url}")
        answer = self._transport.send(method, url, headers, data)
        self._terminal.debug(f"  {answer.status}, {len(answer.body)} bytes")
        return answer

    def _parse(self, method: str, path: str, answer: HttpAnswer) -> Json:
        """The JSON object of an answer. Raises `CliError` in one line for everything else."""
        try:
            found: Any = json.loads(answer.body or b"null")
        except (ValueError, RecursionError):
            found = None
        if 200 <= answer.status < 300:
            if isinstance(found, dict):
                return found
            raise CliError(
                f"{self.root} answers, but not as a Rancher server does: check the URL, and what stands before it.",
                ExitCode.UNREACHABLE,
            )
        raise self._refusal(method, path, answer, found if isinstance(found, dict) else {})

    def _refusal(self, method: str, path: str, answer: HttpAnswer, error: Json) -> CliError:
        said = printable(error.get("message") or error.get("code") or "").strip()[:200]
        if answer.status == 401:
            remedy = "create a key of your account there, under API, and say --from-access-key and its secret's file."
            return CliError(f"{self.root} does not accept this key: {remedy}", ExitCode.CREDENTIALS)
        if answer.status in {403, 405}:
            return CliError(f"{self.root} does not let this key read {printable(path)[:120]}: {said}", ExitCode.REFUSED)
        if answer.status == 404:
            return CliError(f"{self.root} has nothing at {printable(path)[:120]}.", ExitCode.NOT_FOUND)
        if 300 <= answer.status < 400:
            where = printable(answer.headers.get("location", "elsewhere"))[:200]
            return CliError(f"{self.root} leads to {where}: use that URL.", ExitCode.USAGE)
        if answer.status in {429, 502, 503, 504}:
            return CliError(f"{self.root} is not ready ({answer.status}): try again later.", ExitCode.UNREACHABLE)
        return CliError(f"{self.root}: {method} {printable(path)[:120]} failed with {answer.status}: {said}")


def is_gone(row: Json) -> bool:
    """Whether it was removed, or is about to be."""
    return bool(row.get("removed")) or row.get("state") in _GONE


def _data_of(page: Json) -> list[Json]:
    data = page.get("data")
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _path_of(link: str) -> str:
    """The path of a link: behind a proxy the server may know itself by another name, and the key is for it alone."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
