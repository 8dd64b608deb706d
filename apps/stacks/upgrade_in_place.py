"""Changing columns of a service that replace no container, such as its scale, while an upgrade of it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.control.models import Operation
from apps.control.services import request_change
from apps.environments.actor import Actor
from apps.stacks.lifecycle import REPLACEABLE
from apps.stacks.models import Service
from apps.stacks.upgrade import CANCELED, UPGRADING


def is_unfinished(row: Service) -> bool:
    """Whether another upgrade would replace one that is not finished."""
    return row.upgrade_phase in {UPGRADING, CANCELED} and row.display_state in REPLACEABLE.split()


def in_place_action(row: Service) -> str:
    """The action by which columns of the service change that replace no container, such as its scale."""
    return "upgrade" if is_unfinished(row) and row.upgrade_target_id is None else "update"


def write_in_place(
    row: Service, columns: Mapping[str, Any], *, actor: Actor, resumes: bool = False, parent: Operation | None = None
) -> None:
    """Change columns of the service while an upgrade of it goes on; with `resumes` also one that was canceled."""
    resumed = {"upgrade": {**row.upgrade, "phase": UPGRADING}} if resumes else {}
    changes = {**columns, **resumed}
    request_change(row, in_place_action(row), actor=actor, changes=changes, request=dict(columns), parent=parent)
