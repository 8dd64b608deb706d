"""Searching texts and every database column for secrets, in plain and in every encoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db import connection

from apps.core.redact import encoded_forms


def found_in(text: str, secrets: Mapping[str, str]) -> list[str]:
    """The names of the secrets contained in `text`: plain, base64, URL-encoded or escaped."""
    return [name for name, secret in secrets.items() if any(form in text for form in encoded_forms(secret))]


def found_in_database(secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """The tables that contain a secret as stored: `table: names`."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)}):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
            names = found_in("\n".join(str(row) for row in cursor.fetchall()), secrets)
            if names:
                found[table] = names
    return found


def without_fields(value: Any, names: Iterable[str]) -> Any:
    """A copy of a response without fields of these names, at any depth."""
    left = set(names)
    if isinstance(value, Mapping):
        return {key: without_fields(each, left) for key, each in value.items() if key not in left}
    return [without_fields(each, left) for each in value] if isinstance(value, list) else value


def walk_api(api: Any, plurals: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Everything that a caller can read: each list, and each resource in it with the targets of its links."""
    for plural in plurals:
        listed = api.get(f"{plural}?limit=200")
        yield plural, listed.body
        for each in (listed.body or {}).get("data", [])[:6] if listed.status == 200 else []:
            for name, link in each.get("links", {}).items():
                yield f"{plural}/{each['id']}/{name}", api.get(link).body
