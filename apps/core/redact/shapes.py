"""Secrets that show themselves by their shape: `--password=x`, `https://user:x@host`, private keys."""

from __future__ import annotations

import re

_SHAPES = (
    (re.compile(r"(?P<keep>://[^/\s:@]{0,255}:)[^/\s@]{1,1024}(?=@)"), "{keep}{blank}"),
    (
        re.compile(
            r"(?P<keep>(?:password|passwd|pwd|secret|token|api[_-]?key)[ ]?[=:][ ]?)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)",
            re.IGNORECASE,
        ),
        "{keep}{blank}",
    ),
    (re.compile(r"(?P<keep>\b(?:Basic|Bearer) )[A-Za-z0-9+/=._~-]{12,}"), "{keep}{blank}"),
    (re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*(?:-----END [A-Z ]*-----)?"), "{keep}{blank}"),
)


def without_shapes(text: str, blank: str) -> str:
    """`text` with whatever looks like a secret replaced by `blank`."""
    for shape, form in _SHAPES:
        text = shape.sub(lambda found, form=form: form.format(keep=found["keep"], blank=blank), text)  # type: ignore[misc]
    return text
