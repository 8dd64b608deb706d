"""Fields, links and actions of a v2-beta type, made from those of the v1 type that it is derived from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import Field
from apps.api.wire.resource import Action, Link

# What a link computes may name types of v1 that this dialect has not; these name none.
_COMPUTED_LINKS = frozenset({"stats", "hostStats", "containerStats", "ports", "mounts", "volumes", "ipAddresses"})

_NOT_IN_DIALECT = frozenset({"lock"})
_NO_ACTIONS = frozenset({"lock", "unlock", "undo"})


def later_fields(
    fields: Iterable[Field], more: Iterable[Field] = (), *, without: Collection[str] = (), **renamed: str
) -> tuple[Field, ...]:
    """The fields under their later names (`environmentId="stackId"`) and with later types, and `more` of them."""
    hidden = {*without, *_NOT_IN_DIALECT}
    found = (
        replace(each, name=renamed.get(each.name, each.name), type=V2_BETA.translate(each.type))
        for each in fields
        if each.name not in hidden
    )
    return (*found, *more)


def later_links(links: Mapping[str, Link], **renamed: str) -> dict[str, Link]:
    """The links to rows under their later names, and of those that are computed the ones that v2-beta has."""
    return {
        renamed.get(name, name): link for name, link in links.items() if not link.is_computed or name in _COMPUTED_LINKS
    }


def later_actions(actions: Mapping[str, Action]) -> dict[str, Action]:
    """The actions but those of Corral's own; what takes a type that v2-beta has not is left out by itself."""
    return {name: action for name, action in actions.items() if name not in _NO_ACTIONS}
