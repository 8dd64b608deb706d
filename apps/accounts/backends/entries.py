"""Entries of a directory, read over a connection that is bound as the service account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ldap
from ldap.cidict import cidict

from apps.accounts.backends.directory import DirectoryDown
from apps.accounts.backends.ldap import EVERYTHING, options_of, reason_of, service_account, uri_of
from apps.accounts.spec import Directory


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory holds under a DN, and the connection over which more can be asked."""

    dn: str
    attrs: Any
    connection: Any


@contextmanager
def opened(config: Directory) -> Iterator[Any]:
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


def entries(connection: Any, base: str, scope: int, term: str, wanted: str, most: int) -> list[Entry]:
    """At most so many entries; what the server would have said beyond them is not waited for."""
    query = f"(&{wanted}{term})" if term else wanted
    found: list[Entry] = []
    message = connection.search_ext(base, scope, query, EVERYTHING)
    while len(found) < most:
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
        found += [Entry(dn, _decoded(attrs), connection) for dn, attrs in rows if dn is not None]
    connection.abandon_ext(message)
    return found


def _decoded(attrs: dict[str, list[bytes]]) -> Any:
    return cidict({name: [_text(value) for value in values] for name, values in attrs.items()})


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
