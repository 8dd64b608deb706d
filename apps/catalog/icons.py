"""Icons as they are served: pictures only, by what their bytes are, and nothing in them runs."""

from __future__ import annotations

import re

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (
        re.compile(
            rb"\A(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*+>\s*+)?(?:<!--(?>.*?-->)\s*+|<!DOCTYPE[^>\[]*+>\s*+)*+<svg[\s>]",
            re.DOTALL,
        ),
        "image/svg+xml",
    ),
)
# An SVG that is opened by itself is a page of the portal's own address: it may load and run nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=300",
}


def picture_type(content: bytes) -> str:
    """The content type of a picture by its first bytes; empty for anything else."""
    head = content[:4096]
    return next((name for pattern, name in _MAGIC if pattern.match(head)), "")
