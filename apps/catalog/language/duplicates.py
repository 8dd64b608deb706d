"""Keys that stand twice in a map: Rancher took the last one, Compose refuses them. Here the earlier goes.

Labels that do are left to the import, which takes the last one of every file.
"""

from __future__ import annotations

import yaml

from apps.stacks.compose.yaml_loader import BoundedLoader

_MAX_FOUND = 200


class _Duplicates(BoundedLoader):
    """Finds keys that stand again later in their map of the block style, and the lines of their first places."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.found: list[tuple[str, int, int]] = []

    def compose_mapping_node(self, anchor: dict[str, yaml.Node] | None) -> yaml.MappingNode:
        """Look through the keys in the order of the file."""
        self.duplicates = []
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for at, (key, _value) in enumerate(node.value):
            earlier = first.get(key.value)
            if earlier is not None and not node.flow_style and not self.in_labels:
                start, end = node.value[earlier][0].start_mark, node.value[earlier + 1][0].start_mark
                self.found.append((key.value, start.line, end.line))
            first[key.value] = at
        return node


def without_duplicates(text: str) -> tuple[str, tuple[str, ...]]:
    """Empty the lines of keys that come again later, and say which; a text that is not YAML stays as it is.

    So does one where the first key begins an element of a list on its line.
    """
    found = _find(text)
    lines = text.splitlines()
    if (
        not found
        or len(found) > _MAX_FOUND
        or any(lines[start].lstrip().startswith("- ") for _key, start, _end in found)
    ):
        return text, ()
    for _key, start, end in found:
        lines[start:end] = [""] * (end - start)
    warnings = (
        f"line {start + 1}: the key {key[:60]!r} comes again later; the later one counts."
        for key, start, _end in sorted(found, key=lambda each: each[1])
    )
    return "\n".join(lines) + "\n", tuple(warnings)


def _find(text: str) -> list[tuple[str, int, int]]:
    try:
        loader = _Duplicates(text)
        loader.get_single_node()
    except (yaml.YAMLError, ValueError):
        return []
    return loader.found
