"""An address that is asked for is one, so that a service which asks for one has one container at most."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import GLOBAL_LABEL, is_global
from apps.containers.managed_network import field_of_address, requested_address
from apps.core.errors import Invalid
from apps.stacks.models import Service

_COUNTED = ("scale", "scale_policy", "schedule")  # the columns that say how many containers a service has
_WIRE_NAMES = {"scale_policy": "scalePolicy"}


def check_one_address(row: Service, config: LaunchConfig, at: str = "") -> None:
    """Raise `Invalid` where a configuration of the service asks for an address, and several containers would have it.

    `at` is what fields are called in the request.
    """
    address = requested_address(config)
    if not address:
        return
    most = 1 if row.schedule else int(row.scale_policy["max"]) if row.scale_policy else row.scale
    if is_global(row.config):
        why = f"with the label {GLOBAL_LABEL} it has one on each host: drop the label"
    elif most > 1:
        why = f"it may have {most}: have it at most one"
    else:
        return
    message = f"{row.name} asks for {address}, the address of one container, and {why}, or ask for no address."
    raise Invalid(at + field_of_address(config), "InvalidOption", message)


def check_scaled(row: Service, columns: Mapping[str, Any]) -> None:
    """Raise `Invalid` at what changes if the service would have more containers than its address allows."""
    changed = [name for name in _COUNTED if columns.get(name, getattr(row, name)) != getattr(row, name)]
    if not changed:
        return  # clients send along what is so already
    scaled = with_counts(row, columns)
    try:
        for config in (row.config, *(each.config for each in row.sidekicks)):
            check_one_address(scaled, config)
    except Invalid as problem:
        raise Invalid(_WIRE_NAMES.get(changed[0], changed[0]), problem.code, problem.message) from None


def with_counts(row: Service, columns: Mapping[str, Any]) -> Service:
    """A copy of the service, not to be saved, with the number of containers that the columns say."""
    found = copy(row)
    for name in _COUNTED:
        if name in columns:
            setattr(found, name, columns[name])
    return found
