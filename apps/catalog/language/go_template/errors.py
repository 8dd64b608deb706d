"""What is wrong with a template, and where."""

from __future__ import annotations


class TemplateError(Exception):
    """A template that cannot be read or rendered: `line` and `column` count from 1, `reason` is a sentence's rest."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class FunctionError(Exception):
    """A function that does not take these arguments; the interpreter adds the place."""


def error_at(source: str, offset: int, reason: str) -> TemplateError:
    """Make an error for a character of the source."""
    line_start = source.rfind("\n", 0, offset) + 1
    return TemplateError(source.count("\n", 0, offset) + 1, offset - line_start + 1, reason)
