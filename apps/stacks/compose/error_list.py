"""Gathers what is wrong with a file, so that one reading of it tells everything that can be told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.core.errors import Invalid
from apps.core.plurals import counted

MAX_SHOWN = 20


class ErrorList:
    """The refusals so far."""

    def __init__(self) -> None:
        self._found: list[Invalid] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep the refusal of what is done inside, and go on after it."""
        try:
            yield
        except Invalid as problem:
            self._found.append(problem)

    def raise_all(self) -> None:
        """Raise the first refusal, if there is one; its detail names the others, one per line."""
        if not self._found:
            return
        first = self._found[0]
        told = [text for each in self._found for text in (each.message, *(each.detail or "").splitlines())]
        others = list(dict.fromkeys(told))[1:]
        if len(others) > MAX_SHOWN:
            others[MAX_SHOWN:] = [f"and {counted(len(others) - MAX_SHOWN, 'more error')}"]
        raise Invalid(str(first.field), first.code, first.message, "\n".join(others) or None)
