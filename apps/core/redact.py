"""Blanking secrets by field name and by value before anything is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BLANK = "********"
_SECRET_FIELDS = frozenset(
    {
        "password",
        "secretvalue",
        "secret",
        "secret_value",
        "token",
        "jwt",
        "key",
        "cert_key",
        "clientsecret",
        "serviceaccountpassword",
        "oldsecret",
        "newsecret",
        "code",
        "csrfmiddlewaretoken",
        "tlskey",
        "dockercompose",  # the files may hold the values of environment variables
        "ranchercompose",
    }
)
_VALUE_MAPS = frozenset({"environment", "env"})


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of JSON-like `value` without secret fields, environment values, and any text found in `secrets`."""
    return _redact(value, tuple(s for s in secrets if s))


def _redact(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _field(str(k), v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(v, secrets) for v in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, BLANK)
    return value


def _field(name: str, value: Any, secrets: tuple[str, ...]) -> Any:
    if name.lower() in _SECRET_FIELDS and value:
        return BLANK
    if name.lower() in _VALUE_MAPS:
        return _values(value, secrets)
    return _redact(value, secrets)


def _values(value: Any, secrets: tuple[str, ...]) -> Any:
    """Environment variables, as a map or as `NAME=value` lines: their names only."""
    if isinstance(value, Mapping):
        return dict.fromkeys(map(str, value), BLANK)
    if isinstance(value, list | tuple):
        return [f"{line.partition('=')[0]}={BLANK}" if "=" in str(line) else line for line in map(str, value)]
    return _redact(value, secrets)
