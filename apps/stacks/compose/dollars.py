"""Variables in a text: `$NAME`, `${NAME}`, with `:-`, `-`, `:?`, `?`, `:+` and `+`, and `$$` for a dollar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def pieces(text: str) -> Iterator[tuple[Literal["text", "name", "braces", "bare"], str]]:
    """The text cut up: `text`, the `name` of a variable, what stands in `braces`, a `bare` dollar (always the last)."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield "text", text[at:dollar]
        plain = NAME.match(text, dollar + 1)
        if text.startswith("$$", dollar):
            yield "text", "$"
            at = dollar + 2
        elif plain:
            yield "name", plain[0]
            at = plain.end()
        elif (end := _closing(text, dollar)) is not None:
            yield "braces", text[dollar + 2 : end]
            at = end + 1
        else:
            yield "bare", text[dollar:]
            return
    yield "text", text[at:]


def _closing(text: str, dollar: int) -> int | None:
    """Where the brace that opens after the dollar closes."""
    if not text.startswith("${", dollar):
        return None
    depth = 0
    for at in range(dollar + 1, len(text)):
        depth += text.startswith("${", at - 1) - (text[at] == "}")
        if depth == 0:
            return at
    return None
