"""What the view delegates to a type: create, update, remove, act and follow links, and the response bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.http import QueryDict

from apps.api.wire import query
from apps.api.wire.context import ApiCaller
from apps.api.wire.input import FormBody, method_not_allowed, validate_body
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import Link, Resource, counterpart, find_resource
from apps.api.wire.serialize import serialize_collection, serialize_row, serialize_rows
from apps.core.errors import (
    ActionNotAvailable,
    Forbidden,
    Invalid,
    Locked,
    MethodNotAllowed,
    NotFound,
)
from apps.core.models import Managed
from apps.core.streams import FileDownload
from apps.environments.access import environment_of, state_refusal

ResponseBody = dict[str, Any]


def _validate_body(resource: Resource, caller: ApiCaller, body: Any, letter: str) -> dict[str, Any]:
    admin = caller.role == "admin"
    return validate_body(resource.fields, body, letter, admin=admin, form=isinstance(body, FormBody))


def reload_row(resource: Resource, caller: ApiCaller, row: Any) -> Any:
    """The row read again, or as it was if the caller can no longer see it."""
    caller.forget_environments()
    return resource.find(caller, resource.key_of(row)) or row


def _reload_scheduled(resource: Resource, caller: ApiCaller, row: Any, generation: int = 0) -> Any:
    """The row read again as the change left it that this request made: after scheduling, before the loop finishes it.

    A worker may be faster than the answer, and clients wait for what they see change. `generation` is the row's before
    the request; one that it did not move is shown as it is.
    """
    found = reload_row(resource, caller, row)
    if not isinstance(row, Managed) or not isinstance(found, type(row)):
        return found
    changed = row if row.generation > generation else found
    if changed.generation > generation and changed.transition_state:
        found.display_state, found.fault, found.message = changed.transition_state, False, ""
    return found


def _generation(row: Any) -> int:
    return row.generation if isinstance(row, Managed) else 0


def create(resource: Resource, caller: ApiCaller, body: Any, url: str) -> ResponseBody:
    """Create what the body describes."""
    # The inputs of actions can be "created" in the schema, as v1 has it, and nowhere else.
    if type(resource).create is Resource.create:
        raise method_not_allowed("POST")
    if not resource.may(caller, "c"):
        raise method_not_allowed("POST", resource.roles.missing_right(caller.role_or_permissions, "c"))
    created = resource.create(caller, _validate_body(resource, caller, body, "c"))
    shown_once: ResponseBody = {}
    if isinstance(created, tuple):
        created, shown_once = created
    if isinstance(created, list):
        data = serialize_rows(resource, caller, [_reload_scheduled(resource, caller, row) for row in created])
        return serialize_collection(resource, caller, data, url)
    # A type without a table may create a row of another one: an engineEndpoint answers with the host it became.
    kind = getattr(created, "KIND", None) if resource.model is None else None
    shown = (counterpart(wire_type(kind), caller.dialect) if kind else None) or resource
    return {**serialize_row(shown, caller, _reload_scheduled(shown, caller, created)), **shown_once}


def update(resource: Resource, caller: ApiCaller, row: Any, body: Any) -> ResponseBody:
    """Change the fields in the body."""
    if type(resource).update is Resource.update:
        raise method_not_allowed("PUT")
    own = resource.of_row(row)
    # What the row's own type has counts, and what the type in the URL has is not dropped in silence either.
    data = {} if own is resource else _validate_body(resource, caller, body, "u")
    before = _generation(row)
    own.update(caller, row, data | _validate_body(own, caller, body, "u"))
    return serialize_row(own, caller, _reload_scheduled(own, caller, row, before))


def remove(resource: Resource, caller: ApiCaller, row: Any) -> ResponseBody:
    """Remove; 405 while the row's state forbids it, 403 if only the caller's role does."""
    if type(resource).act is Resource.act:
        raise method_not_allowed("DELETE")
    if resource.lifecycle_actions:
        verdict = resource.verdict(caller, row, "remove")
        if not verdict:
            if verdict.is_locked:
                raise Locked(verdict.reason, field="action")
            possible = row.LIFECYCLE.allows("remove", row.display_state)
            if possible and verdict.is_forbidden:
                raise Forbidden(verdict.reason)
            raise MethodNotAllowed(verdict.reason)
    before = _generation(row)
    resource.act(caller, row, "remove")
    return serialize_row(resource, caller, _reload_scheduled(resource, caller, row, before))


def unknown_action(name: str) -> Invalid:
    """The refusal of an action that does not exist for the caller's role."""
    return Invalid("action", "InvalidAction", f"There is no action {name[:64]!r} here.")


def perform_action(resource: Resource, caller: ApiCaller, row: Any, name: str, body: Any) -> tuple[ResponseBody, int]:
    """Perform one action; returns the body and its status: 202 with the row, or 200 with the action's own output."""
    requested, resource = resource, resource.of_row(row)
    if name not in resource.actions_for(caller):
        raise unknown_action(name)
    custom_action = resource.custom_actions.get(name)
    if name == "update" and custom_action is None:
        return update(requested, caller, row, body), 202
    # Checked here again: the list of actions that the client acted on may be out of date.
    verdict = resource.verdict(caller, row, name)
    if verdict.is_locked:
        raise Locked(verdict.reason, field="action")
    if not (verdict and resource.is_offered(row, name)):
        reason = verdict.reason or state_refusal(row, name, frozenset())
        raise ActionNotAvailable(f"{name}: {reason}", field="action")
    before = _generation(row)
    if custom_action is None:
        resource.act(caller, row, name)
        return serialize_row(resource, caller, _reload_scheduled(resource, caller, row, before)), 202
    if custom_action.takes_file:
        data = {"file": body}
    else:
        input_type = find_resource(custom_action.input) if custom_action.input else None
        data = _validate_action_input(input_type, body)
    result = custom_action.call(caller, row, data)
    if result is not None:
        return result, 200
    return serialize_row(resource, caller, _reload_scheduled(resource, caller, row, before)), 202


def _validate_action_input(input_type: Resource | None, body: Any) -> dict[str, Any]:
    return validate_body(input_type.fields, body, "c", form=isinstance(body, FormBody)) if input_type else {}


def _find_link(links: Mapping[str, Link], name: str) -> tuple[str, Link]:
    for key, link in links.items():
        if key.lower() == name.lower():
            return key, link
    raise NotFound("Not Found")


def follow_link(
    resource: Resource, caller: ApiCaller, row: Any, name: str, url: str, query_params: QueryDict
) -> ResponseBody | FileDownload:
    """The target of a link: one row, a collection, a computed body, or a file."""
    _name, link = _find_link(resource.of_row(row).links, name)
    if link.is_computed:
        if link.permission and link.permission not in caller.actor.permissions(environment_of(row) or 0):
            raise NotFound("Not Found")
        return (
            link.call_with_query(caller, row, query_params)
            if link.call_with_query
            else link.call(caller, row)
            if link.call
            else {}
        )
    target = _link_target(caller, link)
    if link.attribute:
        found = target.find(caller, getattr(row, link.attribute))
        if found is None:
            raise NotFound("Not Found")
        return serialize_row(target, caller, found)
    page = query.paginate(target, query.with_key(target.rows(caller), row.pk, link.columns), query_params)
    data = serialize_rows(target, caller, page.rows)
    return serialize_collection(target, caller, data, url, query.collection_metadata(target, query_params, url, page))


def _link_target(caller: ApiCaller, link: Link) -> Resource:
    target = counterpart(link.target, caller.dialect)
    if target is None or not target.may(caller, "r"):
        raise NotFound("Not Found")
    return target


def include_links(
    resource: Resource, caller: ApiCaller, rows: Sequence[Any], data: Sequence[ResponseBody], names: list[str]
) -> None:
    """Replace links by the resources they lead to, with one query per link."""
    for word in names:
        try:
            name, link = _find_link(resource.includeable_links, word)
            target = _link_target(caller, link)
        except NotFound:
            continue
        keys = [getattr(row, link.attribute or "pk") for row in rows]
        found = query.group_by_columns(target.rows(caller), keys, link.columns)
        targets = [each for group in found.values() for each in group]
        # Keyed by object: one row can be the target of several, as separate objects.
        shown = dict(zip(map(id, targets), serialize_rows(target, caller, targets), strict=True))
        for key, each in zip(keys, data, strict=True):
            embedded = [shown[id(row)] for row in found.get(key, [])]
            each["links"].pop(name, None)
            each[name] = embedded if link.column else (embedded[0] if embedded else None)


def in_one_transaction(make: Any) -> Any:
    """Run `make` in one transaction."""
    with transaction.atomic():
        return make()
