"""Loads YAML of untrusted users: limits on size, depth and nodes, duplicate keys seen, errors with lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, cast

import yaml

from apps.core.errors import Invalid


class LineMap(dict[str, Any]):
    """A map that knows the line of each of its keys."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int:
        """The line of a key, 1 when unknown."""
        return self.lines.get(key, 1)


def error_at_line(field: str, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
    """Make a refusal that points at a line."""
    return Invalid(field, code, f"line {line}: {message}")


def without_lines(value: Any) -> Any:
    """Return plain JSON, without the lines."""
    if isinstance(value, dict):
        return {name: without_lines(each) for name, each in value.items()}
    return [without_lines(each) for each in value] if isinstance(value, list) else value


_SECTIONS = frozenset({"volumes", "networks", "secrets", "configs"})
MAX_NODES = 20_000
MAX_FILLED_IN = 5 * MAX_NODES  # with aliases filled in; what of it is kept is counted again by who keeps it
MAX_DEPTH = 24
MAX_MERGED = 2000


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


class BoundedLoader(yaml.SafeLoader):
    """Refuses what is too large while it is read; resolves only nulls, texts, lists and maps by itself."""

    yaml_implicit_resolvers = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = self._merged = 0
        self._sizes: dict[int, int] = {}
        self._path: list[str] = []
        self.duplicates: list[str] | None = None
        self.only_labels = False

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Count before building, so that a bomb is refused while it is small; an alias counts as what it stands for."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "the file is too large or too deep", event.start_mark)
        is_value = isinstance(parent, yaml.MappingNode) and isinstance(index, yaml.ScalarNode)
        self._path += [index.value] if is_value else []
        node = super().compose_node(parent, index)
        self._depth -= 1
        del self._path[len(self._path) - is_value :]
        self._require_bounded(node, event)
        return node

    def _require_bounded(self, node: yaml.Node | None, event: Any) -> None:
        is_alias, known = isinstance(event, yaml.AliasEvent), self._sizes.get(id(node))
        if is_alias and known is None:
            raise yaml.composer.ComposerError(None, None, "an alias stands for what it is in", event.start_mark)
        if not is_alias and node is not None:
            self._sizes[id(node)] = 1 + sum(self._sizes.get(id(each), 1) for each in _children(node))
        if self._sizes.get(id(node), 0) > MAX_FILLED_IN:
            raise yaml.composer.ComposerError(None, None, "the file is too large or too deep", event.start_mark)

    def fetch_flow_collection_start(self, kind: Any) -> None:
        """Count brackets here already: the scanner reads on to see which one begins a key, and looks at each again."""
        if self.flow_level > MAX_DEPTH:
            raise yaml.scanner.ScannerError(None, None, "the file is too large or too deep", self.get_mark())
        super().fetch_flow_collection_start(kind)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a duplicate key, or record it where `duplicates` is a list: PyYAML silently takes the last one."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            is_duplicate = isinstance(key, yaml.ScalarNode) and key.value in seen
            if is_duplicate and self.duplicates is not None and (self.in_labels or not self.only_labels):
                line = key.start_mark.line + 1
                self.duplicates.append(f"line {line}: the key {key.value[:60]!r} is duplicated; this one counts.")
            elif is_duplicate or not isinstance(key, yaml.ScalarNode):
                problem = f"the key {key.value[:60]!r} is duplicated" if is_duplicate else "a key must be a text"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return node

    @property
    def in_labels(self) -> bool:
        """Whether what is read now is the map of labels of a service, in either form of the file."""
        *outer, last = self._path or [""]
        service = outer[1:] if outer[:1] == ["services"] else outer
        return last == "labels" and len(service) == 1 and service[0] not in _SECTIONS

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge `<<` keys, within bounds."""
        before = len(node.value)
        super().flatten_mapping(node)
        self._merged += max(0, len(node.value) - before)
        if len(node.value) > MAX_MERGED or self._merged > MAX_NODES:
            raise yaml.constructor.ConstructorError(None, None, "too much is merged with <<", node.start_mark)


MAX_TEXT = 1024 * 1024


class _TextLoader(BoundedLoader):
    """Reads every plain scalar but null as text: YAML 1.1 turns `yes`, `22:22` and `1.10` into other values."""


class _TypedLoader(_TextLoader):
    """Also reads true, false and decimal numbers: for rancher-compose, whose metadata are JSON values."""


def _construct_finite_float(loader: BoundedLoader, node: yaml.ScalarNode) -> float:
    """A number that JSON can say too; `.nan` and `1.0e+999` are none."""
    found = loader.construct_yaml_float(node)
    if not math.isfinite(found):
        raise yaml.constructor.ConstructorError(None, None, "a number must be finite", node.start_mark)
    return float(found)


def _construct_line_map(loader: _TextLoader, node: yaml.MappingNode) -> Iterator[LineMap]:
    found = LineMap()
    yield found
    found |= cast("dict[str, Any]", loader.construct_mapping(node))
    found.lines.update({str(key.value): key.start_mark.line + 1 for key, _ in node.value})


_TAG = "tag:yaml.org,2002:"
_TextLoader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_TextLoader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<\Z"), ["<"])
_TypedLoader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_TypedLoader.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_TypedLoader.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?\Z"), list("-+0123456789")
)

_TextLoader.add_constructor(f"{_TAG}float", _construct_finite_float)
_TypedLoader.add_constructor(f"{_TAG}float", _construct_finite_float)
_TextLoader.add_constructor(f"{_TAG}map", _construct_line_map)
_TypedLoader.add_constructor(f"{_TAG}map", _construct_line_map)


def _error_at_mark(field: str, problem: yaml.MarkedYAMLError) -> Invalid:
    """The refusal of what is no YAML, with line and column."""
    mark, what = problem.problem_mark, problem.problem or "this is not YAML"
    if mark is None:
        return error_at_line(field, 1, what)
    return Invalid(field, "InvalidFormat", f"line {mark.line + 1}, column {mark.column + 1}: {what}")


def load_yaml(
    text: str,
    field: str,
    *,
    typed: bool = False,
    duplicates: list[str] | None = None,
    only_labels: bool = False,
    what: str = "the file must be a map of services",
) -> LineMap:
    """Load the map in a text; an empty text is an empty map. Raises `Invalid` on `field`, with `what` for no map.

    A key that is there twice is refused, or becomes a warning in `duplicates` and the last one counts; with
    `only_labels` that is so of labels alone.
    """
    if len(text) > MAX_TEXT:
        raise Invalid(field, "MaxLengthExceeded", "The file must not be larger than 1 MB.")
    try:
        loader = _TypedLoader(text) if typed else _TextLoader(text)
        loader.duplicates, loader.only_labels = duplicates, only_labels
        found = loader.get_single_data()
    except yaml.MarkedYAMLError as problem:
        raise _error_at_mark(field, problem) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as problem:
        # PyYAML lets Python's own errors through where a value does not fit its tag
        raise Invalid(field, "InvalidFormat", f"This is not YAML: {str(problem).partition(chr(10))[0][:200]}") from None
    if found is None:
        return LineMap()
    if not isinstance(found, LineMap):
        raise error_at_line(field, 1, what)
    return found
