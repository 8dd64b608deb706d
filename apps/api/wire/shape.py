"""Rows as v1 resources and collections (v1 contract, sections 1.4 and 1.5)."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.fields import Field
from apps.api.wire.kinds import Link, Resource, Seen, named, root_letters
from apps.control.models import OPEN, Operation
from apps.core.ids import wire_id
from apps.core.models import Managed
from apps.environments.access import environment_of
from apps.environments.models import Environment


def resources(resource: Resource, caller: Caller, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows as the caller sees them, in a number of queries that does not grow with them."""
    caller.actor.learn(place for row in rows if isinstance(row, Managed) and (place := environment_of(row)))
    extras = resource.extras(caller, rows)
    progress = _progress(resource, caller, rows)
    shown = [f for f in resource.fields if not f.admin or caller.role == "admin"]
    found = []
    for row in rows:
        whole = resource.whole(caller, row)
        if whole is not None:
            found.append(whole)
            continue
        key = resource.key_of(row)
        seen = Seen(row, caller, extras.get(key))
        fields = dict(_values(resource, shown, seen, progress.get(key)))
        found.append({**_head(resource, caller, row), **fields})
    return found


def one(resource: Resource, caller: Caller, row: Any) -> dict[str, Any]:
    """One row as the caller sees it."""
    return resources(resource, caller, [row])[0]


def url_of(resource: Resource, caller: Caller, row: Any) -> str:
    """The URL of a row."""
    return caller.url(resource.plural_name.lower(), wire_id(resource.letters, resource.key_of(row)))


def _head(resource: Resource, caller: Caller, row: Any) -> dict[str, Any]:
    """Id, type, links and actions, in v1's order."""
    url = url_of(resource, caller, row)
    links = {"self": url, **{name: f"{url}/{name.lower()}" for name in _links(resource, caller, row)}}
    allowed = [name for name in resource.actions_for(caller) if _offered(resource, caller, row, name)]
    return {
        "id": wire_id(resource.letters, resource.key_of(row)),
        "type": resource.name,
        "links": links,
        "actions": {name: f"{url}/?action={name}" for name in allowed},
        "baseType": resource.root or resource.name,
    }


def _offered(resource: Resource, caller: Caller, row: Any, name: str) -> bool:
    return resource.on_offer(row, name) and bool(resource.verdict(caller, row, name))


def _links(resource: Resource, caller: Caller, row: Any) -> Iterable[str]:
    for name, link in resource.links.items():
        if link.is_made:
            if not link.permission or Seen(row, caller).may(link.permission):
                yield name
        elif _leads(caller, row, link):
            yield name


def _leads(caller: Caller, row: Any, link: Link) -> bool:
    if isinstance(row, Environment) and caller.environment is None:
        held = caller.actor.permissions(row.pk)
        caller = dataclasses.replace(caller, held=held or None)  # its links lead inside
    target = named(link.target)
    there = not link.attribute or getattr(row, link.attribute) is not None
    return there and target is not None and target.may(caller, "r")


def _progress(resource: Resource, caller: Caller, rows: Sequence[Any]) -> dict[int | str, int | None]:
    """How far the rows in transition are."""
    busy = [row.pk for row in rows if row.transitioning == "yes"] if resource.cycle else []
    if not busy:
        return {}
    open_ones = Operation.objects.within(caller.environments()).filter(
        kind=resource.model.KIND, target__in=busy, state__in=OPEN
    )
    return dict(open_ones.values_list("target", "progress"))


def _values(resource: Resource, fields: Iterable[Field], seen: Seen, progress: int | None) -> Iterable[tuple[str, Any]]:
    for field in fields:
        value = _value(resource, field, seen, progress)
        yield field.name, value
        if field.type == "date" and isinstance(value, datetime.datetime):
            yield f"{field.name}TS", int(value.timestamp() * 1000)


def _value(resource: Resource, field: Field, seen: Seen, progress: int | None) -> Any:
    if field.name in resource.computed:
        return resource.computed[field.name](seen)
    if field.source:
        return _plain(field, functools.reduce(_attribute, field.source.split("__"), seen.row))
    if field.name == "kind":
        return resource.kind_of(seen.row)
    if field.name.startswith("transitioning"):
        return _transition(field.name, seen.row, progress)
    return None if field.nullable else field.default


def _attribute(row: Any, name: str) -> Any:
    return None if row is None else getattr(row, name)


def _transition(name: str, row: Any, progress: int | None) -> Any:
    word = row.transitioning
    if name == "transitioning":
        return word
    if word == "no":
        return None
    return progress if name == "transitioningProgress" else row.message or ("In Progress" if word == "yes" else None)


def _plain(field: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    if field.type.startswith("reference["):
        return wire_id(root_letters(field.inner), value)
    return str(value) if isinstance(value, uuid.UUID) else value


def collection(
    resource: Resource,
    caller: Caller,
    data: Sequence[Mapping[str, Any]],
    url: str,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A v1 collection; `more` replaces what paging, sorting and filters say."""
    create = {resource.name: caller.url(resource.plural_name.lower())} if resource.may(caller, "c") else {}
    return {
        "type": "collection",
        "resourceType": resource.name,
        "links": {"self": url},
        "createTypes": create,
        "actions": {},
        "data": list(data),
        "sortLinks": {},
        "pagination": None,
        "sort": None,
        "filters": {},
        "createDefaults": {},
        **(more or {}),
    }
