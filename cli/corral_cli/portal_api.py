"""The portal's v1 API: requests inside one environment, and its refusals in words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from corral_cli.contexts import PortalAccess
from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import UserTerminal, printable
from corral_cli.transport import HttpAnswer, MessageSocket, Transport

Json = dict[str, Any]
"""A resource of the API, or a body for it."""

PAGE = 1000
_MAX_PAGES = 1000


class PortalRefusal(CliError):
    """The portal refuses something that is valid: what it says, and its code for that."""

    def __init__(self, said: str, error_code: str, status: int) -> None:
        super().__init__(said or f"The portal refuses this ({status}).", ExitCode.REFUSED)
        self.said = said
        self.error_code = error_code


class PortalApi:
    """One portal, as one caller, in one environment."""

    def __init__(self, access: PortalAccess, transport: Transport, terminal: UserTerminal) -> None:
        self._access = access.normalized()
        self._transport = transport
        self._terminal = terminal
        self._project: Json | None = None

    @property
    def root(self) -> str:
        """The portal's address."""
        return self._access.url

    @property
    def project(self) -> Json:
        """The environment that is worked in. Raises `CliError` when none is chosen and there are several."""
        if self._project is None:
            self._project = self._choose_project()
        return self._project

    def projects(self) -> list[Json]:
        """The environments that the caller sees."""
        return self._pages("/v1/projects", {})

    def get(self, path: str, **query: object) -> Json:
        """A resource or collection inside the environment; `path` may be a link. Raises `CliError`."""
        return self._call("GET", self._path(path), query=query)

    def list_all(self, path: str, **query: object) -> list[Json]:
        """All resources of a collection, page by page."""
        return self._pages(self._path(path), query)

    def post(self, path: str, body: Json | None = None) -> Json:
        """Create something. Raises `CliError`."""
        return self._call("POST", self._path(path), body or {})

    def put(self, resource: Json, body: Json) -> Json:
        """Change fields of a resource. Raises `CliError`."""
        return self._call("PUT", self._path(resource["links"]["self"]), body)

    def delete(self, resource: Json) -> Json:
        """Delete a resource. Raises `CliError`."""
        return self._call("DELETE", self._path(resource["links"]["self"]))

    def act(self, resource: Json, action: str, body: Json | None = None) -> Json:
        """An action of a resource. Raises `CliError`, also when the resource does not offer it now.

        What is not offered is requested all the same: only the portal knows why it refuses.
        """
        url = (resource.get("actions") or {}).get(action)
        path = self._path(url or f"{resource['links']['self']}?{urlencode({'action': action})}")
        try:
            return self._call("POST", path, body or {})
        except PortalRefusal as refusal:
            if url:
                raise
            why = _why_not(refusal, action) or f"it is {resource.get('state')}, or your role here may not do that."
            text = f"{action} is not possible for {describe(resource)}: {why}"
            raise CliError(text, ExitCode.REFUSED) from None

    def reload(self, resource: Json) -> Json:
        """The resource as it is now."""
        return self.get(resource["links"]["self"])

    def open_socket(self, path: str, **query: object) -> MessageSocket:
        """A WebSocket of the portal; without a token in the query it is opened with the caller's key."""
        headers = {} if "token" in query else self._headers()
        url = self.root.replace("http", "ws", 1) + path
        return self._transport.open_socket(f"{url}?{urlencode(query, doseq=True)}", headers)

    def exchange(self, path: str, body: Json) -> tuple[int, Json]:
        """The status and the answer to a POST whose refusals are answers too. Raises `CliError` for all others."""
        answer = self._send("POST", path, {}, body)
        found = parse_answer(answer)
        if found is None or (answer.status >= 300 and "error" not in found):
            raise self._refusal("POST", path, answer)
        return answer.status, found

    def download(self, path: str) -> bytes:
        """A file that the portal serves."""
        return self._send("GET", path, {}, None).body

    def receive_file(self, path: str, write: Callable[[bytes], object]) -> None:
        """Pass what a link leads to on to `write`, piece by piece. Raises `CliError`."""
        path = self._path(path)
        self._terminal.debug(f"GET {self.root}{path}")
        headers = {"Accept": "*/*", "X-API-No-Challenge": "true", **self._headers()}
        with self._transport.receive_file(self.root + path, headers) as answer:
            if answer.status >= 300:
                body = b"".join(answer.pieces)
                raise self._refusal("GET", path, HttpAnswer(answer.status, answer.headers, body))
            for piece in answer.pieces:
                write(piece)

    def send_file(self, resource: Json, action: str, pieces: Iterable[bytes], size: int | None) -> Json:
        """An action whose body is a file of `size` bytes (None: not known yet). Raises `CliError`.

        What is not offered is requested without the file, for the portal's reason.
        """
        url = (resource.get("actions") or {}).get(action)
        if not url:
            return self.act(resource, action)
        path = self._path(url)
        self._terminal.debug(f"POST {self.root}{path}")
        headers = {"Accept": "application/json", "X-API-No-Challenge": "true", **self._headers()}
        headers["Content-Type"] = "application/x-tar"
        answer = self._transport.send_file(self.root + path, headers, pieces, size)
        if answer.status >= 300:
            raise self._refusal("POST", path, answer)
        return parse_answer(answer) or {}

    def _choose_project(self) -> Json:
        wanted = self._access.environment
        found = self.projects()
        named = [each for each in found if wanted in {each["id"], each["name"]}]
        named = named or [each for each in found if str(each["name"]).lower() == wanted.lower()]
        known = ", ".join(printable(each["name"]) for each in found) or "none"
        if wanted and not named:
            raise CliError(f"There is no environment {wanted!r} for this key: it sees {known}.", ExitCode.NOT_FOUND)
        usable = named if wanted else found
        if len(usable) == 1:
            return usable[0]
        if not found:
            raise CliError("This key sees no environment: ask for a membership.", ExitCode.REFUSED)
        remedy = "say --env with its id, or `corral env use NAME`, or set RANCHER_ENVIRONMENT"
        raise CliError(f"Several environments can be meant ({known}): {remedy}.", ExitCode.USAGE)

    def _path(self, path: str) -> str:
        """The path of a link, or of a collection inside the environment.

        Only the path of a link counts: behind a proxy the portal may know itself under another name, and the key must
        reach nobody else.
        """
        if "://" in path:
            parts = urlsplit(path)
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
        return path if path.startswith("/") else f"/v1/projects/{quote(self.project['id'], safe='')}/{path}"

    def _pages(self, path: str, query: Mapping[str, object]) -> list[Json]:
        page = self._call("GET", path, query={"limit": PAGE, **query})
        found = list(page.get("data") or ())
        for _number in range(_MAX_PAGES):
            following = (page.get("pagination") or {}).get("next")
            if not following:
                break
            page = self._call("GET", self._path(following))
            found += page.get("data") or ()
        return found

    def _call(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, object] | None = None
    ) -> Json:
        answer = self._send(method, path, query or {}, body)
        if answer.status >= 300:
            raise self._refusal(method, path, answer)
        if not answer.body and method != "GET":
            return {}
        found = parse_answer(answer)
        if found is None:
            raise CliError(
                f"{self.root} answers, but not as a portal does: check the URL, and what stands before the portal.",
                ExitCode.UNREACHABLE,
            )
        return found

    def _send(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> HttpAnswer:
        joint = "&" if "?" in path else "?"
        url = self.root + path + (joint + urlencode(query, doseq=True) if query else "")
        headers = {"Accept": "application/json", "X-API-No-Challenge": "true", **self._headers()}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self._terminal.debug(f"{method} {url}")
        answer = self._transport.send(method, url, headers, data)
        self._terminal.debug(f"  {answer.status}, {len(answer.body)} bytes")
        return answer

    def _headers(self) -> dict[str, str]:
        from corral_cli import VERSION

        found = {"User-Agent": f"corral/{VERSION}"}
        if self._access.access_key:
            pair = f"{self._access.access_key}:{self._access.secret_key}".encode()
            found["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return found

    def _refusal(self, method: str, path: str, answer: HttpAnswer) -> CliError:
        """What a status says, in one line with a remedy."""
        error = parse_answer(answer) or {}
        said = printable(error.get("message") or "").strip()
        if 300 <= answer.status < 400:
            where = printable(answer.headers.get("location", "elsewhere"))[:200]
            return CliError(f"{self.root} leads to {where}: use that URL.", ExitCode.USAGE)
        if answer.status in {429, 502, 503, 504}:
            return CliError(self._not_ready(answer, said), ExitCode.UNREACHABLE)
        if answer.status == 401:
            return CliError(self._key_refusal(said), ExitCode.CREDENTIALS)
        if answer.status == 404:
            return CliError(self._not_found(error, path), ExitCode.NOT_FOUND)
        if answer.status in {400, 403, 405, 409, 412, 422, 423}:
            return rejection(answer.status, error, said)
        log_id = printable(error.get("id") or "none")
        return CliError(f"{method} {path} failed with {answer.status}: {said} (id in the portal's log: {log_id})")

    def _not_ready(self, answer: HttpAnswer, said: str) -> str:
        if answer.status == 429:
            wait = printable(answer.headers.get("retry-after", "a few"))
            return f"Too many requests: try again in {wait} seconds."
        return f"{self.root} is not ready: {said or 'it is starting, or what stands before it cannot reach it'}"

    def _key_refusal(self, said: str) -> str:
        if not self._access.access_key:
            remedy = "run `corral login URL`, or set RANCHER_ACCESS_KEY and RANCHER_SECRET_KEY."
            return f"{self.root} wants a key: {remedy}"
        why = "" if said in {"", "Unauthorized"} else f" ({said.rstrip('.')})"
        return (
            f"{self.root} does not accept this key{why}: it is wrong, has expired or was deactivated. "
            "Create another in the console under API, then `corral login URL` again."
        )

    def _not_found(self, error: Json, path: str) -> str:
        if error.get("type") == "error":
            return f"There is nothing at {printable(path)[:120]}: it was deleted, or you may not see it."
        return f"{self.root} has no v1 API: is this the URL of a portal?"


def parse_answer(answer: HttpAnswer) -> Json | None:
    """The JSON object of an answer, None for anything else."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def rejection(status: int, error: Json, said: str) -> CliError:
    """What was sent is not valid, or may not be done now."""
    is_invalid = status in {400, 422} and error.get("code") not in {
        "ActionNotAvailable",
        "InvalidAction",
        "InvalidState",
    }
    if not is_invalid:
        return PortalRefusal(said, printable(error.get("code") or ""), status)
    field = printable(error.get("fieldName") or "")
    text = said or printable(error.get("code") or "") or "it is not valid"
    return CliError(f"{field}: {text}" if field and field not in text else text, ExitCode.INVALID)


def _why_not(refusal: PortalRefusal, action: str) -> str:
    """The portal's reason and its code; empty where it says only that this role has no such action."""
    said = refusal.said.removeprefix(f"{action}: ")
    if not said or refusal.error_code == "InvalidAction":
        return ""
    return f"{said} ({refusal.error_code})" if refusal.error_code else said


def describe(resource: Json) -> str:
    """A resource as people know it: type and name."""
    kind = {"environment": "stack", "project": "environment"}.get(str(resource.get("type")), resource.get("type"))
    return f"{printable(kind)} {printable(resource.get('name') or resource.get('id'))}"
