"""Compares our v1 schemas with a folder of reference schemas, role by role (`make schema-diff REF=folder`).

The folder has a file `<role>.json` for each role, a list of types as Rancher keeps them. The exit code is 1 while a
difference has no reason on record.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portal.boot.terminal import say

FIELDS_PAGE = Path(__file__).resolve().parents[2] / "docs/reference/v1-fields.md"
USAGE = "Give the folder with the reference's schemas, one <role>.json for each role: make schema-diff REF=<folder>."


def documented_fields(page: str) -> Iterator[tuple[list[str], list[str], list[str], str]]:
    """The table of `v1-fields.md`: types, fields that are missing here, fields that exist only here, and why."""
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| type "):
            types, missing, added, why = (cell.strip() for cell in line.strip("|").split("|"))
            yield types.split(", "), re.findall("`([^`]+)`", missing), re.findall("`([^`]+)`", added), why


def load_reference(folder: Path) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The reference's types by role."""
    return {path.stem: {each["id"]: each for each in json.loads(path.read_text())} for path in folder.glob("*.json")}


def our_schemas(role: str) -> dict[str, Mapping[str, Any]] | None:
    """Our types for one of the reference's roles; None for a role that nobody has here."""
    from apps.api.wire.context import caller_with_role
    from apps.api.wire.resource import visible_resources
    from apps.api.wire.roles import SITE_ROLES
    from apps.api.wire.schema import build_schema
    from apps.environments.roles import ROLES

    held = ROLES.get("owner" if role == "project" else role)  # the key of an environment
    if role not in SITE_ROLES and held is None:
        return None
    caller = caller_with_role(role if held is None else held)
    return {each.name: build_schema(each, caller) for each in visible_resources(caller)}


def _documented_reasons() -> Mapping[tuple[str, str], str]:
    return {
        (name, f"field {field}"): why
        for types, missing, added, why in documented_fields(FIELDS_PAGE.read_text())
        for name in types
        for field in (*missing, *added)
    }


def report(folder: Path, *, everything: bool) -> tuple[list[str], int]:
    """The lines to print, and how many differences have no reason."""
    from apps.api.differences.comparison import compare_schemas, roles_by_difference
    from apps.api.differences.reasons import reason_for

    by_role = {}
    for role, types in sorted(load_reference(folder).items()):
        ours = our_schemas(role)
        if ours is not None:
            by_role[role] = compare_schemas(types, ours)
    documented, lines, unexplained = _documented_reasons(), [], 0
    for difference, roles in roles_by_difference(by_role).items():
        why = documented.get((difference.type, difference.part)) or reason_for(difference)
        unexplained += not why
        if everything or not why:
            lines.append(f"{difference.type:<24} {difference} ({', '.join(roles)}){f'; {why}' if why else ''}")
    total = sum(len(each) for each in by_role.values())
    return [
        *lines,
        f"{total} differences over {len(by_role)} roles; kinds without a reason: {unexplained}.",
    ], unexplained


def main(arguments: list[str]) -> int:
    """Print the differences that no reason explains, or all with `--all`; the exit code."""
    folders = [Path(each) for each in arguments if not each.startswith("-")]
    if len(folders) != 1 or not any(folders[0].glob("*.json")):
        say(USAGE)
        return 2
    with tempfile.TemporaryDirectory() as data_dir:
        _set_up_django(data_dir)
        lines, unexplained = report(folders[0], everything="--all" in arguments)
    for line in lines:
        say(line)
    return 1 if unexplained else 0


def _set_up_django(data_dir: str) -> None:
    import django

    os.environ.update(DATA_DIR=data_dir, DJANGO_SETTINGS_MODULE="portal.settings.base")
    django.setup()
    from portal.boot.new_database import create_if_empty

    create_if_empty()  # the options of some fields are rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
