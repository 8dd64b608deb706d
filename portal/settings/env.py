"""Readers of environment variables that fail loudly on a bad value."""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def env(name: str, default: str = "") -> str:
    """The variable `name` without surrounding blanks; `default` where it is not set, or blank."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool) -> bool:
    """A yes/no variable; raises `ImproperlyConfigured` on any other word."""
    word = os.environ.get(name)
    if word is None:
        return default
    if word.strip().lower() in _TRUE:
        return True
    if word.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={word!r}: use 1 or 0.")


def env_port(name: str) -> int:
    """A port, 0 where none is named; raises `ImproperlyConfigured` on anything else."""
    word = env(name, "0")
    if not word.isdecimal() or int(word) > 65535:
        raise ImproperlyConfigured(f"{name}={word!r}: use a port number.")
    return int(word)


def env_rate(name: str, default: str) -> str | None:
    """So many a second, minute, hour or day (`600/min`), None for `off`; raises `ImproperlyConfigured` otherwise."""
    word = env(name, default).lower()
    if word == "off":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(s|sec|m|min|h|hour|d|day)", word):
        raise ImproperlyConfigured(f"{name}={word!r}: use a rate such as 600/min, or off.")
    return word


def env_list(name: str) -> list[str]:
    """A comma-separated variable as a list without empty parts."""
    return [part.strip() for part in env(name).split(",") if part.strip()]


def env_path(name: str, default: Path) -> Path:
    """A folder or file path, made absolute."""
    return Path(env(name) or default).expanduser().resolve()
