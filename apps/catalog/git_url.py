"""Addresses of git repositories and names of branches, as people type them: what is accepted, and why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from apps.core.errors import Invalid

MAX_URL = 1024
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}):(?P<path>[^/-].*)"
)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9a-fA-F:.]{2,45}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")
_PORTS = {"https": 443, "ssh": 22}


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A repository's address: `text` is what git is given; `host` and `port` are empty and 0 for a local folder."""

    text: str
    scheme: str
    host: str
    port: int
    user: str = ""


def parse_git_url(field: str, text: str, *, allow_local: bool = False) -> GitUrl:
    """Read an address: https, ssh, or `user@host:path`. Raises `Invalid` at `field`.

    `allow_local` takes `file://` too, for tests; credentials in an address are refused, as addresses are shown.
    """
    text = _check_text(field, text.strip())
    if "://" not in text:
        return _parse_scp(field, text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad(field, "its host or port is not valid") from None
    if parts.scheme == "file" and allow_local:
        return GitUrl(text, "file", "", 0)
    host = _check_parts(field, parts)
    user = _check_user(field, parts.scheme, parts.username, parts.password)
    return GitUrl(text, parts.scheme, host, port or _PORTS[parts.scheme], user)


def _check_text(field: str, text: str) -> str:
    if not text:
        example = "https://host/catalog.git"
        raise Invalid(field, "MissingRequired", f"Enter the address of a git repository, such as {example}.")
    if len(text) > MAX_URL:
        raise Invalid(field, "MaxLengthExceeded", f"An address has at most {MAX_URL} characters.")
    if text.startswith("-") or re.search(r"[\s\x00-\x1f\x7f\\]", text):
        raise _bad(field, "it starts with a dash, or contains spaces, backslashes or control characters")
    return text


def _check_parts(field: str, parts: SplitResult) -> str:
    """The host of an address."""
    if parts.scheme not in _PORTS:
        raise _bad(field, f"the scheme {parts.scheme[:20]!r} is not supported")
    if parts.query or parts.fragment or parts.path in {"", "/"}:
        raise _bad(field, "it has no path to a repository, or a query behind it")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise _bad(field, "it names no host")
    return host


def _parse_scp(field: str, text: str) -> GitUrl:
    found = _SCP.fullmatch(text)
    if found is None or not _HOST.fullmatch(found["host"]):
        raise _bad(field, "it is not an address of git")
    return GitUrl(text, "ssh", found["host"], 22, found["user"])


def _check_user(field: str, scheme: str, user: str | None, password: str | None) -> str:
    if password is not None or (scheme == "https" and user):
        remedy = "Enter user and password (or token) in the fields for them, where they are stored encrypted."
        raise Invalid(field, "InvalidFormat", f"An address must not contain credentials. {remedy}")
    if user is not None and not _USER.fullmatch(user):
        raise _bad(field, "its user name is not valid")
    return user or ""


def _bad(field: str, why: str) -> Invalid:
    remedy = "Use https://host/path, ssh://user@host/path or user@host:path."
    return Invalid(field, "InvalidFormat", f"This address cannot be used: {why}. {remedy}")


def parse_branch(field: str, text: str) -> str:
    """Check the name of a branch; empty means the repository's default branch. Raises `Invalid`."""
    text = text.strip()
    bad = ".." in text or "//" in text or text.endswith((".", "/", ".lock")) or "/." in text
    if text and (bad or not _BRANCH.fullmatch(text)):
        remedy = "use letters, digits, dots, dashes and slashes, as in main or release/2.0"
        raise Invalid(field, "InvalidFormat", f"{text[:60]!r} is not the name of a branch: {remedy}.")
    return text
