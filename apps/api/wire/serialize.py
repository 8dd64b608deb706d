"""Rows as v1 resources and collections (v1 contract, sections 1.4 and 1.5)."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import Field
from apps.api.wire.resource import (
    Link,
    Resource,
    RowContext,
    counterpart,
    id_prefix_of,
)
from apps.control.models import PENDING_STATES, Operation
from apps.core.ids import wire_id
from apps.core.models import Managed
from apps.environments.access import environment_of
from apps.environments.models import Environment


def serialize_rows(resource: Resource, caller: ApiCaller, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows as the caller sees them, in a constant number of queries."""
    caller.actor.prefetch_permissions(
        place for row in rows if isinstance(row, Managed) and (place := environment_of(row))
    )
    load_extras = resource.load_extras(caller, rows)
    progress = _progress_by_row(resource, caller, rows)
    found = []
    for row in rows:
        shown_as = resource.of_row(row)
        custom_body = shown_as.custom_body(caller, row)
        if custom_body is not None:
            found.append(custom_body)
            continue
        key = resource.key_of(row)
        context = RowContext(row, caller, load_extras.get(key))
        shown = (f for f in shown_as.fields if not f.admin or caller.role == "admin")
        fields = dict(_values(shown_as, shown, context, progress.get(key)))
        found.append({**_header(shown_as, caller, row), **fields})
    return found


def serialize_row(resource: Resource, caller: ApiCaller, row: Any) -> dict[str, Any]:
    """One row as the caller sees it."""
    return serialize_rows(resource, caller, [row])[0]


def row_url(resource: Resource, caller: ApiCaller, row: Any) -> str:
    """The URL of a row."""
    return caller.url(resource.plural_name.lower(), wire_id(resource.id_prefix, resource.key_of(row)))


def _header(resource: Resource, caller: ApiCaller, row: Any) -> dict[str, Any]:
    """Id, type, links and actions, in v1's order."""
    url = row_url(resource, caller, row)
    links = {"self": url, **{name: f"{url}/{name.lower()}" for name in _visible_links(resource, caller, row)}}
    allowed = [name for name in resource.actions_for(caller) if _is_action_available(resource, caller, row, name)]
    return {
        "id": wire_id(resource.id_prefix, resource.key_of(row)),
        "type": resource.shown_type or resource.name,
        "links": links,
        "actions": {name: f"{url}/?action={name}" for name in allowed},
        "baseType": resource.base_type or resource.name,
    }


def _is_action_available(resource: Resource, caller: ApiCaller, row: Any, name: str) -> bool:
    return resource.is_offered(row, name) and bool(resource.verdict(caller, row, name))


def _visible_links(resource: Resource, caller: ApiCaller, row: Any) -> Iterable[str]:
    for name, link in resource.links.items():
        if link.is_computed:
            if not link.permission or RowContext(row, caller).may(link.permission):
                yield name
        elif _is_link_visible(caller, row, link):
            yield name


def _is_link_visible(caller: ApiCaller, row: Any, link: Link) -> bool:
    # Links of an environment lead into it: there its permissions count, not the site role.
    if isinstance(row, Environment) and caller.environment is None:
        permissions = caller.actor.permissions(row.pk)
        caller = dataclasses.replace(caller, permissions=permissions or None)
    target = counterpart(link.target, caller.dialect)
    is_set = not link.attribute or getattr(row, link.attribute) is not None
    return is_set and target is not None and target.may(caller, "r")


def _progress_by_row(resource: Resource, caller: ApiCaller, rows: Sequence[Any]) -> dict[int | str, int | None]:
    """The progress of rows in transition."""
    in_transition = [row.pk for row in rows if row.transitioning == "yes"] if resource.lifecycle_actions else []
    if not in_transition:
        return {}
    open_operations = Operation.objects.within(caller.environments()).filter(
        kind=resource.model.KIND, target__in=in_transition, state__in=PENDING_STATES
    )
    return dict(open_operations.values_list("target", "progress"))


def _values(
    resource: Resource, fields: Iterable[Field], context: RowContext, progress: int | None
) -> Iterable[tuple[str, Any]]:
    for field in fields:
        value = _value(resource, field, context, progress)
        yield field.name, value
        if field.type == "date" and isinstance(value, datetime.datetime):
            # v1 repeats every date in milliseconds.
            yield f"{field.name}TS", int(value.timestamp() * 1000)


def _value(resource: Resource, field: Field, context: RowContext, progress: int | None) -> Any:
    if field.name in resource.computed:
        return resource.computed[field.name](context)
    if field.source:
        return _to_wire_value(field, functools.reduce(_getattr_or_none, field.source.split("__"), context.row))
    if field.name == "kind":
        return resource.kind_of(context.row)
    if field.name.startswith("transitioning"):
        return _transition_value(resource, field.name, context.row, progress)
    return None if field.nullable else field.default


def _getattr_or_none(row: Any, name: str) -> Any:
    return None if row is None else getattr(row, name)


def _transition_value(resource: Resource, name: str, row: Any, progress: int | None) -> Any:
    word = row.transitioning
    if name == "transitioning":
        return word
    if word == "no":
        return (row.message or None) if name == "transitioningMessage" and resource.shows_reason_at_rest else None
    return progress if name == "transitioningProgress" else row.message or ("In Progress" if word == "yes" else None)


def _to_wire_value(field: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    if field.type.startswith("reference["):
        return wire_id(id_prefix_of(field.inner), value)
    return str(value) if isinstance(value, uuid.UUID) else value


def serialize_collection(
    resource: Resource,
    caller: ApiCaller,
    data: Sequence[Mapping[str, Any]],
    url: str,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A v1 collection; `more` overrides the paging, sorting and filter members."""
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
