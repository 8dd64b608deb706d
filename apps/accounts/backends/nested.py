"""The groups of a directory's person, with the groups that those are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ldap
from django_auth_ldap.config import LDAPSearch
from ldap.filter import escape_filter_chars

from apps.accounts.spec import ActiveDirectory, Directory

DEEPEST = 10
BATCH = 50
IN_CHAIN = "1.2.840.113556.1.4.1941"  # Active Directory follows nested groups itself

Group = tuple[str, Any]


def groups_of(config: Directory, ldap_user: Any) -> list[Group]:
    """Every group of the person, direct or through other groups, each once."""
    if isinstance(config, ActiveDirectory):
        return _find(config, ldap_user, [f"(member:{IN_CHAIN}:={escape_filter_chars(ldap_user.dn)})"])
    found: dict[str, Group] = {}
    edge = _find(config, ldap_user, _direct(config, ldap_user))
    for _level in range(DEEPEST):
        fresh = [group for group in edge if group[0] not in found]
        found.update({group[0]: group for group in fresh})
        if not fresh or _names_people(config):
            break
        edge = _find(config, ldap_user, [f"({config.group_member}={escape_filter_chars(dn)})" for dn, _ in fresh])
    return list(found.values())


def _names_people(config: Directory) -> bool:
    """Whether groups list log-in names, which cannot nest, instead of DNs."""
    return config.group_member.lower() == "memberuid"


def _direct(config: Directory, ldap_user: Any) -> list[str]:
    """Filters for the groups that list the person, and those that the person's own entry names."""
    logins = ldap_user.attrs.get(config.user_login) or []
    members = logins if _names_people(config) else [ldap_user.dn]
    wanted = [f"({config.group_member}={escape_filter_chars(member)})" for member in members]
    if config.user_member.lower() == "gidnumber":
        wanted += [f"(gidNumber={escape_filter_chars(gid)})" for gid in ldap_user.attrs.get("gidNumber") or []]
    elif config.user_member.lower() in {"memberof", "ismemberof"}:
        named = ldap_user.attrs.get(config.user_member) or []
        wanted += [f"(entryDN={escape_filter_chars(dn)})" for dn in named]
    return wanted


def _find(config: Directory, ldap_user: Any, wanted: Iterable[str]) -> list[Group]:
    terms, found = list(wanted), []
    for start in range(0, len(terms), BATCH):
        listed = "".join(terms[start : start + BATCH])
        pattern = f"(&(objectClass={config.group_class})(|{listed}))".replace("%", "%%")
        search = LDAPSearch(config.base, ldap.SCOPE_SUBTREE, pattern, ["*", "+"])
        found += search.execute(ldap_user.connection)
    return found
