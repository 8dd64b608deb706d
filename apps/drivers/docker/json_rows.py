"""A JSON list whose rows are parsed as they arrive, so that a long list is never held as a whole; pure."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, format_size
from apps.core.texts import strip_unstorable
from apps.drivers.docker.safe_json import has_unstorable_escape

_SPACE = " \t\r\n"


def parse_rows(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a list; null counts as an empty one. Raises `ValueError` for anything else, `OverBudget`."""
    reader = _RowReader(pieces)
    if reader.starts_with_null():
        return
    reader.expect("[")
    for number, row in enumerate(reader.rows()):
        if number >= read_budgets.MAX_ROWS:
            raise OverBudget(f"sent a list of more than {read_budgets.MAX_ROWS:,} rows.")
        yield row


class _RowReader:
    """The text that has arrived, and the place up to which it was parsed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._parser = JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False

    def starts_with_null(self) -> bool:
        """Whether there is no list at all; older engines answer null where newer ones answer an empty list."""
        while len(self._text.lstrip(_SPACE)) < len("null") and self._more():
            pass
        return self._text.strip(_SPACE) == "null"

    def rows(self) -> Iterator[dict[str, Any]]:
        """The objects up to the closing bracket."""
        if self._next() == "]":
            return
        while True:
            yield self._row()
            mark = self._next()
            self._at += 1
            if mark == "]":
                return
            if mark != ",":
                raise ValueError("it is not a list of objects")

    def expect(self, mark: str) -> None:
        """Go beyond this character."""
        if self._next() != mark:
            raise ValueError("it is not a list of objects")
        self._at += 1

    def _row(self) -> dict[str, Any]:
        if self._next() != "{":
            raise ValueError("it is not a list of objects")
        # After a failure the row is tried again when twice as much of it is there: each byte is read twice at most.
        while True:
            try:
                found, end = self._parser.raw_decode(self._text, self._at)
            except JSONDecodeError:
                self._grow()
                continue
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            source, self._at = self._text[self._at : end], end
            return strip_unstorable(found) if has_unstorable_escape(source) else found  # type: ignore[no-any-return]

    def _grow(self) -> None:
        """Read until twice as much of the row is there. Raises for a row that is too long, or broken off."""
        size = len(self._text) - self._at
        if size > read_budgets.MAX_ROW_BYTES:
            raise OverBudget(f"sent a row of more than {format_size(read_budgets.MAX_ROW_BYTES)} in a list.")
        while len(self._text) - self._at < 2 * size:
            if not self._more():
                if len(self._text) - self._at == size:
                    raise ValueError("the list is broken off")
                return

    def _next(self) -> str:
        """The next character that is no space, which stays; raises at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                raise ValueError("the list is broken off")

    def _more(self) -> bool:
        """Take the next piece; whether there was one."""
        if self._ended:
            return False
        piece = next(self._pieces, b"")
        self._ended = not piece
        self._text, self._at = self._text[self._at :] + self._decode(piece, final=self._ended), 0
        return not self._ended
