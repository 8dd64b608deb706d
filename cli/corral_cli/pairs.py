"""Options that are NAME=VALUE."""

from __future__ import annotations

from collections.abc import Iterable

from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import printable


def read_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """The values of an option that may be repeated, by name. Raises `CliError` for one that is no NAME=VALUE."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not (name and mark):
            raise CliError(f"{option} is NAME=VALUE, not {printable(text)}.", ExitCode.USAGE)
        pairs[name] = value
    return pairs
