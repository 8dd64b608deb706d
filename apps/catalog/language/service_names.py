"""Services whose names have underscores, as in many templates: here names are those of DNS, so they get dashes.

What refers to such a service in the files follows; a link keeps the old name as its alias, so that the program inside
still finds it. What stands in variables and commands is not changed: it may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from apps.stacks.compose.yaml_loader import BoundedLoader

_NAME = re.compile(r"[A-Za-z0-9](?:[\w-]{0,61}[A-Za-z0-9])?", re.ASCII)
_REFERENCES = frozenset({"depends_on", "volumes_from", "net", "network_mode", "extends", "lb_config", "port_rules"})
_WORD = re.compile(r"(?<![\w/-])[\w-]++(?!/)")
_LABELS = re.compile(r"io\.rancher\.(?:sidekicks|loadbalancer\.(?:target|ssl)\S*)")
_OWN_KEYS = frozenset({"version", "services", "volumes", "networks", "secrets", "configs"})

Edit = tuple[int, int, str]


def with_dashes(docker: str, rancher: str) -> tuple[str, str, tuple[str, ...]]:
    """Both files with names that are allowed, and a warning for each that was changed.

    A file that is not YAML stays as it is: the import says what is wrong with it.
    """
    services = _services(docker)
    names = {name: name.replace("_", "-") for name, _key, _value in services if "_" in name and _NAME.fullmatch(name)}
    taken = {name.lower() for name, _key, _value in services if name not in names}
    names = {old: new for old, new in names.items() if new.lower() not in taken}
    if not names or len({new.lower() for new in names.values()}) < len(names):
        return docker, rancher, ()
    changed = _apply(docker, _edits(services, names))
    also = _apply(rancher, _edits(_services(rancher), names))
    warnings = [
        f"The service {old} is called {new}, as names of services are those of DNS: containers that link to it find it "
        f"by both names, others by the new one."
        for old, new in names.items()
    ]
    return changed, also, tuple(warnings)


def _services(text: str) -> list[tuple[str, yaml.ScalarNode, yaml.Node]]:
    """The services of a file in either form: name, key and body."""
    try:
        loader = BoundedLoader(text)
        loader.duplicates = []
        top = loader.get_single_node()
    except (yaml.YAMLError, ValueError):
        return []
    if not isinstance(top, yaml.MappingNode):
        return []
    entries = {key.value: value for key, value in top.value}
    inside = entries.get("services")
    found = inside.value if isinstance(inside, yaml.MappingNode) else [] if "version" in entries else top.value
    return [(key.value, key, value) for key, value in found if key.value not in _OWN_KEYS]


def _edits(services: list[tuple[str, yaml.ScalarNode, yaml.Node]], names: Mapping[str, str]) -> Iterator[Edit]:
    seen = set[int]()  # what an alias repeats is looked at once
    for name, key, body in services:
        if name in names:
            yield key.start_mark.index, key.end_mark.index, names[name]
        for inner, value in body.value if isinstance(body, yaml.MappingNode) else ():
            if id(value) not in seen:
                seen.add(id(value))
                yield from _edits_of(inner.value, value, names)


def _edits_of(key: str, value: yaml.Node, names: Mapping[str, str]) -> Iterator[Edit]:
    """Changes in the value of one key of a service."""
    if key == "links":
        for leaf in _leaves(value):
            target, colon, alias = leaf.value.partition(":")
            if target in names:
                yield _replaced(leaf, f"{names[target]}:{alias if colon else target}")
    elif key in _REFERENCES:
        for leaf in _leaves(value):
            yield from _with_names(leaf, names)
    elif key == "labels":
        yield from _label_edits(value, names)


def _label_edits(value: yaml.Node, names: Mapping[str, str]) -> Iterator[Edit]:
    if isinstance(value, yaml.MappingNode):
        for key, text in value.value:
            if _LABELS.fullmatch(key.value):
                yield from _with_names(key, names)
                for leaf in _leaves(text):
                    yield from _with_names(leaf, names)
        return
    for leaf in _leaves(value):
        if _LABELS.match(leaf.value):
            yield from _with_names(leaf, names)


def _leaves(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """The values of one line inside, and the keys of maps."""
    if isinstance(node, yaml.ScalarNode):
        yield from [node] if node.style not in {"|", ">"} and "\n" not in node.value else []
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _leaves(each)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _leaves(key)
            yield from _leaves(value)


def _with_names(leaf: yaml.ScalarNode, names: Mapping[str, str]) -> Iterator[Edit]:
    text = _WORD.sub(lambda found: names.get(found[0], found[0]), leaf.value)
    if text != leaf.value:
        yield _replaced(leaf, text)


def _replaced(leaf: yaml.ScalarNode, text: str) -> Edit:
    """The new text of a plain value, in quotes: it may have a colon."""
    quoted = "'" + text.replace("'", "''") + "'"
    return leaf.start_mark.index, leaf.end_mark.index, quoted


def _apply(text: str, edits: Iterator[Edit]) -> str:
    """The text with all changes, each of which is made once."""
    parts: list[str] = []
    at = 0
    for start, end, new in sorted(set(edits)):
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])
