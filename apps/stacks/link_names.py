"""What links may be called, and that none leads in a circle. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from apps.core.errors import Invalid
from apps.stacks.service_options import is_host_name

Key = TypeVar("Key", int, str)


def check_link_name(name: str, field: str) -> str:
    """The name, if containers can look a service up by it. Raises `Invalid` on the field."""
    if len(name) > 253:
        raise Invalid(field, "MaxLengthExceeded", "A link's name has at most 253 characters.")
    if not is_host_name(name):
        why = "is no host name, by which containers could find the service"
        raise Invalid(field, "InvalidCharacters", f"{name[:80]!r} {why}: use letters, digits, '-', '_' and '.'.")
    return name


def name_used_twice(links: Iterable[tuple[str, Key]]) -> str | None:
    """The first name of (name, target) that leads to two targets; names are looked up without regard to case."""
    taken: dict[str, Key] = {}
    return next((name for name, target in links if taken.setdefault(name.lower(), target) != target), None)


def free_name(service: str, stack: str, taken: Collection[str]) -> str:
    """The name of a link to a service of another stack that was given none: with its stack's where it is taken."""
    return service if service.lower() not in {each.lower() for each in taken} else f"{service}.{stack}"


def find_circle(start: Key, targets: Mapping[Key, Iterable[Key]]) -> list[Key] | None:
    """The way from an alias back to itself, through others of `targets` by alias; None where there is none."""
    came_from: dict[Key, Key] = {}
    pending = [start]
    while pending:
        each = pending.pop()
        for target in targets.get(each, ()):
            if target == start:
                way: list[Key] = [each]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                way.reverse()
                way.append(start)
                return way
            if target not in came_from:
                came_from[target] = each
                pending.append(target)
    return None


def describe_circle(names: Iterable[str]) -> str:
    """What is said about a circle of aliases, by their names along the way."""
    way = " → ".join(names)
    remedy = "leave out one of these links, or have the selector that makes it find less"
    return f"This alias would lead to itself ({way}), and so to no container: {remedy}."
