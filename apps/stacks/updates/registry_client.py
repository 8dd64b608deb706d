"""Asking a registry which digest a tag has now: HEAD of the manifest, never GET, which registries count as a pull."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from apps.core.pinned_http import HttpReply
from apps.stacks.updates.exchange import send
from apps.stacks.updates.image_names import ImageTag, is_digest
from apps.stacks.updates.pacing import limit_delay
from apps.stacks.updates.reachable import RegistryEndpoint, RegistryUnreachable, split_authority
from apps.vault.registries.addresses import title_of
from apps.vault.registries.logins import RegistryLogin

FOUND, UNCHANGED, LIMITED, MISSING, REFUSED, UNREACHABLE, INVALID = (
    "found",
    "unchanged",
    "limited",
    "missing",
    "refused",
    "unreachable",
    "invalid",
)
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""Indexes first: engines that pull a tag note the digest of the index, whatever their platform is."""
_MAX_TOKEN, _MAX_TOKENS, _MAX_TEXT = 16_384, 2000, 256
_TOKEN_SECONDS, _LONGEST_TOKEN = 60, 3600
_PARAMETER = re.compile(r'(?<![a-z_])([a-z_]++)="([^"]*+)"')


@dataclass(frozen=True, slots=True)
class ManifestAnswer:
    """What a registry said: `kind` is one of the words above, `reason` says it to people where there is no digest.

    `hold` is how many seconds nothing more may be asked with this account, whatever the answer was; `challenge` says
    where the registry sends for tokens, to be shown to it next time.
    """

    kind: str
    digest: str = ""
    etag: str = ""
    reason: str = ""
    hold: float | None = None
    challenge: Mapping[str, str] = field(default_factory=dict)


class _Tokens:
    """Tokens that registries gave, kept in memory until they expire."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[float, str]] = {}

    def get(self, key: tuple[object, ...]) -> str:
        until, token = self._kept.get(key, (0.0, ""))
        return token if until > time.monotonic() else ""

    def put(self, key: tuple[object, ...], token: str, seconds: float) -> None:
        if len(self._kept) >= _MAX_TOKENS:
            self._kept.clear()
        self._kept[key] = (time.monotonic() + seconds, token)

    def clear(self) -> None:
        self._kept.clear()


tokens = _Tokens()


class _NoToken(Exception):
    """No token is to be had: `reply` is what whoever gives them said, None where nobody could be asked."""

    def __init__(self, reason: str = "", reply: HttpReply | None = None) -> None:
        super().__init__(reason)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class RegistryClient:
    """One account at one registry; `login` None: without one. `trusted` are addresses that an administrator named."""

    endpoint: RegistryEndpoint
    login: RegistryLogin | None = None
    authority: str = ""
    trusted: Mapping[str, str] = field(default_factory=dict)

    def head(
        self, tag: ImageTag, now: datetime, etag: str = "", challenge: Mapping[str, str] | None = None
    ) -> ManifestAnswer:
        """Ask for the tag's digest; `etag` is that of the last answer, `challenge` what that one said of tokens."""
        challenge = dict(challenge or {})
        try:
            reply = self._ask(tag, etag, challenge)
            if reply.status == 401:
                challenge = _read_challenge(reply.headers.get("www-authenticate", ""))
                reply = self._ask(tag, etag, challenge, is_new=True) if challenge else reply
        except _NoToken as refusal:
            if refusal.reply is not None and refusal.reply.status != 404:  # which says nothing about the image
                return self._read(refusal.reply, tag, now, challenge)
            return ManifestAnswer(INVALID, reason=self._redact(str(refusal)), challenge=challenge)
        except RegistryUnreachable as error:
            return ManifestAnswer(UNREACHABLE, reason=self._redact(str(error)), challenge=challenge)
        return self._read(reply, tag, now, challenge)

    def _redact(self, text: str) -> str:
        return (self.login.redact(text) if self.login else text)[:_MAX_TEXT]

    def _ask(self, tag: ImageTag, etag: str, challenge: Mapping[str, str], *, is_new: bool = False) -> HttpReply:
        headers = {"Accept": MANIFESTS, "User-Agent": "corral"} | ({"If-None-Match": etag} if etag else {})
        credentials = self._credentials(tag, challenge, is_new=is_new)
        headers |= {"Authorization": credentials} if credentials else {}
        path = f"/v2/{quote(tag.repository)}/manifests/{quote(tag.tag)}"
        return send("HEAD", self.endpoint, path, headers, authority=self.authority)

    def _credentials(self, tag: ImageTag, challenge: Mapping[str, str], *, is_new: bool) -> str:
        if challenge.get("scheme") == "basic":
            return _basic(self.login) if self.login else ""
        return f"Bearer {self._token(tag, challenge, is_new=is_new)}" if challenge.get("realm") else ""

    def _token(self, tag: ImageTag, challenge: Mapping[str, str], *, is_new: bool) -> str:
        key = (self.endpoint, tag.repository, self.login, challenge["realm"], challenge.get("service", ""))
        kept = "" if is_new else tokens.get(key)
        if kept:
            return kept
        query = {"service": challenge.get("service", ""), "scope": f"repository:{tag.repository}:pull"}
        endpoint, path = self._token_endpoint(challenge["realm"])
        separator = "&" if "?" in path else "?"
        headers = {"Accept": "application/json", "User-Agent": "corral"}
        headers |= {"Authorization": _basic(self.login)} if self.login else {}
        reply = send("GET", endpoint, f"{path}{separator}{urlencode(query)}", headers, authority=self.authority)
        if reply.status != 200:
            raise _NoToken(f"{title_of(tag.domain)} answers {reply.status} where it sends for tokens.", reply)
        token, seconds = _read_token(reply.body)
        if not token:
            raise _NoToken(f"{title_of(tag.domain)} answers with something that is no token.")
        tokens.put(key, token, seconds)
        return token

    def _token_endpoint(self, realm: str) -> tuple[RegistryEndpoint, str]:
        """Where tokens are given: as trusted as the registry on its own host, and never less encrypted than it."""
        parts = urlsplit(realm)
        if parts.scheme not in {"https", self.endpoint.scheme} or "@" in parts.netloc or not parts.hostname:
            raise _NoToken(
                f"{self.endpoint.authority} sends for tokens to {realm[:100]!r}, which is no address for them."
            )
        host, port = split_authority(parts.netloc)
        default = 443 if parts.scheme == "https" else 80
        own = self.endpoint.host if self.endpoint.is_trusted else ""
        is_trusted = host == own or parts.netloc.lower() in self.trusted
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or re.search(r"[\x00-\x20\x7f]", path):
            raise _NoToken(f"{self.endpoint.authority} sends for tokens to an address that is none.")
        return RegistryEndpoint(parts.scheme, host, port or default, is_trusted), path

    def _read(self, reply: HttpReply, tag: ImageTag, now: datetime, challenge: Mapping[str, str]) -> ManifestAnswer:
        wait = limit_delay(reply.headers, reply.status, now)
        more: dict[str, Any] = {"hold": wait.total_seconds() if wait is not None else None, "challenge": challenge}
        digest = reply.headers.get("docker-content-digest", "").strip()
        if reply.status == 200 and is_digest(digest):
            etag = reply.headers.get("etag", "").strip()
            return ManifestAnswer(FOUND, digest, etag if _is_header_text(etag) else "", **more)
        if reply.status == 304:
            return ManifestAnswer(UNCHANGED, **more)
        kind, reason = self._read_failure(reply.status, tag)
        return ManifestAnswer(kind, reason=self._redact(reason), **more)

    def _read_failure(self, status: int, tag: ImageTag) -> tuple[str, str]:
        """What an answer without a digest means, and the words for it."""
        registry, account = title_of(tag.domain), self.login.username if self.login else ""
        if status == 429:
            return LIMITED, f"{registry} limits how often it may be asked."
        if status == 404:
            return MISSING, f"{registry} has no {tag.repository}:{tag.tag}."
        if status in {401, 403}:
            who = f"the account {account}" if account else "requests without an account"
            return REFUSED, f"{registry} does not show {tag.repository} to {who}: it is private, or is not there."
        if status >= 500:
            return UNREACHABLE, f"{registry} answers {status}."
        return INVALID, f"{registry} answers {status} without a digest, as no registry does."


def _basic(login: RegistryLogin) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _is_header_text(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= _MAX_TEXT


def _read_challenge(text: str) -> dict[str, str]:
    """What `WWW-Authenticate` says, if it is one of the two ways that are known."""
    scheme, _blank, rest = text.strip().partition(" ")
    if scheme.lower() == "basic":
        return {"scheme": "basic"}
    found = dict(_PARAMETER.findall(rest[:4096])) if scheme.lower() == "bearer" else {}
    if not found.get("realm") or not all(map(_is_header_text, found.values())):
        return {}
    return {"scheme": "bearer", "realm": found["realm"], "service": found.get("service", "")}


def _read_token(body: bytes) -> tuple[str, float]:
    """A token and how long it may be used; empty for what is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "", 0
    found = found if isinstance(found, dict) else {}
    token, seconds = found.get("token") or found.get("access_token"), found.get("expires_in")
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        return "", 0
    lasts = seconds if isinstance(seconds, int) and 0 < seconds < _LONGEST_TOKEN else _TOKEN_SECONDS
    return token, lasts * 0.9
