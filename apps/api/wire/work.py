"""What the view has types do: make, change, remove, act, follow links; and how that is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.http import QueryDict

from apps.api.wire import entry, query, shape
from apps.api.wire.bodies import Form
from apps.api.wire.caller import Caller
from apps.api.wire.kinds import Link, Resource, named
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid, NotAllowed, NotFound
from apps.environments.access import environment_of

Answer = dict[str, Any]


def _read(resource: Resource, caller: Caller, body: Any, letter: str) -> dict[str, Any]:
    admin = caller.role == "admin"
    return entry.read(resource.fields, body, letter, admin=admin, form=isinstance(body, Form))


def again(resource: Resource, caller: Caller, row: Any) -> Any:
    """The row as it is now, or as it was when it is out of the caller's sight."""
    caller.look_again()
    return resource.find(caller, resource.key_of(row)) or row


def create(resource: Resource, caller: Caller, body: Any, url: str) -> Answer:
    """Make what the body describes: all of it or nothing."""
    if not resource.may(caller, "c"):
        raise entry.refuse_method("POST")
    made = resource.create(caller, _read(resource, caller, body, "c"))
    once: Answer = {}
    if isinstance(made, tuple):
        made, once = made
    if isinstance(made, list):
        data = shape.resources(resource, caller, [again(resource, caller, row) for row in made])
        return shape.collection(resource, caller, data, url)
    shown = named(made.KIND) if getattr(made, "KIND", None) and resource.model is None else resource
    shown = shown or resource
    return {**shape.one(shown, caller, again(shown, caller, made)), **once}


def update(resource: Resource, caller: Caller, row: Any, body: Any) -> Answer:
    """Change what the body names."""
    resource.update(caller, row, _read(resource, caller, body, "u"))
    return shape.one(resource, caller, again(resource, caller, row))


def remove(resource: Resource, caller: Caller, row: Any) -> Answer:
    """Remove; 405 while its state forbids it, 403 when only the caller's role does."""
    if resource.cycle:
        answer = resource.verdict(caller, row, "remove")
        if not answer:
            possible = row.LIFECYCLE.allows("remove", row.shown)
            raise Forbidden(answer.reason) if possible else NotAllowed(answer.reason)
    resource.act(caller, row, "remove")
    return shape.one(resource, caller, again(resource, caller, row))


def no_such_action(name: str) -> Invalid:
    """The refusal of an action that the caller's role does not know."""
    return Invalid("action", "InvalidAction", f"There is no action {name[:64]!r} here.")


def act(resource: Resource, caller: Caller, row: Any, name: str, body: Any) -> tuple[Answer, int]:
    """Do one action; the answer and its status: 202 with the row, or 200 with something else."""
    if name not in resource.actions_for(caller):
        raise no_such_action(name)
    verb = resource.verbs.get(name)
    if name == "update" and verb is None:
        return update(resource, caller, row, body), 202
    answer = resource.verdict(caller, row, name)
    if not (answer and resource.on_offer(row, name)):
        reason = answer.reason or f"Not possible while it is {row.shown}."
        raise ActionNotAvailable(f"{name}: {reason}", field="action")
    if verb is None:
        resource.act(caller, row, name)
        return shape.one(resource, caller, again(resource, caller, row)), 202
    taken = named(verb.input) if verb.input else None
    data = _read_input(taken, body)
    said = verb.call(caller, row, data)
    if said is not None:
        return said, 200
    return shape.one(resource, caller, again(resource, caller, row)), 202


def _read_input(taken: Resource | None, body: Any) -> dict[str, Any]:
    return entry.read(taken.fields, body, "c", form=isinstance(body, Form)) if taken else {}


def _link(resource: Resource, name: str) -> tuple[str, Link]:
    for key, link in resource.links.items():
        if key.lower() == name.lower():
            return key, link
    raise NotFound("Not Found")


def follow(resource: Resource, caller: Caller, row: Any, name: str, url: str, asked: QueryDict) -> Answer:
    """What a link leads to: one row, a collection, or an answer made on the spot."""
    _name, link = _link(resource, name)
    if link.is_made:
        if link.permission and link.permission not in caller.actor.permissions(environment_of(row) or 0):
            raise NotFound("Not Found")
        return link.asks(caller, row, asked) if link.asks else link.call(caller, row) if link.call else {}
    target = _target(caller, link)
    if link.attribute:
        found = target.find(caller, getattr(row, link.attribute))
        if found is None:
            raise NotFound("Not Found")
        return shape.one(target, caller, found)
    page = query.page(target, target.rows(caller).filter(**{link.column: row.pk}), asked)
    data = shape.resources(target, caller, page.rows)
    return shape.collection(target, caller, data, url, query.links(target, asked, url, page))


def _target(caller: Caller, link: Link) -> Resource:
    target = named(link.target)
    if target is None or not target.may(caller, "r"):
        raise NotFound("Not Found")
    return target


def include(resource: Resource, caller: Caller, rows: Sequence[Any], data: Sequence[Answer], names: list[str]) -> None:
    """Put what links lead to in the links' place, one query a link."""
    for word in names:
        try:
            name, link = _link(resource, word)
            target = _target(caller, link)
        except NotFound:
            continue
        keys = [getattr(row, link.attribute or "pk") for row in rows]
        found = query.grouped(target.rows(caller), keys, link.column or "pk")
        flat = [each for group in found.values() for each in group]
        shown = dict(zip(map(id, flat), shape.resources(target, caller, flat), strict=True))
        for key, each in zip(keys, data, strict=True):
            embedded = [shown[id(row)] for row in found.get(key, [])]
            each["links"].pop(name, None)
            each[name] = embedded if link.column else (embedded[0] if embedded else None)


def together(make: Any) -> Any:
    """Run `make` so that either everything it does is kept or nothing."""
    with transaction.atomic():
        return make()
