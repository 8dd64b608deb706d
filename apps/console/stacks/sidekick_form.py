"""The part of the service form that has the sidekicks: rows of fields, read into configurations and shown of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.console.containers.launch_form import image_text, parse_key_values, without_values
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import START_ONCE_LABEL, is_start_once
from apps.containers.launch.values import image_uuid
from apps.core.errors import Invalid, Problem
from apps.stacks.models import Service
from apps.stacks.sidekicks import PRIMARY, SIDEKICKS_LABEL, Sidekick, with_references

FIELD = "sidekicks"
# Every row has each of these fields once, so that they are told apart by their order. `Was` is the sidekick that the
# row was filled in from: what the form does not show of it is kept.
PARTS = ("Name", "Was", "Image", "Command", "Env", "Ports", "Volumes", "Network", "VolumesFrom", "Runs")
ONCE = "once"
# Of the service's own container; `SERVICE` is how the rows call it, which was its name when the form was shown.
NETWORK, VOLUMES_FROM, SERVICE = "unitNetwork", "unitVolumesFrom", "unitService"
_REFUSED_FIELDS = {"secondaryLaunchConfigs", "LaunchConfigName", "CircularReference", FIELD}

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class SidekickForm:
    """The sidekicks that a form was filled in from, and the `primary` container beside them, under the form's names."""

    service: str = ""
    primary: LaunchConfig | None = None
    base: tuple[Sidekick, ...] = ()
    can_see_values: bool = True

    @classmethod
    def of(cls, row: Service, *, can_see_values: bool) -> Self:
        """That of a service which is to be changed."""
        return cls._renamed(row, row.name, {each.name: each.name for each in row.sidekicks}, can_see_values)

    @classmethod
    def of_copy(cls, row: Service, name: str, *, can_see_values: bool) -> Self:
        """That of a copy: names are there once in a stack, so its sidekicks, and what refers to them, have new ones."""
        found = cls._renamed(row, name, {each.name: f"{each.name[:58]}-copy" for each in row.sidekicks}, can_see_values)
        primary = found.primary or row.config
        labels = {label: text for label, text in primary.labels.items() if label != SIDEKICKS_LABEL}
        if not can_see_values:
            found = replace(found, base=tuple(replace(each, config=without_values(each.config)) for each in found.base))
        return replace(found, primary=replace(primary, labels=labels))

    @classmethod
    def _renamed(cls, row: Service, name: str, names: Mapping[str, str], can_see_values: bool) -> Self:  # noqa: FBT001
        known = {PRIMARY: name, **names}
        base = (
            replace(each, name=names[each.name], config=with_references(each.config, known)) for each in row.sidekicks
        )
        return cls(name, with_references(row.config, known), tuple(base), can_see_values)

    def values(self) -> dict[str, Any]:
        """What the form shows."""
        rows = [_to_row(each, can_see_values=self.can_see_values) for each in self.base]
        found: dict[str, Any] = {"sidekickRows": rows, SERVICE: self.service}
        if self.primary is not None:
            found[NETWORK] = self.primary.network_launch_config or ""
            found[VOLUMES_FROM] = " ".join(self.primary.data_volumes_from_launch_configs)
        return found

    def parse(self, form: QueryDict) -> tuple[Sidekick, ...]:
        """The sidekicks as typed; a row that was filled in changes only what was changed in it. Raises `Invalid`."""
        if VOLUMES_FROM not in form:  # sent by something that knows no sidekicks: none of them is to go
            return self.base
        known = {each.name: each for each in self.base}
        rows = [{part: text.strip() for part, text in row.items()} for row in _rows_of(form)]
        rows = [row for row in rows if row["Name"] or row["Image"]]
        found = [Sidekick(row["Name"], self._config(row, known.get(row["Was"]))) for row in rows]
        service, was = form.get("name", "").strip(), form.get(SERVICE, "").strip()
        if not was or was == service or was in {each.name for each in found}:
            return tuple(found)
        return tuple(replace(each, config=with_references(each.config, {was: service})) for each in found)

    def _config(self, row: Row, before: Sidekick | None) -> LaunchConfig:
        sent, at = _to_wire(row), f"secondaryLaunchConfigs.{row['Name'][:63]}."
        if before is None:
            return LaunchConfig.from_wire(sent, at=at)
        seen = _to_wire(_to_row(before, can_see_values=self.can_see_values))
        changed = {name: value for name, value in sent.items() if seen[name] != value}
        if "labels" in changed:
            others = {name: text for name, text in before.config.labels.items() if name != START_ONCE_LABEL}
            changed["labels"] = {**others, **sent["labels"]}
        return LaunchConfig.from_wire({**before.config.to_wire(), **changed}, at=at)


def _to_row(each: Sidekick, *, can_see_values: bool) -> Row:
    config = each.config
    return {
        "Name": each.name,
        "Was": each.name,
        "Image": image_text(config),
        "Command": shlex.join(config.command),
        "Env": "\n".join(f"{key}={text}" for key, text in config.environment.items()) if can_see_values else "",
        "Ports": " ".join(map(str, config.ports)),
        "Volumes": " ".join(map(str, config.data_volumes)),
        "Network": config.network_launch_config or "",
        "VolumesFrom": " ".join(config.data_volumes_from_launch_configs),
        "Runs": ONCE if is_start_once(config) else "",
    }


def _rows_of(form: QueryDict) -> list[Row]:
    lists = [form.getlist(f"sidekick{part}") for part in PARTS]
    return [dict(zip(PARTS, values, strict=True)) for values in zip(*lists, strict=False)]


def submitted_sidekicks(form: QueryDict) -> dict[str, Any]:
    """What was typed, to be shown again beside its error."""
    return {"sidekickRows": _rows_of(form), SERVICE: form.get("name", "").strip()}


def sidekick_errors(problem: Problem) -> dict[str, str]:
    """A refusal of something in the rows, for the place that they share."""
    return {FIELD: problem.message} if str(problem.field or "").partition(".")[0] in _REFUSED_FIELDS else {}


def with_unit_fields(config: LaunchConfig, form: QueryDict) -> LaunchConfig:
    """The primary's configuration with the members whose network and volumes it takes."""
    if VOLUMES_FROM not in form:
        return config
    network = form.get(NETWORK, "").strip() or None
    mode = "container" if network else "managed" if config.network_launch_config else config.network_mode
    volumes = tuple(_words(form.get(VOLUMES_FROM, "")))
    return replace(config, network_launch_config=network, network_mode=mode, data_volumes_from_launch_configs=volumes)


def _to_wire(row: Mapping[str, str]) -> dict[str, Any]:
    """The row as v1 says it, not yet checked: all fields that the form has, so that two can be compared."""
    name = {"name": row["Name"][:63]}
    if not row["Image"]:
        raise Invalid(FIELD, "MissingRequired", _("Name an image for the sidekick %(name)s.") % name)
    try:
        command = shlex.split(row["Command"])
    except ValueError:
        why = _("%(name)s: a quotation mark in the command is not closed.") % name
        raise Invalid(FIELD, "InvalidFormat", why) from None
    return {
        "imageUuid": image_uuid(row["Image"]),
        "command": command,
        "environment": parse_key_values(FIELD, row["Env"]),
        "ports": _words(row["Ports"]),
        "dataVolumes": _words(row["Volumes"]),
        "networkLaunchConfig": row["Network"] or None,
        "networkMode": "container" if row["Network"] else "managed",
        "dataVolumesFromLaunchConfigs": _words(row["VolumesFrom"]),
        "labels": {START_ONCE_LABEL: "true"} if row["Runs"] == ONCE else {},
    }


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()
