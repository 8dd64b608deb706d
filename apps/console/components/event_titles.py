"""Operations and audit events in words: `stack.create` is "Create stack" as an operation, "Created stack" in a log."""

from __future__ import annotations

import re

_NOUNS = {"apiKey": "API key", "totp": "second factor", "deviceLogin": "log-in of a program"}
_PAST = {
    "create": "created",
    "update": "updated",
    "remove": "deleted",
    "register": "registered",
    "activate": "activated",
    "deactivate": "deactivated",
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "runnow": "ran",
    "run": "ran",
    "evacuate": "evacuated",
    "rotate": "rotated",
    "pull": "pulled",
    "copy": "copied",
    "cancel": "cancelled",
    "restore": "restored",
    "giveback": "gave back",
    "purge": "deleted for good",
    "lock": "locked",
    "unlock": "unlocked",
    "retry": "retried",
    "scale": "scaled",
    "reset": "reset",
    "test": "tested",
    "upgrade": "upgraded",
    "finishupgrade": "finished upgrade of",
    "cancelupgrade": "cancelled upgrade of",
    "rollback": "rolled back",
    "cancelrollback": "cancelled rollback of",
    "expiring": "expiring",
    "expired": "expired",
    "allow": "allowed",
    "deny": "refused",
    "exchange": "gave a key by",
    "reject": "refused a token by",
    "call": "called",
    "wrongcalls": "refused wrong calls of",
    "renewsecret": "renewed secret of",
}
_IMPERATIVE = {
    "deny": "refuse",
    "exchange": "give a key by",
    "reject": "refuse a token by",
    "remove": "delete",
    "purge": "delete for good",
    "runnow": "run",
    "giveback": "give back",
    "finishupgrade": "finish upgrade of",
    "cancelupgrade": "cancel upgrade of",
    "rollback": "roll back",
    "cancelrollback": "cancel rollback of",
    "wrongcalls": "refuse wrong calls of",
    "renewsecret": "renew secret of",
}


def _noun(kind: str) -> str:
    """The kind in words: `hostPolicy` is a host policy."""
    return _NOUNS.get(kind) or re.sub(r"([A-Z])", lambda letter: f" {letter[1].lower()}", kind)


def _title(name: str, verb: str) -> str:
    kind, _dot, _action = name.partition(".")
    return f"{verb.capitalize()} {_noun(kind)}"


def operation_title(name: str) -> str:
    """What an operation does; a name that is not known stays as it is."""
    action = name.partition(".")[2]
    return _title(name, _IMPERATIVE.get(action, action)) if action in _PAST else name


def event_title(name: str) -> str:
    """What an audit entry says was done; an event that is not known stays as it is."""
    action = name.partition(".")[2]
    return _title(name, _PAST[action]) if action in _PAST else name
