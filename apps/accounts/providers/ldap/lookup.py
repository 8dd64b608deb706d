"""Reads a directory with its service account: a person by the immutable id, people and groups by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ldap
from ldap.cidict import cidict
from ldap.filter import escape_filter_chars

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.authentication import (
    ALL_ATTRIBUTES,
    claims_of,
    group_claim,
    identify,
    is_disabled,
    options_of,
    person_claim,
    reason_of,
    service_account,
    uri_of,
)
from apps.accounts.providers.ldap.config import DirectoryProviderConfig
from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, ReadMeter

__all__ = ["by_id", "by_name", "identify", "person"]


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """What a directory holds under a DN, and the open connection for further queries."""

    dn: str
    attrs: Any
    connection: Any


@contextmanager
def open_connection(config: DirectoryProviderConfig) -> Iterator[Any]:
    """A connection bound as the service account; raises `DirectoryDown` with the reason, also for later failures."""
    connection = ldap.initialize(uri_of(config))
    try:
        for option, value in options_of(config).items():
            connection.set_option(option, value)
        if config.start_tls:
            connection.start_tls_s()
        connection.simple_bind_s(service_account(config), config.password)
        yield connection
    except ldap.LDAPError as error:
        raise DirectoryDown(f"The directory cannot be asked: {reason_of(error)}.") from error
    finally:
        with suppress(ldap.LDAPError):
            connection.unbind_s()


def search_entries(connection: Any, base: str, scope: int, term: str, wanted: str, limit: int) -> list[DirectoryEntry]:
    """At most `limit` entries; the rest of the server's answer is abandoned, not waited for.

    Raises `DirectoryDown` beyond the budget: each message has a time-out of its own, and there may be any number.
    """
    query = f"(&{wanted}{term})" if term else wanted
    found: list[DirectoryEntry] = []
    meter = ReadMeter(read_budgets.DIRECTORY_SEARCH)
    message = connection.search_ext(base, scope, query, ALL_ATTRIBUTES)
    while len(found) < limit:
        try:
            word, rows = connection.result(message, 0)
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            if scope == ldap.SCOPE_BASE:
                return []
            raise
        except ldap.SIZELIMIT_EXCEEDED:
            return found
        if word == ldap.RES_SEARCH_RESULT:
            return found
        _count_entries(meter, rows)
        found += [DirectoryEntry(dn, _decode_attributes(attrs), connection) for dn, attrs in rows if dn is not None]
    connection.abandon_ext(message)
    return found


def _count_entries(meter: ReadMeter, rows: Any) -> None:
    values = (value for dn, attrs in rows if dn is not None for each in attrs.values() for value in each)
    try:
        meter.count(sum(map(len, values)))
        meter.timeout()
    except OverBudget as error:
        raise DirectoryDown(f"The directory {error}") from None


def _decode_attributes(attrs: dict[str, list[bytes]]) -> Any:
    return cidict({name: [_decode_value(value) for value in values] for name, values in attrs.items()})


def _decode_value(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def person(kinds: IdentityKinds, config: DirectoryProviderConfig, external_id: str) -> Claims | str:
    """What the directory says now about the person of this immutable id; a text says why they may not log in."""
    with open_connection(config) as connection:
        found = search_entries(connection, *_search_scope(config, external_id), f"(objectClass={config.user_class})", 1)
        if not found:
            return "The directory does not know this person any more."
        if is_disabled(config, found[0].attrs):
            return "This person is disabled in the directory."
        return claims_of(kinds, config, found[0])


def by_id(
    kinds: IdentityKinds, config: DirectoryProviderConfig, identity_kind: str, external_id: str
) -> IdentityClaim | None:
    """The person or group of this immutable id or DN."""
    is_person = identity_kind == kinds.person
    wanted = f"(objectClass={config.user_class if is_person else config.group_class})"
    with open_connection(config) as connection:
        found = search_entries(connection, *_search_scope(config, external_id), wanted, 1)
    make = person_claim if is_person else group_claim
    return make(kinds, config, found[0].dn, found[0].attrs) if found else None


def by_name(
    kinds: IdentityKinds, config: DirectoryProviderConfig, text: str, limit: int, *, exact: bool
) -> list[IdentityClaim]:
    """The people and groups called `text`, or with it in their names."""
    part = escape_filter_chars(text) if exact else f"*{escape_filter_chars(text)}*"
    people = {config.user_search, config.user_login, config.user_name}
    groups = {config.group_search, config.group_name}
    with open_connection(config) as connection:
        tree = (config.base, ldap.SCOPE_SUBTREE, "")
        person_entries = search_entries(connection, *tree, _name_filter(config.user_class, people, part), limit)
        group_entries = search_entries(connection, *tree, _name_filter(config.group_class, groups, part), limit)
    return [
        *(person_claim(kinds, config, each.dn, each.attrs) for each in person_entries),
        *(group_claim(kinds, config, each.dn, each.attrs) for each in group_entries),
    ]


def _name_filter(object_class: str, attributes: set[str], part: str) -> str:
    names = "".join(f"({attribute}={part})" for attribute in sorted(attributes))
    return f"(&(objectClass={object_class})(|{names}))"


def _search_scope(config: DirectoryProviderConfig, external_id: str) -> tuple[str, int, str]:
    """Base, scope and filter of a search by id: the whole tree for an immutable id, else the entry at that DN."""
    try:
        guid = uuid.UUID(external_id)
    except ValueError:
        return external_id, ldap.SCOPE_BASE, ""
    raw = "".join(f"\\{byte:02x}" for byte in guid.bytes_le)
    return config.base, ldap.SCOPE_SUBTREE, f"(|(entryUUID={guid})(objectGUID={raw}))"
