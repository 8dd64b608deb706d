"""A YAML loader with limits on depth, nodes and aliases, and with no key twice."""

from __future__ import annotations

from typing import Any

import yaml

MAX_NODES = 20_000
MAX_DEPTH = 24
MAX_ALIASES = 100
MAX_MERGED = 2000


class Bounded(yaml.SafeLoader):
    """Refuses what is too large while it is read; knows null, texts, lists and maps until it is told of more."""

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
