"""Undoing deletions and smaller scales (not in Rancher's v1): the parameter `undoSeconds` and the action `undo`."""

from __future__ import annotations

from apps.api.wire.context import ApiCaller
from apps.api.wire.resource import Action, Data
from apps.core.errors import Invalid
from apps.stacks.models import Service, Stack
from apps.stacks.undo import change_undo


def undo_seconds(caller: ApiCaller) -> int:
    """For how long the change at hand can be undone; v1's clients do not ask for it, and theirs is at once."""
    text = caller.query.get("undoSeconds", "0")
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 9):
        raise Invalid("undoSeconds", "InvalidFormat", "undoSeconds is a whole number of seconds.")
    return int(text)


def _undo(caller: ApiCaller, row: Stack | Service, _data: Data) -> None:
    change_undo(row, actor=caller.actor)


UNDO = Action(_undo)
