"""Which names of fields and variables say that a secret follows."""

from __future__ import annotations

import re

_SECRET = frozenset(
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
_ENDS = (
    "password", "passwd", "passphrase", "secret", "secretvalue", "secretkey", "token", "apikey", "privatekey",
    "credentials", "oldsecret", "newsecret", "recoverycodes", "authorization",
)  # fmt: skip
_VALUES = frozenset({"environment", "env", "variables"})
_TELLING = re.compile(r"pass|pwd|secret|token|key|credential|auth|dsn", re.IGNORECASE)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret as a whole."""
    plain = _plain(name)
    return plain in _SECRET or plain.endswith(_ENDS)


def holds_values(name: str) -> bool:
    """Whether a field of this name holds environment variables."""
    return name.lower() in _VALUES


def is_telling(variable: str) -> bool:
    """Whether the name of an environment variable says that its value is a secret, wherever else it stands."""
    return _TELLING.search(variable) is not None
