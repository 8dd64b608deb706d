"""The groups of a directory's person, with the groups that those are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ldap
from django_auth_ldap.config import LDAPSearch
from ldap.filter import escape_filter_chars

from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.config import ActiveDirectoryProviderConfig, DirectoryProviderConfig
from apps.core import read_budgets

MAX_DEPTH = 10
BATCH = 50
IN_CHAIN = "1.2.840.113556.1.4.1941"  # Active Directory follows nested groups itself

Group = tuple[str, Any]


def groups_of(config: DirectoryProviderConfig, ldap_user: Any) -> list[Group]:
    """Every group of the person, direct or through other groups, each once."""
    if isinstance(config, ActiveDirectoryProviderConfig):
        return _search_groups(config, ldap_user, [f"(member:{IN_CHAIN}:={escape_filter_chars(ldap_user.dn)})"])
    found: dict[str, Group] = {}
    frontier = _search_groups(config, ldap_user, _direct_group_filters(config, ldap_user))
    for _level in range(MAX_DEPTH):
        new_groups = [group for group in frontier if group[0] not in found]
        found.update({group[0]: group for group in new_groups})
        if not new_groups or _lists_login_names(config):
            break
        frontier = _search_groups(
            config, ldap_user, [f"({config.group_member}={escape_filter_chars(dn)})" for dn, _ in new_groups]
        )
    return list(found.values())


def _lists_login_names(config: DirectoryProviderConfig) -> bool:
    """Whether groups list login names, which cannot nest, instead of DNs."""
    return config.group_member.lower() == "memberuid"


def _direct_group_filters(config: DirectoryProviderConfig, ldap_user: Any) -> list[str]:
    """Filters for the groups that list the person, and those that the person's own entry names."""
    logins = ldap_user.attrs.get(config.user_login) or []
    members = logins if _lists_login_names(config) else [ldap_user.dn]
    wanted = [f"({config.group_member}={escape_filter_chars(member)})" for member in members]
    if config.user_member.lower() == "gidnumber":
        wanted += [f"(gidNumber={escape_filter_chars(gid)})" for gid in ldap_user.attrs.get("gidNumber") or []]
    elif config.user_member.lower() in {"memberof", "ismemberof"}:
        named = ldap_user.attrs.get(config.user_member) or []
        wanted += [f"(entryDN={escape_filter_chars(dn)})" for dn in named]
    return wanted


def _search_groups(config: DirectoryProviderConfig, ldap_user: Any, wanted: Iterable[str]) -> list[Group]:
    terms: list[str] = list(wanted)
    found: list[Group] = []
    for start in range(0, len(terms), BATCH):
        listed = "".join(terms[start : start + BATCH])
        pattern = f"(&(objectClass={config.group_class})(|{listed}))".replace("%", "%%")
        search = LDAPSearch(config.base, ldap.SCOPE_SUBTREE, pattern, ["*", "+"])
        found += search.execute(ldap_user.connection)
        if len(found) > read_budgets.MAX_DIRECTORY_GROUPS:
            limit = f"{read_budgets.MAX_DIRECTORY_GROUPS:,}"
            raise DirectoryDown(f"The directory names more than {limit} groups of one person, which are not all read.")
    return found
