"""The few functions that lower apps call and higher apps provide; filled once at start by the apps' configurations."""

from __future__ import annotations

from apps.core.ports.asker import Asker
from apps.core.ports.calls import (
    account_changed,
    ask,
    create,
    identified,
    is_member,
    ports,
    record,
    revoking,
    sessions_close,
    wake,
)

__all__ = [
    "Asker",
    "account_changed",
    "ask",
    "create",
    "identified",
    "is_member",
    "ports",
    "record",
    "revoking",
    "sessions_close",
    "wake",
]
