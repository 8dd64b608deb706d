"""Checked fields: small functions that turn one value from outside into a typed one, or refuse it by its wire name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, ClassVar, Self

from apps.core.errors import Invalid
from apps.core.plurals import counted
from apps.core.texts import is_storable

Check = Callable[[str, Any], Any]
MAX_INTEGER = 2**63 - 1


def text(
    *,
    low: int = 0,
    high: int = 4096,
    pattern: str | None = None,
    code: str = "InvalidCharacters",
    hint: str = "",
) -> Check:
    """A text of `low` to `high` characters that fully matches `pattern`; whole numbers are taken as text."""
    compiled = re.compile(pattern) if pattern else None

    def check(name: str, value: Any) -> str:
        found = plain_text(name, value)
        if len(found) < low:
            raise Invalid(name, "MinLengthExceeded", f"{name} must not be shorter than {counted(low, 'character')}.")
        if len(found) > high:
            raise Invalid(name, "MaxLengthExceeded", f"{name} must not be longer than {counted(high, 'character')}.")
        if compiled and not compiled.fullmatch(found):
            raise Invalid(name, code, f"{name}: {found[:100]!r} is not valid{f': {hint}' if hint else ''}.")
        return found

    return check


def plain_text(name: str, value: Any) -> str:
    """A text that can be stored and sent anywhere: no NUL, no half of a surrogate pair."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Invalid(name, "InvalidFormat", f"{name} must be a text.")
    if not is_storable(value):
        raise Invalid(name, "InvalidCharacters", f"{name} must not contain NUL or broken Unicode.")
    return value


def map_text(high: int = 131072) -> Check:
    """The value of a map of texts: numbers and booleans are written out, null is the empty text."""
    limited = text(high=high)

    def check(name: str, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(limited(name, repr(value) if isinstance(value, float) else value))

    return check


def integer(low: int = -MAX_INTEGER, high: int = MAX_INTEGER) -> Check:
    """A whole number, or its decimal text (forms send those)."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Invalid(name, "InvalidFormat", f"{name} must be a whole number.")
        if value < low:
            raise Invalid(name, "MinLimitExceeded", f"{name} must not be less than {low}.")
        if value > high:
            raise Invalid(name, "MaxLimitExceeded", f"{name} must not be more than {high}.")
        return value

    return check


def boolean(name: str, value: Any) -> bool:
    """True or false, or their texts (forms send those)."""
    known = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise Invalid(name, "InvalidFormat", f"{name} must be true or false.")


def option(*choices: str) -> Check:
    """One of the given words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Invalid(name, "InvalidOption", f"{name} must be one of: {', '.join(filter(None, choices))}.")
        return value

    return check


def _too_many(name: str, high: int) -> Invalid:
    return Invalid(
        name, "MaxLengthExceeded", f"{name} must not have more than {high} {'entry' if high == 1 else 'entries'}."
    )


def list_of(item: Check, high: int = 1000) -> Check:
    """A list; a single value counts as a list of one."""

    def check(name: str, value: Any) -> tuple[Any, ...]:
        found = [value] if isinstance(value, str | int) else value
        if not isinstance(found, list | tuple):
            raise Invalid(name, "InvalidFormat", f"{name} must be a list.")
        if len(found) > high:
            raise _too_many(name, high)
        return tuple(item(name, each) for each in found)

    return check


def mapping(item: Check, key: Check | None = None, high: int = 2000) -> Check:
    """A map from texts to checked values, in the order given."""
    check_key = key or text(low=1, high=1024)

    def check(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Invalid(name, "InvalidFormat", f"{name} must be a map.")
        if len(value) > high:
            raise _too_many(name, high)
        return {check_key(name, word): item(name, each) for word, each in value.items()}

    return check


def nested(kind: type[WireObject]) -> Check:
    """An object inside the object; its fields are named `outer.inner` in refusals."""

    def check(name: str, value: Any) -> WireObject:
        return kind.from_wire(value, at=f"{name}.")

    return check


def wire(
    name: str,
    check: Check,
    default: Any = None,
    *,
    required: bool = False,
    nullable: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> Any:
    """Declare a dataclass field: its wire name, its check, and what it is when absent.

    Null counts as absent; an empty list or map is written as null, but `{}` where v1 says it is not `nullable`.
    `extra` is metadata for those who derive more from the declaration.
    """
    metadata = {"wire": name, "check": check, "nullable": nullable, **(extra or {})}
    if required:
        return field(metadata=metadata)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def flag(name: str, *, on: bool = False) -> Any:
    """Declare a field that is true or false, never null."""
    return wire(name, boolean, on)


class WireObject:
    """Base of frozen dataclasses whose fields are declared with `wire`: read from and written to v1 JSON."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @classmethod
    def from_wire(cls, data: Any, at: str = "") -> Self:
        """Check and take over the known fields; unknown ones are dropped. Raises `Invalid` for the first wrong one."""
        return cls(**cls.read(data, at))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The value that `to_json` stored."""
        return cls(**cls.read(data))

    @classmethod
    def read(cls, data: Any, at: str = "") -> dict[str, Any]:
        """The checked values by attribute."""
        if not isinstance(data, Mapping):
            name = at.rstrip(".") or "body"
            raise Invalid(name, "InvalidFormat", f"{name} must be an object.")
        found = {}
        for each in fields(cls):
            name, value = at + each.metadata["wire"], data.get(each.metadata["wire"])
            if value is not None:
                found[each.name] = each.metadata["check"](name, value)
            elif each.default is MISSING and each.default_factory is MISSING:
                raise Invalid(name, "MissingRequired", f"{name} is required.")
        return found

    @classmethod
    def from_wire_lenient(cls, data: Mapping[str, Any]) -> Self:
        """Take over what is valid and drop the rest (only for types without required fields); never raises."""
        found = {}
        for each in fields(cls):
            value = check_lenient(each.metadata["check"], each.metadata["wire"], data.get(each.metadata["wire"]))
            if value is not None:
                found[each.name] = value
        return cls(**found)

    def to_wire(self) -> dict[str, Any]:
        """The v1 JSON with every field; what is absent is null."""
        return {
            each.metadata["wire"]: to_json_value(getattr(self, each.name), nullable=each.metadata["nullable"])
            for each in fields(self)
        }

    def to_json(self) -> dict[str, Any]:
        """The v1 JSON with only the fields that differ from their defaults: what is stored."""
        return {
            each.metadata["wire"]: to_json_value(value)
            for each in fields(self)
            if (value := getattr(self, each.name)) != default_of(each)
        }


def check_lenient(check: Check, name: str, value: Any) -> Any:
    """The checked value, of a list or map the entries that are right, or None."""
    try:
        return None if value is None else check(name, value)
    except Invalid:
        if isinstance(value, list) and len(value) != 1:
            valid = [each for each in value if check_lenient(check, name, [each]) is not None]
            return check_lenient(check, name, valid) if len(valid) < len(value) else None
        if isinstance(value, Mapping) and len(value) != 1:
            valid_items = {
                key: each for key, each in value.items() if check_lenient(check, name, {key: each}) is not None
            }
            return check_lenient(check, name, valid_items) if len(valid_items) < len(value) else None
        return None


def wire_names_of(kind: type[WireObject]) -> list[str]:
    """The wire names of a type's fields."""
    return [each.metadata["wire"] for each in fields(kind)]


def default_of(declared: Field[Any]) -> Any:
    """The default of a field; `MISSING` for a required one."""
    return declared.default_factory() if declared.default_factory is not MISSING else declared.default


def to_json_value(value: Any, *, nullable: bool = True) -> Any:
    """A typed value as JSON; values with a grammar of their own become their text."""
    if isinstance(value, WireObject):
        return value.to_wire()
    if isinstance(value, tuple):
        return [to_json_value(each) for each in value] or None
    if isinstance(value, Mapping):
        return {name: to_json_value(each) for name, each in value.items()} or (None if nullable else {})
    return value if value is None or isinstance(value, bool | int | str) else str(value)
