"""Labels of a template that cannot be followed: left out with a warning.

What is launched by hand is refused with them. A template is somebody else's: what else it does still works, as it did
in Rancher, which followed no rule that it did not know.
"""

from __future__ import annotations

import re

from apps.containers.launch.unsupported import UNSUPPORTED_LABELS
from apps.hosts.affinity import is_unknown_rule

_ENTRY = re.compile(
    r"""\s*(?:-\s+)?(?P<quote>["']?)(?P<name>io\.rancher\.[\w.:-]+)(?:(?P=quote)\s*:\s|\s*=)\s*(?P<value>[^#\n]*)(?:\#.*)?"""
)
_OFF = frozenset({"false", "no", "off", "0", ""})
KEY_REMEDY = (
    "as no container is given a key: make an API key, and hand it over in the variables CATTLE_URL, "
    "CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY"
)
RULE_REMEDY = "as there is no such rule: host_label, container_label and container take _ne, _soft and _soft_ne"


def without_unsupported_labels(text: str) -> tuple[str, tuple[str, ...]]:
    """Empty the lines of such labels, and say which."""
    warnings: list[str] = []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        found = _ENTRY.fullmatch(line) if "io.rancher." in line else None
        remedy = _remedy(found["name"], found["value"]) if found else ""
        if found and remedy:
            lines[at] = ""
            warnings.append(f"line {at + 1}: the label {found['name']} is left out, {remedy}.")
    return ("\n".join(lines) + "\n" if warnings else text), tuple(warnings)


def _remedy(name: str, value: str) -> str:
    name = name.rstrip(":")
    if name in UNSUPPORTED_LABELS:
        return "" if value.strip("'\" ").lower() in _OFF else KEY_REMEDY
    return RULE_REMEDY if is_unknown_rule(name) else ""
