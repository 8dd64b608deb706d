"""YAML from strangers: limits on size, depth, nodes and aliases, no key twice, and every refusal with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import yaml

from apps.core.errors import Invalid

MAX_TEXT = 1024 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 24
MAX_ALIASES = 100
MAX_MERGED = 2000


class Lined(dict[str, Any]):
    """A map that knows in which line each of its keys stands."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int:
        """The line of a key, 1 when unknown."""
        return self.lines.get(key, 1)


def wrong(field: str, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
    """A refusal that points at a line."""
    return Invalid(field, code, f"line {line}: {message}")


class _Texts(yaml.SafeLoader):
    """Reads every plain scalar but null as text: `yes`, `22:22` and `1.10` mean what they look like."""

    yaml_implicit_resolvers = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._aliases = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count before building, so that a bomb is refused while it is small."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._nodes += 1
        self._aliases += isinstance(event, yaml.AliasEvent)
        self._depth += 1
        if self._nodes > MAX_NODES or self._aliases > MAX_ALIASES or self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "the file is too large or too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that stands twice (later ones would win unseen)."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            twice = isinstance(key, yaml.ScalarNode) and key.value in seen
            if twice or not isinstance(key, yaml.ScalarNode):
                problem = f"the key {key.value[:60]!r} stands twice" if twice else "a key must be a text"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge `<<` keys, within bounds."""
        super().flatten_mapping(node)
        if len(node.value) > MAX_MERGED:
            raise yaml.constructor.ConstructorError(None, None, "too much is merged with <<", node.start_mark)


class _Typed(_Texts):
    """Also reads true, false and decimal numbers: for rancher-compose, whose metadata are JSON values."""


def _lined(loader: _Texts, node: yaml.MappingNode) -> Iterator[Lined]:
    found = Lined()
    yield found
    found |= cast("dict[str, Any]", loader.construct_mapping(node))
    found.lines.update({str(key.value): key.start_mark.line + 1 for key, _ in node.value})


_TAG = "tag:yaml.org,2002:"
_Texts.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Texts.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<\Z"), ["<"])
_Typed.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Typed.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_Typed.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?\Z"), list("-+0123456789")
)
_Texts.add_constructor(f"{_TAG}map", _lined)
_Typed.add_constructor(f"{_TAG}map", _lined)


def load(text: str, field: str, *, typed: bool = False) -> Lined:
    """The map that the text holds; an empty text is an empty map. Raises `Invalid` on `field`."""
    if len(text) > MAX_TEXT:
        raise Invalid(field, "MaxLengthExceeded", "The file must not be larger than 1 MB.")
    try:
        found = yaml.load(text, Loader=_Typed if typed else _Texts)  # noqa: S506 - both are safe loaders
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise wrong(field, mark.line + 1 if mark else 1, problem.problem or "this is not YAML") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as problem:
        # PyYAML lets Python's own errors through where a tag and its value do not fit
        raise Invalid(field, "InvalidFormat", f"This is not YAML: {str(problem).partition(chr(10))[0][:200]}") from None
    if found is None:
        return Lined()
    if not isinstance(found, Lined):
        raise wrong(field, 1, "the file must be a map of services")
    return found
