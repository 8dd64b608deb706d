"""Heads of HTTP messages, parsed strictly: what two parsers could read differently is refused; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_LIMIT = 65536
_REQUEST = re.compile(rb"([A-Z]{1,16}) (/[\x21\x22\x24-\x7e]*) HTTP/1\.([01])")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n\0]*)?")
# Blanks around a value are stripped afterwards: a pattern would walk them three times over.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")
_LENGTH = re.compile(rb"\d{1,18}")
_SINGLE_FIELDS = (b"content-length", b"transfer-encoding", b"host", b"connection", b"upgrade", b"expect")

Headers = tuple[tuple[bytes, bytes], ...]


class BadMessage(Exception):
    """The peer's bytes are not a message that is accepted here; `str()` says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class MessageHead:
    """First line and header fields; `length` is the body's length in bytes, None where none is given."""

    headers: Headers
    length: int | None
    chunked: bool

    def first(self, name: bytes) -> bytes:
        """A field's value, lower-cased, or b"" without it."""
        return next((value.lower() for key, value in self.headers if key.lower() == name), b"")


@dataclass(frozen=True, slots=True)
class RequestHead(MessageHead):
    """A request: `target` is the path with its query; `is_http10` for HTTP/1.0."""

    method: str
    target: str
    is_http10: bool

    @property
    def upgrade(self) -> bool:
        """Whether it asks to take the connection over."""
        return b"upgrade" in [word.strip() for word in self.first(b"connection").split(b",")]


@dataclass(frozen=True, slots=True)
class ResponseHead(MessageHead):
    """An answer."""

    status: int


def parse_request(data: bytes) -> RequestHead:
    """A request's head, without its blank line. Raises `BadMessage`."""
    line, headers = _split(data)
    found = _REQUEST.fullmatch(line)
    if found is None:
        raise BadMessage("the request line is not HTTP/1.0 or 1.1 with an absolute path")
    length, chunked = _framing(headers)
    is_http10 = found[3] == b"0"
    if chunked and is_http10:
        raise BadMessage("HTTP/1.0 has no chunked encoding")
    return RequestHead(headers, length, chunked, found[1].decode(), found[2].decode(), is_http10)


def parse_response(data: bytes) -> ResponseHead:
    """An answer's head, without its blank line. Raises `BadMessage`."""
    line, headers = _split(data)
    found = _STATUS.fullmatch(line)
    if found is None:
        raise BadMessage("the engine's answer is not HTTP/1", 502)
    length, chunked = _framing(headers)
    return ResponseHead(headers, length, chunked, int(found[1]))


def _split(data: bytes) -> tuple[bytes, Headers]:
    first, *rest = data.split(b"\r\n")
    fields = []
    for line in rest:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise BadMessage("a header field is malformed")
        fields.append((found[1], found[2].strip(b" \t")))
    for name in _SINGLE_FIELDS:
        if sum(key.lower() == name for key, _ in fields) > 1:
            raise BadMessage(f"the header {name.decode()} appears twice")
    return first, tuple(fields)


def _framing(headers: Headers) -> tuple[int | None, bool]:
    """Length and whether it is chunked; both together, or either in another spelling, is how requests are smuggled."""
    fields = {key.lower(): value for key, value in headers}
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None and (length is not None or coding.lower() != b"chunked"):
        raise BadMessage("Transfer-Encoding must be chunked, and without a Content-Length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise BadMessage("Content-Length is not a number")
    return (None if length is None else int(length)), coding is not None
