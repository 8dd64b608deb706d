"""HTTP as engines and agents speak it: heads of requests and responses, and bodies in chunks; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

HEAD_LIMIT = 64 * 1024
_MAX_SIZE_LINE = 1024
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_COMPRESSED = re.compile(rb"\r\ncontent-encoding:\s*(?!identity)[^\s]", re.IGNORECASE)
_STATUS_LINE = re.compile(rb"HTTP/\S*\s+(\d+)(?:\s|$)")


def encode_request(
    method: str, path: str, headers: Mapping[str, str] | None = None, *, body: bytes = b"", version: str = "1.0"
) -> bytes:
    """A request.

    HTTP/1.0 unless something else is needed: the response's body then comes as it is, without chunks, and ends with
    the connection. An engine that follows a log would send every line of it as a chunk.
    """
    fields = {"Host": "engine", "User-Agent": "corral", **(headers or {})}
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class ReceivedHead:
    """A response's status and how its body is framed."""

    status: int | None  # None: what answers does not speak HTTP
    status_text: str  # as it came, with the first word of its phrase
    is_chunked: bool
    is_compressed: bool


def split_head(received: bytes) -> tuple[ReceivedHead, bytes] | None:
    """The head and what has come of the body; None while the head is incomplete."""
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None
    line = head.partition(b"\r\n")[0]
    found = _STATUS_LINE.match(line)
    words = b" ".join(line.split()[1:3]).decode("latin1")
    status = int(found[1]) if found else None
    return ReceivedHead(status, words, bool(_CHUNKED.search(head)), bool(_COMPRESSED.search(head))), rest


class ChunkedDecoder:
    """Takes a chunked body in the pieces in which it arrives, and gives what was sent."""

    def __init__(self) -> None:
        self.ended = False
        self._pending = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The body's bytes among these; nothing after the last chunk. Raises `ValueError` for what is not a chunk."""
        self._pending += data
        body = b""
        while not self.ended and self._pending:
            if self._left:
                piece = self._pending[: self._left]
                self._pending, self._left = self._pending[len(piece) :], self._left - len(piece)
                body += piece
            elif not self._begin():
                break
        return body

    def _begin(self) -> bool:
        """Read the next chunk's size; whether its line was complete."""
        line, end, rest = self._pending.removeprefix(b"\r\n").partition(b"\r\n")
        if not end or not line:
            if len(self._pending) > _MAX_SIZE_LINE:
                raise ValueError("a chunk without a size")
            return False
        self._pending, self._left = rest, _parse_size(line.partition(b";")[0].strip())
        self.ended = not self._left
        return True


def _parse_size(word: bytes) -> int:
    if not _SIZE.fullmatch(word):
        raise ValueError("a chunk without a size")
    return int(word, 16)
