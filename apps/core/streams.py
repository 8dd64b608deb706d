"""Long responses sent while they are produced, under WSGI and ASGI alike."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

_LINES_PER_CHUNK = 200


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
