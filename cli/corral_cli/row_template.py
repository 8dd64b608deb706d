"""Results in the words of a template: `{{.name}}` stands for a field, everything else for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import printable

_PLACE = re.compile(r"\{\{\s*(?P<path>\.[A-Za-z0-9_]+(?:\.[A-Za-z0-9_-]+)*|\.)\s*\}\}|(?P<other>\{\{|\}\})")
_ESCAPES = {"\\n": "\n", "\\t": "\t"}


class RowTemplate:
    """A template of fields and nothing else. Raises `CliError` for what is none."""

    def __init__(self, text: str) -> None:
        for written, meant in _ESCAPES.items():
            text = text.replace(written, meant)
        other = next((each for each in _PLACE.finditer(text) if each["other"]), None)
        if other:
            raise CliError(
                f"--format: {text[other.start() : other.start() + 30]!r} is no field: write {{{{.name}}}}.",
                ExitCode.USAGE,
            )
        self._text = text

    def render(self, data: Any) -> str:
        """The text with the fields of `data`. Raises `CliError` for a field that it does not have."""
        return _PLACE.sub(lambda place: _shown(_find(data, place["path"])), self._text)


def is_template(text: str) -> bool:
    """Whether the form of results is a template rather than a word."""
    return "{{" in text


def _find(data: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if isinstance(data, Mapping) and name in data:
            data = data[name]
        elif isinstance(data, Sequence) and not isinstance(data, str) and name.isdecimal() and int(name) < len(data):
            data = data[int(name)]
        else:
            known = ", ".join(map(printable, data)) if isinstance(data, Mapping) else "nothing"
            raise CliError(f"--format: there is no field {path}: there is {known}.", ExitCode.USAGE)
    return data


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return printable(value)
