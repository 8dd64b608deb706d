"""What a service has beside its launch configuration, in forms: a kept address, selectors and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml
from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.console.components.edit_form import Edit
from apps.core.errors import Problem
from apps.stacks.compose.yaml_loader import load_yaml, without_lines
from apps.stacks.models import Service
from apps.stacks.service_options import ServiceOptions

DETAILS = "details"  # a form with these controls says so: in another, what is missing was not taken away
RETAIN_IP = "retainIp"
SELECTORS = ("selector_link", "selector_container")
FIELDS = (*SELECTORS, "metadata", "address_settings")
_CONTROLS = {"selectorLink": "selector_link", "selectorContainer": "selector_container", "metadata": "metadata"}


def details_of(row: Service) -> dict[str, Any]:
    """What there is, by the names of the columns."""
    return {name: getattr(row, name) for name in FIELDS}


def details_form(details: Mapping[str, Any]) -> dict[str, Any]:
    """What the controls show of such details: metadata as YAML, as in a rancher-compose file."""
    metadata = details["metadata"]
    text = yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False) if metadata else ""
    kept = bool(details["address_settings"].get(RETAIN_IP))
    return {**{name: details[name] for name in SELECTORS}, "metadata": text, "retain_ip": kept}


def edited_details(edit: Edit, details: Mapping[str, Any]) -> dict[str, Any]:
    """What the controls of a form of changes show: what was typed, and of the rest what there is now."""
    sent, shown = edit.ctx.request.POST, details_form(details)
    shown |= {name: sent.get(name, "") for name in (*SELECTORS, "metadata") if edit.is_typed(name)}
    return shown | ({"retain_ip": sent.get("retain_ip")} if edit.is_typed("address_settings") else {})


def parse_details(sent: QueryDict, current: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The details as submitted, by the names of the columns. Raises `Invalid` for metadata that is no map of YAML."""
    settings = dict((current or {}).get("address_settings", {}))
    if sent.get("retain_ip"):
        settings[RETAIN_IP] = True
    elif settings.get(RETAIN_IP):
        settings[RETAIN_IP] = False
    found = load_yaml(sent.get("metadata", ""), "metadata", typed=True, what=_("write a map: name: value"))
    return {
        **{name: sent.get(name, "").strip() for name in SELECTORS},
        "metadata": without_lines(found),
        "address_settings": settings,
    }


def take_options(changes: dict[str, Any], current: ServiceOptions) -> ServiceOptions | None:
    """Take what the options of a service hold out of the changes, and return it; None if that is nothing."""
    names = [name for name in (*SELECTORS, "address_settings") if name in changes]
    return replace(current, **{name: changes.pop(name) for name in names}) if names else None


def details_errors(problem: Problem) -> dict[str, str]:
    """What is wrong with a detail, at its control."""
    name = _CONTROLS.get(str(problem.field or "").partition(".")[0])
    return {name: problem.message} if name else {}
