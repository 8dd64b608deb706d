"""Which fields and environment variables hold secrets, judged by their names, and the values found in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SECRET_NAMES = frozenset(
    {
        "code",
        "codes",
        "csrfmiddlewaretoken",
        "dockercompose",  # the files may hold the values of environment variables
        "dockercomposeconfig",
        "jwt",
        "key",
        "ranchercompose",
        "ranchercomposeconfig",
        "tlskey",
        "certkey",
    }
)
_SECRET_SUFFIXES = (
    "password", "passwd", "passphrase", "secret", "secretvalue", "secretkey", "token", "apikey", "privatekey",
    "credentials", "oldsecret", "newsecret", "recoverycodes", "authorization",
)  # fmt: skip
# Besides variables: what a build, a volume's or a log's driver is given, which may be a password just as well.
_VALUE_FIELDS = frozenset({"environment", "env", "variables", "buildargs", "driveropts"})
_LOG_FIELDS = frozenset({"logconfig", "logging"})
_SECRET_VARIABLE = re.compile(r"pass|pwd|secret|token|key|credential|auth|dsn", re.IGNORECASE)


def _normalize(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_secret_field(name: str) -> bool:
    """Whether a field of this name holds a secret as a whole."""
    plain = _normalize(name)
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_SUFFIXES)


def holds_environment_variables(name: str) -> bool:
    """Whether a field of this name holds environment variables, or options that are hidden like them."""
    plain = _normalize(name)
    return plain in _VALUE_FIELDS or plain.endswith("environment")


def holds_log_options(name: str) -> bool:
    """Whether a field of this name is a container's log configuration: a driver and its options."""
    return _normalize(name) in _LOG_FIELDS


def is_secret_variable(variable: str) -> bool:
    """Whether the name of an environment variable says that its value is a secret, also where it is repeated."""
    return _SECRET_VARIABLE.search(variable) is not None


def find_secrets(value: Any) -> Iterator[str]:
    """The texts in secret fields, and environment values whose names say that they are secrets."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if is_secret_field(str(name)):
                yield from _iter_texts(each)
            elif holds_log_options(str(name)) and isinstance(each, Mapping):
                options = (pair for part in each.values() for pair in _environment_pairs(part))
                yield from (text for key, text in options if is_secret_variable(key))
            elif holds_environment_variables(str(name)):
                yield from (text for key, text in _environment_pairs(each) if is_secret_variable(key))
            else:
                yield from find_secrets(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from find_secrets(each)


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _iter_texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _iter_texts(each)


def _environment_pairs(value: Any) -> Iterator[tuple[str, str]]:
    """Environment variables, however they are written."""
    if isinstance(value, Mapping):
        yield from ((str(key), str(each)) for key, each in value.items())
        return
    lines = value.splitlines() if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    yield from (str(line).partition("=")[::2] for line in lines)
