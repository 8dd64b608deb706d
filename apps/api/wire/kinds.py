"""What a v1 type is: its name, rows, fields, actions and links; and the register of all of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase

from apps.api.wire.caller import Caller
from apps.api.wire.fields import Field, table
from apps.api.wire.roles import letters, offered
from apps.core.models import Managed
from apps.environments.access import Verdict, can, environment_of, verdict

Data = dict[str, Any]

COMMON = table("""
    name                  string              cu  <name 0..255
    description           string              cu  <description 0..1024
    accountId             reference[account]  r   <environment_id
    created               date                r   <created
    kind                  string              r
    removed               date                r   <removed
    removeTime            date                r   ^
    state                 enum                r   <shown ~
    transitioning         enum                r   :yes|no|error ~
    transitioningMessage  string              r
    transitioningProgress int                 r
    uuid                  string              r   <uuid
    data                  map[json]           r   ^
""")


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as one caller sees it; `extra` is what the type's `extras` found for it."""

    row: Any
    caller: Caller
    extra: Any = None

    def may(self, permission: str) -> bool:
        """Whether the caller holds `permission` where the row is."""
        return bool(can(self.caller.actor, permission, environment_of(self.row)))


# What types say whose rows have no life of their own: they are there, and nothing is ever under way.
STEADY: Mapping[str, Callable[[Seen], Any]] = {
    "state": lambda _seen: "active",
    "transitioning": lambda _seen: "no",
    "transitioningMessage": lambda _seen: None,
    "transitioningProgress": lambda _seen: None,
}


@dataclass(frozen=True, slots=True)
class Action:
    """A verb of a type. One that its life cycle has takes states and permission from there.

    `call` gets caller, row and checked input; it returns nothing (the answer is the row) or the answer's own fields.
    """

    call: Callable[[Caller, Any, Data], Data | None]
    input: str = ""
    output: str = ""
    permission: str = "operate"
    states: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Link:
    """A way to other rows: those of `target` whose `column` is this row, the one this row's `attribute` names, or,
    with `call`, an answer made on the spot (`permission` says for whom; empty: for all who see the row).
    """

    target: str = ""
    column: str = ""
    attribute: str = ""
    call: Callable[[Caller, Any], Data] | None = None
    permission: str = "view"
    asks: Callable[[Caller, Any, QueryDict], Data] | None = None

    @property
    def is_made(self) -> bool:
        """Whether it leads to an answer instead of to rows."""
        return self.call is not None or self.asks is not None


class Resource:
    """One v1 type. Subclasses declare; what they must say in code are `rows`, `create`, `update` and `act`."""

    name: ClassVar[str]
    plural: ClassVar[str] = ""
    root: ClassVar[str] = ""
    model: ClassVar[Any] = None
    listable: ClassVar[bool] = True
    sortable: ClassVar[bool] = True
    own: ClassVar[tuple[Field, ...]] = ()
    computed: ClassVar[Mapping[str, Callable[[Seen], Any]]] = {}
    verbs: ClassVar[Mapping[str, Action]] = {}
    links: ClassVar[Mapping[str, Link]] = {}
    without: ClassVar[frozenset[str]] = frozenset()

    @property
    def plural_name(self) -> str:
        """The collection's name."""
        return self.plural or f"{self.name}s"

    @functools.cached_property
    def letters(self) -> str:
        """The letters of its ids: first and upper-case letters of the root type."""
        return letters_of(self.root or self.name)

    @functools.cached_property
    def cycle(self) -> list[str]:
        """The actions of the model's life cycle, without its birth."""
        if not isinstance(self.model, type) or not issubclass(self.model, Managed):
            return []
        table_ = self.model.LIFECYCLE
        return [name for name in table_.transitions if name != table_.born]

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """All fields; the type's own replace the common ones of their name."""
        mine = {field.name for field in self.own}
        common = COMMON if self.cycle else ()
        return (*(f for f in common if f.name not in mine and f.name not in self.without), *self.own)

    @functools.cached_property
    def actions(self) -> list[str]:
        """The names of all actions."""
        return list(dict.fromkeys((*self.cycle, *self.verbs)))

    @functools.cached_property
    def needs(self) -> dict[str, str]:
        """The permission that each action takes: its life cycle's word comes before the verb's."""
        steps = {name: self.model.LIFECYCLE.transitions[name].permission for name in self.cycle}
        return {name: verb.permission for name, verb in self.verbs.items()} | steps

    def may(self, caller: Caller, letter: str) -> bool:
        """Whether the caller's role has this method here."""
        return letter in letters(caller.standing, self.name)

    def actions_for(self, caller: Caller) -> list[str]:
        """The actions that exist for the caller's role."""
        return offered(caller.standing, self.actions, self.needs)

    def kind_of(self, row: Any) -> str:  # noqa: ARG002 - subclasses look
        """The field `kind`."""
        return self.name

    def key_of(self, row: Any) -> int | str:
        """What an id is made from."""
        key: int | str = row.pk
        return key

    def rows(self, caller: Caller) -> Any:
        """Every row the caller may see, as a query set."""
        return self.model.objects.within(caller.environments())

    def listed(self, caller: Caller, asked: QueryDict) -> Any:  # noqa: ARG002 - subclasses look
        """What a collection shows: a query set, or a list of rows that no table holds."""
        return self.rows(caller)

    def download(self, caller: Caller, request: HttpRequest, asked: QueryDict) -> HttpResponseBase | None:  # noqa: ARG002
        """The collection as a file, if that is asked for and there is such a thing."""
        return None

    def find(self, caller: Caller, key: int | str | None) -> Any:
        """The row with this key, or None."""
        return self.rows(caller).filter(pk=key).first() if isinstance(key, int) else None

    def extras(self, caller: Caller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - as above
        """What rows need beside themselves, by key, in a constant number of queries."""
        return {}

    def options(self, caller: Caller) -> Mapping[str, Iterable[str]]:  # noqa: ARG002 - as above
        """The options of fields, by name, that depend on what there is; for the schema only."""
        return {}

    def whole(self, caller: Caller, row: Any) -> Data | None:  # noqa: ARG002 - as above
        """The whole resource, for types that fields do not describe."""
        return None

    def create(self, caller: Caller, data: Data) -> Any:
        """Make it: a row, several, or `(row, fields shown once)`."""
        raise NotImplementedError

    def update(self, caller: Caller, row: Any, data: Data) -> None:
        """Change it."""
        raise NotImplementedError

    def act(self, caller: Caller, row: Any, action: str) -> None:
        """Do one action of the life cycle."""
        raise NotImplementedError

    def on_offer(self, row: Any, action: str) -> bool:  # noqa: ARG002 - subclasses look
        """Whether v1 names an action that is possible among the row's `actions`."""
        return True

    def verdict(self, caller: Caller, row: Any, action: str) -> Verdict:
        """Whether the caller may do `action` to the row now, and if not, why."""
        verb = self.verbs.get(action)
        if verb is None or action in self.cycle:
            return verdict(caller.actor, action, row)
        if verb.states and row.shown not in verb.states:
            return Verdict(allowed=False, reason=f"Not possible while it is {row.shown}.")
        return can(caller.actor, verb.permission, environment_of(row))


def letters_of(name: str) -> str:
    """`serviceConsumeMap` -> `scm`."""
    return name[0] + "".join(re.findall("[A-Z]", name[1:])).lower()


ResourceT = TypeVar("ResourceT", bound=type[Resource])

_register: dict[str, Resource] = {}
_by_word: dict[str, Resource] = {}


def register(cls: ResourceT) -> ResourceT:
    """Have the API serve this type, under its singular and plural in any letter case."""
    add(cls())
    return cls


def add(resource: Resource) -> None:
    """Put a type on the register."""
    _register[resource.name] = resource
    _by_word[resource.name.lower()] = resource
    _by_word[resource.plural_name.lower()] = resource


def named(word: str) -> Resource | None:
    """The type with this name or plural."""
    return _by_word.get(word.lower())


def everything() -> Iterable[Resource]:
    """All types, by name."""
    return [_register[name] for name in sorted(_register)]


def known(caller: Caller) -> list[Resource]:
    """The types that exist for the caller's role."""
    return [each for each in everything() if letters(caller.standing, each.name)]


def root_letters(name: str) -> str:
    """The id letters of a type that a reference names."""
    found = _register.get(name)
    return found.letters if found else letters_of(name)
