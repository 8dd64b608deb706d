"""The base class of v1 types, in which each declares itself, and the register of all of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase

from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import DIALECTS, V1, Dialect
from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.roles import TypeRoles, available_actions
from apps.core.hooks import hooks
from apps.core.models import Managed
from apps.core.streams import FileDownload
from apps.environments.access import (
    Verdict,
    can,
    environment_of,
    state_refusal,
    verdict,
)

Data = dict[str, Any]

COMMON_FIELDS = parse_fields("""
    name                  string              cu  <name 0..255
    description           string              cu  <description 0..1024
    accountId             reference[account]  r   <environment_id
    created               date                r   <created
    kind                  string              r
    removed               date                r   <removed
    removeTime            date                r   ^
    state                 enum                r   <display_state ~
    transitioning         enum                r   :yes|no|error ~
    transitioningMessage  string              r
    transitioningProgress int                 r
    uuid                  string              r   <uuid
    data                  map[json]           r   ^
""")


@dataclass(frozen=True, slots=True)
class RowContext:
    """A row as one caller sees it; `extra` is what the type's `load_extras` returned for it."""

    row: Any
    caller: ApiCaller
    extra: Any = None

    def may(self, permission: str) -> bool:
        """Whether the caller holds `permission` where the row is."""
        return bool(can(self.caller.actor, permission, environment_of(self.row)))


# The computed fields of types without a life cycle: their rows are always active and never in transition.
ALWAYS_ACTIVE: Mapping[str, Callable[[RowContext], Any]] = {
    "state": lambda _context: "active",
    "transitioning": lambda _context: "no",
    "transitioningMessage": lambda _context: None,
    "transitioningProgress": lambda _context: None,
}


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a type. States and permission of one that is in the model's life cycle come from there.

    `call` gets caller, row and validated input; it returns None (the response is the row) or the body of the response.
    `is_change`: it is refused while the row is locked, as the actions of life cycles are. `takes_file`: the body is a
    file; `call` gets as `data["file"]` a function of the largest size that returns its pieces while they arrive.
    """

    call: Callable[[ApiCaller, Any, Data], Data | None]
    input: str = ""
    output: str = ""
    permission: str = "operate"
    states: frozenset[str] = frozenset()
    is_change: bool = False
    takes_file: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A link to other rows: those of `target` whose `column`, or `also`, is this row, the one in this row's
    `attribute`, or, with `call`, a computed body (`permission` says for whom; empty: for everybody who sees the row),
    or with `is_file` a download.
    """

    target: str = ""
    column: str = ""
    also: str = ""
    attribute: str = ""
    call: Callable[[ApiCaller, Any], Data] | None = None
    permission: str = "view"
    call_with_query: Callable[[ApiCaller, Any, QueryDict], Data | FileDownload] | None = None
    is_file: bool = False

    @property
    def is_computed(self) -> bool:
        """Whether it leads to a computed body instead of rows."""
        return self.call is not None or self.call_with_query is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the target that may be this row."""
        return (self.column, self.also) if self.also else (self.column or "pk",)


class Resource:
    """One v1 type, declared by a subclass; what takes code are `rows`, `create`, `update` and `act`.

    A subclass with a `name` of its own is registered when it is defined; one without is a base for others.
    `stands_for` is the type of v1 that one of another dialect takes the place of; empty: the one of the same name.
    """

    name: ClassVar[str]
    dialect: ClassVar[Dialect] = V1
    stands_for: ClassVar[str] = ""
    id_letters: ClassVar[str] = ""  # of its ids, where they do not follow from a name
    former_id_letters: ClassVar[str] = ""  # of ids that people may have kept
    roles: ClassVar[TypeRoles]
    plural: ClassVar[str] = ""
    base_type: ClassVar[str] = ""
    shown_type: ClassVar[str] = ""  # what rows say they are, where it is another type than they were asked for as
    model: ClassVar[Any] = None
    listable: ClassVar[bool] = True
    sortable: ClassVar[bool] = True
    shows_reason_at_rest: ClassVar[bool] = (
        False  # True: what keeps a row from its work is said while it is at rest, too
    )
    is_paged: ClassVar[bool] = True  # False: a list that no limit was asked of has every row
    own_fields: ClassVar[tuple[Field, ...]] = ()
    computed: ClassVar[Mapping[str, Callable[[RowContext], Any]]] = {}
    custom_actions: ClassVar[Mapping[str, Action]] = {}
    links: ClassVar[Mapping[str, Link]] = {}
    omitted_fields: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """Register the type."""
        super().__init_subclass__()
        if "name" in cls.__dict__:
            _register(cls())

    @property
    def plural_name(self) -> str:
        """The collection's name."""
        return self.plural or f"{self.name}s"

    @functools.cached_property
    def id_prefix(self) -> str:
        """The letters of its ids: the first and the upper-case letters of the base type's name."""
        return self.id_letters or id_prefix_from_name(self.base_type or self.name)

    @functools.cached_property
    def id_prefixes(self) -> tuple[str, ...]:
        """The letters that an id may have: people kept former ones, and v1's of what has others in a later dialect."""
        declared = counterpart(self.stands_for, V1) if self.stands_for else None
        also = (self.former_id_letters, declared.id_prefix if declared is not None else "")
        return (self.id_prefix, *filter(None, also))

    @functools.cached_property
    def lifecycle_actions(self) -> list[str]:
        """The actions of the model's life cycle, without the one that creates."""
        if not isinstance(self.model, type) or not issubclass(self.model, Managed):
            return []
        lifecycle = self.model.LIFECYCLE
        return [name for name in lifecycle.transitions if name != lifecycle.create_action]

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """All fields; the type's own replace the common ones of their name."""
        own_names = {field.name for field in self.own_fields}
        common = self._common_fields() if self.lifecycle_actions else ()
        return (*(f for f in common if f.name not in own_names and f.name not in self.omitted_fields), *self.own_fields)

    def _common_fields(self) -> tuple[Field, ...]:
        states = tuple(sorted(self.model.LIFECYCLE.states))
        return tuple(replace(field, options=states) if field.name == "state" else field for field in COMMON_FIELDS)

    @functools.cached_property
    def includeable_links(self) -> dict[str, Link]:
        """The links that a request may have replaced by what they lead to: none with the name of a field."""
        taken = {field.name for field in self.fields}
        return {name: link for name, link in self.links.items() if not link.is_computed and name not in taken}

    @functools.cached_property
    def actions(self) -> list[str]:
        """The names of all actions."""
        return list(dict.fromkeys((*self.lifecycle_actions, *self.custom_actions)))

    @functools.cached_property
    def action_permissions(self) -> dict[str, str]:
        """The permission that each action takes; the life cycle overrides the custom action."""
        lifecycle_permissions = {
            name: self.model.LIFECYCLE.transitions[name].permission for name in self.lifecycle_actions
        }
        return {
            name: custom_action.permission for name, custom_action in self.custom_actions.items()
        } | lifecycle_permissions

    def may(self, caller: ApiCaller, letter: str) -> bool:
        """Whether the caller's role has this method here."""
        return letter in self.roles.allowed_crud(caller.role_or_permissions)

    def actions_for(self, caller: ApiCaller) -> list[str]:
        """The actions that exist for the caller's role."""
        found = available_actions(caller.role_or_permissions, self.actions, self.action_permissions)
        return [name for name in found if self._is_spoken(name, caller.dialect)]

    def _is_spoken(self, action: str, dialect: Dialect) -> bool:
        """Whether the dialect has the types that an action takes and answers with."""
        declared = self.custom_actions.get(action)
        types = (declared.input, declared.output) if declared is not None and dialect is not V1 else ()
        return all(counterpart(each, dialect) is not None for each in types if each)

    def of_row(self, row: Any) -> Resource:  # noqa: ARG002 - subclasses use it
        """The type that a row shows itself as: one of this type's subtypes where it has any."""
        return self

    def kind_of(self, row: Any) -> str:  # noqa: ARG002 - subclasses use it
        """The field `kind`."""
        return self.name

    def key_of(self, row: Any) -> int | str:
        """The key that the row's id is made from."""
        key: int | str = row.pk
        return key

    def rows(self, caller: ApiCaller) -> Any:
        """Every row the caller may see, as a query set."""
        return self.model.objects.within(caller.environments())

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> Any:  # noqa: ARG002 - subclasses use it
        """The rows of the collection: a query set, or a list for types without a table."""
        return self.rows(caller)

    def download(self, caller: ApiCaller, request: HttpRequest, query_params: QueryDict) -> HttpResponseBase | None:  # noqa: ARG002
        """The collection as a file, if the type offers one and the request asks for it."""
        return None

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """The row with this key, or None."""
        return self.rows(caller).filter(pk=key).first() if isinstance(key, int) else None

    def find_to_read(self, caller: ApiCaller, key: int | str | None) -> Any:
        """The same for who only reads: it may be a row of another type that v1 has under this one's ids too."""
        return self.find(caller, key)

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - as above
        """Further data of the rows, by key, in a constant number of queries."""
        return {}

    def options(self, caller: ApiCaller) -> Mapping[str, Iterable[str]]:  # noqa: ARG002 - as above
        """The options of fields, by name, that depend on stored data; for the schema only."""
        return {}

    def custom_body(self, caller: ApiCaller, row: Any) -> Data | None:  # noqa: ARG002 - as above
        """The whole resource, for types whose content is not declared as fields."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Create it; returns a row, several, or `(row, fields shown once)`."""
        raise NotImplementedError

    def update(self, caller: ApiCaller, row: Any, data: Data) -> None:
        """Update the row."""
        raise NotImplementedError

    def act(self, caller: ApiCaller, row: Any, action: str) -> None:
        """Perform one action of the life cycle."""
        raise NotImplementedError

    def auditable(self, row: Any, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - subclasses use it
        """What the audit log may keep of a request; secrets that are known by the names of fields are masked later."""
        return dict(body)

    def is_offered(self, row: Any, action: str) -> bool:  # noqa: ARG002 - subclasses use it
        """Whether v1 lists a possible action among the row's `actions`."""
        return True

    def verdict(self, caller: ApiCaller, row: Any, action: str) -> Verdict:
        """Whether the caller may perform `action` on the row now, and if not, why."""
        custom_action = self.custom_actions.get(action)
        if custom_action is None or action in self.lifecycle_actions:
            return verdict(caller.actor, action, row)
        if custom_action.states and row.display_state not in custom_action.states:
            return Verdict(allowed=False, reason=state_refusal(row, action, custom_action.states))
        if reason := row.refusal(action) if isinstance(row, Managed) else "":
            return Verdict(allowed=False, reason=reason)
        allowed = can(caller.actor, custom_action.permission, environment_of(row))
        reason = hooks.lock_refusal(caller.actor, action, row) if allowed and custom_action.is_change else ""
        return Verdict(allowed=False, reason=reason, is_locked=True) if reason else allowed


def id_prefix_from_name(name: str) -> str:
    """`serviceConsumeMap` -> `scm`."""
    return name[0] + "".join(re.findall("[A-Z]", name[1:])).lower()


class _Register:
    """The types of one dialect: by name, by singular and plural in small letters, and by the v1 type they stand for."""

    def __init__(self) -> None:
        self.by_name: dict[str, Resource] = {}
        self.by_lower_name: dict[str, Resource] = {}
        self.by_declared_name: dict[str, Resource] = {}


_registers = {name: _Register() for name in DIALECTS}
_v1 = _registers[V1.name]


def _register(resource: Resource) -> None:
    """Serve a type under its singular and plural in any letter case; refuses an incomplete or ambiguous declaration."""
    declaration = type(resource).__name__
    if not hasattr(resource, "roles"):
        raise TypeError(f"{declaration} does not declare its roles.")
    register = _registers[resource.dialect.name]
    words = {resource.name.lower(), resource.plural_name.lower()}
    if taken := sorted(words & register.by_lower_name.keys()):
        raise TypeError(f"{declaration}: another type is already called {taken[0]!r}.")
    register.by_name[resource.name] = resource
    register.by_lower_name.update(dict.fromkeys(words, resource))
    register.by_declared_name[resource.stands_for or resource.name] = resource


def find_resource(word: str, dialect: Dialect = V1) -> Resource | None:
    """The type with this name or plural in the words of the dialect."""
    own = _registers[dialect.name].by_lower_name.get(word.lower())
    if own is not None or dialect is V1:
        return own
    shared = _v1.by_lower_name.get(word.lower())
    return shared if shared is not None and dialect.shares(shared.name) else None


def counterpart(name: str, dialect: Dialect) -> Resource | None:
    """What stands for v1's type `name` in the dialect, as links and rows name types; None where it has none."""
    own = _registers[dialect.name].by_declared_name.get(name)
    return own or (_v1.by_name.get(name) if dialect.shares(name) else None)


def all_resources(dialect: Dialect = V1) -> Iterable[Resource]:
    """All types of the dialect, by name."""
    own = _registers[dialect.name].by_name
    shared = {name: each for name, each in _v1.by_name.items() if dialect.shares(name)}
    return [each for _name, each in sorted({**shared, **own}.items())]


def visible_resources(caller: ApiCaller) -> list[Resource]:
    """The types that exist for the caller's role."""
    return [each for each in all_resources(caller.dialect) if each.roles.allowed_crud(caller.role_or_permissions)]


def id_prefix_of(name: str) -> str:
    """The id letters of a type that a reference names."""
    found = next((register.by_name[name] for register in _registers.values() if name in register.by_name), None)
    return found.id_prefix if found else id_prefix_from_name(name)
