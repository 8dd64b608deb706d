"""What `deploy.placement` of compose files says, as the labels that place containers here. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from apps.hosts.affinity import CONTAINER_LABEL, HOST_LABEL, PREFIX, STACK_SERVICE_LABEL
from apps.stacks.compose import value_formats

_CONSTRAINT = re.compile(r"node\.labels\.([^=!,\s]+)\s*(==|!=)([^,]+)")
_ALWAYS_TRUE = re.compile(r"node\.platform\.os\s*==\s*linux")
_REMEDY = "give hosts a label, and write node.labels.NAME==VALUE or !="
# The names are filled in where a container is placed, so that a stack made from an export has rules of its own.
_ITSELF = f"{STACK_SERVICE_LABEL}=${{stack_name}}/${{service_name}}"


class UnsupportedPlacement(Exception):
    """What is not possible here; the text names the key, says why and what to do instead."""


def read_placement(value: Mapping[str, Any]) -> dict[str, str]:
    """The rules of `constraints` and `max_replicas_per_node` as labels. Raises `UnsupportedPlacement`, `ValueError`."""
    if value.get("preferences"):
        remedy = f"write a rule of your own as the label {PREFIX}{HOST_LABEL}_soft"
        raise UnsupportedPlacement(f"`placement.preferences` is not supported: {remedy}")
    rules: dict[str, list[str]] = {}
    for rule, text in (*_constraints(value.get("constraints")), *_most(value.get("max_replicas_per_node"))):
        rules.setdefault(f"{PREFIX}{rule}", []).append(text)
    return {label: ",".join(texts) for label, texts in rules.items()}


def join_rules(before: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """Both labels in one: rules of one kind count together, of any other label the later one."""
    both = {name for name in labels if name.startswith(PREFIX) and before.get(name)}
    return {**before, **labels, **{name: f"{before[name]},{labels[name]}" for name in both}}


def _constraints(value: Any) -> Iterator[tuple[str, str]]:
    for text in value_formats.as_texts(value or []):
        found = _CONSTRAINT.fullmatch(text.strip())
        value = found[3].strip() if found else ""
        if not value and not _ALWAYS_TRUE.fullmatch(text.strip()):
            why = f"`placement.constraints`: {text[:60]!r} cannot be checked here"
            raise UnsupportedPlacement(f"{why}: {_REMEDY}")
        if found is not None:
            yield HOST_LABEL if found[2] == "==" else f"{HOST_LABEL}_ne", f"{found[1]}={value}"


def _most(value: Any) -> Iterator[tuple[str, str]]:
    if value in {None, "", 0, "0"}:
        return
    if str(value) != "1":
        why = f"`placement.max_replicas_per_node`: {str(value)[:20]} is not supported"
        raise UnsupportedPlacement(f"{why}: write 1, which keeps its containers on different hosts, or leave it out")
    yield f"{CONTAINER_LABEL}_ne", _ITSELF
