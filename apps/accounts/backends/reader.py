"""Reading a directory with its service account: a person by the lasting id, people and groups by their names."""

from __future__ import annotations

import uuid

import ldap
from ldap.filter import escape_filter_chars

from apps.accounts.backends.entries import entries, opened
from apps.accounts.backends.ldap import claims_of, group_claim, identify, is_disabled, person_claim
from apps.accounts.spec import PERSON_KINDS, Claim, Claims, Directory

__all__ = ["by_id", "by_name", "identify", "person"]


def person(kind: str, config: Directory, external_id: str) -> Claims | str:
    """What the directory says now about the person of this lasting id; a text says why the person is out."""
    with opened(config) as connection:
        found = entries(connection, *_place(config, external_id), f"(objectClass={config.user_class})", 1)
        if not found:
            return "The directory does not know this person any more."
        if is_disabled(config, found[0].attrs):
            return "This person is disabled in the directory."
        return claims_of(kind, config, found[0])


def by_id(kind: str, config: Directory, identity_kind: str, external_id: str) -> Claim | None:
    """The person or group of this lasting id or DN."""
    is_person = identity_kind == PERSON_KINDS[kind]
    wanted = f"(objectClass={config.user_class if is_person else config.group_class})"
    with opened(config) as connection:
        found = entries(connection, *_place(config, external_id), wanted, 1)
    make = person_claim if is_person else group_claim
    return make(kind, config, found[0].dn, found[0].attrs) if found else None


def by_name(kind: str, config: Directory, text: str, most: int, *, exact: bool) -> list[Claim]:
    """The people and groups called `text`, or with it in their names."""
    part = escape_filter_chars(text) if exact else f"*{escape_filter_chars(text)}*"
    people = {config.user_search, config.user_login, config.user_name}
    groups = {config.group_search, config.group_name}
    with opened(config) as connection:
        tree = (config.base, ldap.SCOPE_SUBTREE, "")
        persons = entries(connection, *tree, _named(config.user_class, people, part), most)
        crowds = entries(connection, *tree, _named(config.group_class, groups, part), most)
    return [
        *(person_claim(kind, config, each.dn, each.attrs) for each in persons),
        *(group_claim(kind, config, each.dn, each.attrs) for each in crowds),
    ]


def _named(object_class: str, attributes: set[str], part: str) -> str:
    names = "".join(f"({attribute}={part})" for attribute in sorted(attributes))
    return f"(&(objectClass={object_class})(|{names}))"


def _place(config: Directory, external_id: str) -> tuple[str, int, str]:
    """Where to look, how deep, and for which id: everywhere for one that lasts, else at the DN itself."""
    try:
        guid = uuid.UUID(external_id)
    except ValueError:
        return external_id, ldap.SCOPE_BASE, ""
    raw = "".join(f"\\{byte:02x}" for byte in guid.bytes_le)
    return config.base, ldap.SCOPE_SUBTREE, f"(|(entryUUID={guid})(objectGUID={raw}))"
