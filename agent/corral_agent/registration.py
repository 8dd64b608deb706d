"""Registration: read the portal's key from its script, then exchange the token for a credential of this host."""

from __future__ import annotations

import base64
import json
import re
import ssl
import uuid
from collections.abc import Mapping
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from corral_agent import VERSION, keys
from corral_agent.state import State, url_fingerprint

_TIMEOUT = 30.0
_MAX_RESPONSE = 256 * 1024
_PORTAL_KEY = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?CORRAL_PORTAL_KEY=["']?(ssh-ed25519 [A-Za-z0-9+/=]+)""", re.MULTILINE
)
_REQUIRED_FIELDS = ("accessKey", "secretKey", "portalKey", "hostId", "tunnelUrl")


class CannotRegister(Exception):
    """The portal does not accept this host; `str()` says why. Trying the same again cannot help."""


class PortalUnreachable(Exception):
    """The portal did not answer; trying again may help."""


class RegistrationAttempts:
    """A registration, however often it is tried: the portal recognizes a try that it hears after a later one.

    A busy portal may answer one of before when this agent has long given it up, and would end the credential that the
    later one was given.
    """

    def __init__(self) -> None:
        self.key = str(uuid.uuid4())
        self.count = 0


def register(
    url: str, ca: str, private_key: str, facts: Mapping[str, Any], attempts: RegistrationAttempts | None = None
) -> dict[str, str]:
    """Register this host; blocks. The part of the state to keep. Raises `CannotRegister`, `PortalUnreachable`."""
    attempts = attempts or RegistrationAttempts()
    attempts.count += 1
    base, _, token = url.rpartition("/scripts/")
    if not token or urlsplit(base).path.rpartition("/")[2] not in {"v1", "v2-beta"}:
        raise CannotRegister("The registration URL has no token: copy the command from the portal's Add Host page.")
    found = _PORTAL_KEY.search(_fetch(request.Request(url), ca).decode("utf-8", "replace"))  # noqa: S310 - checked by options
    if found is None:
        raise CannotRegister("What answers at the registration URL is not a Corral portal.")
    body = {
        "key": attempts.key,
        "attempt": attempts.count,
        "publicKey": keys.public_key_line(private_key),
        "agentVersion": VERSION,
        **facts,
    }
    answer = _post(f"{base}/registers", unquote(token), ca, body)
    return _verified_credentials(answer, found[1]) | {"source": url_fingerprint(url)}


def _post(url: str, token: str, ca: str, body: Mapping[str, Any]) -> dict[str, Any]:
    pair = base64.b64encode(f"registrationToken:{token}".encode()).decode()
    fields = {"Authorization": f"Basic {pair}", "Content-Type": "application/json", "Accept": "application/json"}
    http_request = request.Request(url, data=json.dumps(body).encode(), headers=fields, method="POST")  # noqa: S310 - as above
    try:
        found = json.loads(_fetch(http_request, ca))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name), str) and found[name] for name in _REQUIRED_FIELDS
    ):
        raise CannotRegister("The portal's answer to the registration is not understood: is the agent too old?")
    return found


def _verified_credentials(answer: Mapping[str, Any], pinned: str) -> dict[str, str]:
    """The credentials in an answer. Raises `CannotRegister` when its key is not the one that the script named."""
    try:
        same = keys.load_public_key_data(answer["portalKey"]) == keys.load_public_key_data(pinned)
    except keys.BadKey as error:
        raise CannotRegister(f"Registration refused: {error}.") from None
    if not same:
        raise CannotRegister("Registration refused: the portal answered with another key than its script named.")
    return {
        "access_key": answer["accessKey"],
        "secret_key": answer["secretKey"],
        "portal_key": pinned,
        "tunnel_url": answer["tunnelUrl"],
        "host_id": answer["hostId"],
    }


def _fetch(http_request: request.Request, ca: str) -> bytes:
    http_request.add_header("User-Agent", f"corral-agent/{VERSION}")
    handlers: list[request.BaseHandler] = [_NoRedirects()]
    if http_request.type == "https":
        handlers.append(request.HTTPSHandler(context=tls_context(ca)))
    try:
        with request.build_opener(*handlers).open(http_request, timeout=_TIMEOUT) as answer:
            data = bytes(answer.read(_MAX_RESPONSE))
            if len(data) < _MAX_RESPONSE and answer.length:  # the rest of the announced length
                raise IncompleteRead(data, answer.length)
            return data
    except HTTPError as error:
        with error:
            raise _refusal(error.code, error.read(_MAX_RESPONSE)) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise PortalUnreachable(f"The portal does not answer: {str(reason).strip() or type(error).__name__}.") from None


class _NoRedirects(request.HTTPRedirectHandler):
    """A redirect would carry the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(status: int, body: bytes) -> Exception:
    if status >= 500 or status in {408, 425, 429}:
        return PortalUnreachable(f"The portal is not ready: it answered with HTTP status {status}.")
    if status in {401, 404}:
        return CannotRegister("The registration URL is not valid any more: copy a new command from the portal.")
    try:
        message = str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError):
        message = ""
    return CannotRegister(f"The portal refused the registration with HTTP status {status}. {message}".strip())


def tls_context(ca: str) -> ssl.SSLContext:
    """The context for portals behind https; `ca` is a PEM file, "" for the system's own. Raises `CannotRegister`."""
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError):
        raise CannotRegister(f"CORRAL_CA: {ca} is not a file with a certificate.") from None


def is_registration_needed(state: State, url: str) -> bool:
    """Whether to register: never done, asked to with another URL, or started again after a refusal."""
    if not state.access_key:
        return True
    return bool(url) and (state.refused or state.source != url_fingerprint(url))
