"""What a log-in provider is told (the v1 field sets and defaults) and what it says about a person: plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Invalid
from apps.core.fields import (
    WireObject,
    flag,
    integer,
    list_of,
    nested,
    option,
    text,
    wire,
)

LOCAL_IDENTITY_KIND = "rancher_id"
UNRESTRICTED, RESTRICTED, REQUIRED = "unrestricted", "restricted", "required"
PERSON_KINDS = {"github": "github_user", "ad": "ldap_user", "openldap": "openldap_user"}
GROUP_KINDS = frozenset({"github_org", "github_team", "ldap_group", "openldap_group"})
IDENTITY_KINDS = GROUP_KINDS | frozenset(PERSON_KINDS.values())
SECRETS = frozenset({"serviceAccountPassword", "clientSecret"})

_line = text(high=1024)
_attribute = text(
    low=1, high=128, pattern=r"[A-Za-z][A-Za-z0-9;.-]*", hint="an attribute's name has letters, digits and hyphens"
)


@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """One thing a provider says: this person, or a group, organization or team the person is in.

    `external_id` never changes (entryUUID, objectGUID, GitHub's number); `dn` is where a directory keeps it now.
    """

    kind: str
    external_id: str
    login: str = ""
    name: str = ""
    dn: str = ""

    @property
    def wire_id(self) -> str:
        """What v1 calls it: a directory's DN, everybody else's number."""
        return self.dn or self.external_id


@dataclass(frozen=True, slots=True)
class Claims:
    """A person whose password or code was right, and the groups; `token` is GitHub's, to ask for them again."""

    person: IdentityClaim
    groups: tuple[IdentityClaim, ...] = ()
    token: str = field(default="", repr=False)

    def names(self) -> set[tuple[str, str]]:
        """Everything that a member list or a list of allowed identities may call this person by."""
        return {pair for claim in (self.person, *self.groups) for pair in identity_keys(claim.kind, claim)}


def identity_keys(kind: str, known: Any) -> set[tuple[str, str]]:
    """The (kind, id) pairs that mean this claim or identity: by its lasting id, and by its DN."""
    ids = {known.external_id, normalize_dn(known.dn)} if known.dn else {known.external_id}
    return {(kind, normalize_dn(each)) for each in ids}


def normalize_dn(text: str) -> str:
    """A DN or id in the form in which two are compared: lower case, no blanks around commas and equal signs."""
    return re.sub(r"\s*([,=])\s*", r"\1", text.strip()).lower()


@dataclass(frozen=True, slots=True)
class AllowedIdentity(WireObject):
    """One identity on the list of those who may come in."""

    kind: str = wire("externalIdType", option(LOCAL_IDENTITY_KIND, *sorted(IDENTITY_KINDS)), required=True)
    external_id: str = wire("externalId", text(low=1, high=512), required=True)


@dataclass(frozen=True, slots=True)
class SiteAccess(WireObject):
    """What all providers have: who may come in."""

    access: str = wire("accessMode", option(UNRESTRICTED, RESTRICTED, REQUIRED), UNRESTRICTED)
    allowed: tuple[AllowedIdentity, ...] = wire("allowedIdentities", list_of(nested(AllowedIdentity)), ())

    def allowed_names(self) -> set[tuple[str, str]]:
        """The allowed identities, ready to compare."""
        return {(each.kind, normalize_dn(each.external_id)) for each in self.allowed}


@dataclass(frozen=True, slots=True)
class GithubProviderConfig(SiteAccess):
    """github.com, or an Enterprise server at `hostname`."""

    client_id: str = wire("clientId", text(low=1, high=255), "")
    client_secret: str = wire("clientSecret", text(low=1, high=255), "")
    hostname: str = wire("hostname", text(high=255, pattern=r"[A-Za-z0-9.:\[\]-]*", hint="a host name"), "")
    scheme: str = wire("scheme", option("https://", "http://"), "https://")

    def check(self) -> None:
        """Raise `Invalid` for what is missing."""
        _require_fields(self, "clientId", "clientSecret")

    @property
    def url(self) -> str:
        """Where people log in."""
        return f"{self.scheme}{self.hostname}/" if self.is_enterprise else "https://github.com/"

    @property
    def api_url(self) -> str:
        """Where its API is."""
        return f"{self.scheme}{self.hostname}/api/v3/" if self.is_enterprise else "https://api.github.com/"

    @property
    def is_enterprise(self) -> bool:
        """Whether this is somebody's own GitHub."""
        return self.hostname not in {"", "github.com", "www.github.com"}


@dataclass(frozen=True, slots=True)
class DirectoryProviderConfig(SiteAccess):
    """An LDAP directory; the defaults are OpenLDAP's."""

    server: str = wire("server", text(high=1024, pattern=r"[A-Za-z0-9.:,; _-]*", hint="host names"), "")
    port: int = wire("port", integer(1, 65535), 0)
    tls: bool = flag("tls")
    start_tls: bool = flag("startTls")
    ca: str = wire("caCertificate", text(high=65536), "")
    base: str = wire("domain", _line, "")
    login_domain: str = wire("loginDomain", _line, "")
    account: str = wire("serviceAccountUsername", _line, "")
    password: str = wire("serviceAccountPassword", _line, "")
    user_search: str = wire("userSearchField", _attribute, "uid")
    user_login: str = wire("userLoginField", _attribute, "uid")
    user_class: str = wire("userObjectClass", _attribute, "inetOrgPerson")
    user_name: str = wire("userNameField", _attribute, "givenName")
    user_enabled: str = wire("userEnabledAttribute", _attribute, "")
    disabled_mask: int = wire("userDisabledBitMask", integer(0, 2**31 - 1), 0)
    group_search: str = wire("groupSearchField", _attribute, "cn")
    group_class: str = wire("groupObjectClass", _attribute, "posixGroup")
    group_name: str = wire("groupNameField", _attribute, "cn")
    user_member: str = wire("userMemberAttribute", _attribute, "gidNumber")
    group_member: str = wire("groupMemberMappingAttribute", _attribute, "memberUid")
    timeout_ms: int = wire("connectionTimeout", integer(100, 60000), 1000)

    def check(self) -> None:
        """Raise `Invalid` for what is missing or contradicts itself."""
        _require_fields(self, "server", "domain", "serviceAccountUsername", "serviceAccountPassword")
        if self.tls and self.start_tls:
            raise Invalid("startTls", "InvalidOption", "Choose tls (a port of its own) or startTls, not both.")

    @property
    def servers(self) -> list[tuple[str, int]]:
        """The fail-over list: every host with its port, in order."""
        fallback = self.port or (636 if self.tls else 389)
        found = []
        for word in re.split(r"[,;\s]+", self.server.strip()):
            host, _colon, port = word.partition(":") if word.count(":") == 1 else (word, "", "")
            found.append((host, int(port) if port.isdigit() else fallback))
        return found

    @property
    def timeout(self) -> float:
        """Seconds to wait for each server, so that the whole list answers within four."""
        return max(0.2, min(self.timeout_ms / 1000, 3.5 / max(1, len(self.servers))))


@dataclass(frozen=True, slots=True)
class ActiveDirectoryProviderConfig(DirectoryProviderConfig):
    """Active Directory: the same fields, its own defaults."""

    user_search: str = wire("userSearchField", _attribute, "sAMAccountName")
    user_login: str = wire("userLoginField", _attribute, "sAMAccountName")
    user_class: str = wire("userObjectClass", _attribute, "person")
    user_name: str = wire("userNameField", _attribute, "name")
    user_enabled: str = wire("userEnabledAttribute", _attribute, "userAccountControl")
    disabled_mask: int = wire("userDisabledBitMask", integer(0, 2**31 - 1), 2)
    group_search: str = wire("groupSearchField", _attribute, "sAMAccountName")
    group_class: str = wire("groupObjectClass", _attribute, "group")
    group_name: str = wire("groupNameField", _attribute, "name")
    user_member: str = wire("userMemberAttribute", _attribute, "memberOf")
    group_member: str = wire("groupMemberMappingAttribute", _attribute, "memberOf")


LoginProviderConfig = GithubProviderConfig | DirectoryProviderConfig

CONFIGS: dict[str, type[GithubProviderConfig | DirectoryProviderConfig]] = {
    "github": GithubProviderConfig,
    "ad": ActiveDirectoryProviderConfig,
    "openldap": DirectoryProviderConfig,
}


def _require_fields(config: WireObject, *names: str) -> None:
    found = config.to_wire()
    for name in names:
        if not found[name]:
            raise Invalid(name, "MissingRequired", f"{name} is required.")


def read_config(kind: str, data: Mapping[str, Any], before: Mapping[str, Any]) -> LoginProviderConfig:
    """The checked configuration; a secret that is left out or blank stays what it was `before`.

    Raises `Invalid` for an unknown kind, and for the first field that is wrong or missing.
    """
    if kind not in CONFIGS:
        raise Invalid("kind", "InvalidOption", f"kind is one of {', '.join(CONFIGS)}.")
    given = {name: value for name, value in data.items() if value != "" or name not in SECRETS}
    stored_secrets = {name: before[name] for name in SECRETS if before.get(name) and given.get(name) is None}
    config = CONFIGS[kind].from_wire({**given, **stored_secrets})
    config.check()
    return config
