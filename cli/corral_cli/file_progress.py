"""How far a file is, said once a second at most: in a pipe each time is a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from corral_cli.sizes import size_text
from corral_cli.terminal import UserTerminal

_PIECE = 256 * 1024
_EVERY = 1.0


class FileProgress:
    """Counts the bytes of one file; `total` is 0 where it is not known."""

    def __init__(self, terminal: UserTerminal, word: str, total: int = 0) -> None:
        self.size = 0
        self._terminal, self._word, self._total = terminal, word, total
        self._said_at = terminal.now()

    def count(self, size: int) -> None:
        """So many more bytes have passed."""
        self.size += size
        if self._terminal.now() - self._said_at < _EVERY:
            return
        self._said_at = self._terminal.now()
        if self._total:
            text = f"{size_text(self.size)} of {size_text(self._total)} {self._word}"
            self._terminal.progress_bar(100 * self.size / self._total, text)
        else:
            self._terminal.progress(f"{size_text(self.size)} {self._word}")

    def pieces_of(self, file: IO[bytes]) -> Iterator[bytes]:
        """The pieces of an open file, counted when they have been taken."""
        while piece := file.read(_PIECE):
            yield piece
            self.count(len(piece))
