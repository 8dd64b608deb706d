"""Long responses sent while they are produced, under WSGI and ASGI alike."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.core.errors import Invalid, Problem

_LINES_PER_CHUNK = 200
ARRIVING_FILE = "corral.file"
"""The key of a request's scope under which the front door leaves the file that is its body."""
_PIECE = 256 * 1024


def streaming_download(request: HttpRequest, name: str, kind: str, lines: Iterable[str]) -> StreamingHttpResponse:
    """A download of the media type `kind`, sent a few hundred lines at a time."""
    content = _chunks(lines) if isinstance(request, ASGIRequest) else lines
    answer = StreamingHttpResponse(content, content_type=f"{kind}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


async def _chunks(lines: Iterable[str]) -> AsyncIterator[str]:
    """The same for an asynchronous server: the database is read in the request's own thread."""
    remaining = iter(lines)
    read_chunk = sync_to_async(lambda: "".join(itertools.islice(remaining, _LINES_PER_CHUNK)))
    while chunk := await read_chunk():
        yield chunk


class FileBrokenOff(Problem):
    """The file that a request sends did not arrive whole."""

    def __init__(self) -> None:
        super().__init__("The file did not arrive whole: the connection broke, or stood still.", status=400)


def arriving_pieces(request: HttpRequest, max_bytes: int) -> Iterator[bytes]:
    """The file that is the request's body, piece by piece while it arrives.

    Raises `Invalid` for more than `max_bytes`, `FileBrokenOff`, and before the first piece a 415 for a form.
    """
    if (request.content_type or "").startswith(("multipart/", "application/x-www-form-urlencoded")):
        raise Problem(
            "Send the file itself as the body, as application/x-tar, and no form.",
            status=415,
            code="Unsupported Media Type",
        )
    return _limited(_arriving(request), max_bytes)


def _arriving(request: HttpRequest) -> Iterator[bytes]:
    scope: dict[str, Any] = getattr(request, "scope", {})
    file = scope.get(ARRIVING_FILE)
    read = file.read_piece if file is not None else lambda: request.read(_PIECE)
    while piece := read():
        yield piece


def _limited(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise Invalid("file", "MaxLimitExceeded", f"The file is larger than {max_bytes // 1024**2} MB.")
        yield piece


class FileDownload:
    """A file that is sent while it arrives from somewhere: `size` in bytes, None when it is not known before."""

    name: str
    kind: str
    size: int | None

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError

    def close(self) -> None:
        """Give up what it takes; may be called more than once, and is called in any case."""


def file_response(request: HttpRequest, download: FileDownload) -> StreamingHttpResponse:
    """The file as a download: browsers store it, whatever is in it, and show nothing of it as a page."""
    content = _pieces(download) if isinstance(request, ASGIRequest) else iter(download)
    answer = StreamingHttpResponse(content, content_type=download.kind)
    answer._resource_closers.append(download.close)  # type: ignore[attr-defined]  # noqa: SLF001 - Django has no other way
    disposition = content_disposition_header(as_attachment=True, filename=download.name)
    answer["Content-Disposition"] = disposition or "attachment"
    answer["Cache-Control"] = "no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    if download.size is not None:
        answer["Content-Length"] = str(download.size)
    return answer


async def _pieces(download: FileDownload) -> AsyncIterator[bytes]:
    """The same for an asynchronous server: each piece is read in a thread."""
    remaining = iter(download)
    read_piece = sync_to_async(lambda: next(remaining, b""))
    while piece := await read_piece():
        yield piece
