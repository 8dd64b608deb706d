"""The configuration of a directory: how it is reached, and what its attributes and classes are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from apps.accounts.provider_config import ChoiceGroup, ProviderConfig, config_field
from apps.core.errors import Invalid
from apps.core.fields import boolean, integer, text

ENCRYPTION = ChoiceGroup("encryption", "Encryption")

_line = text(high=1024)
_servers = text(high=1024, pattern=r"[A-Za-z0-9.:,; _-]*", hint="host names")
_check_attribute = text(
    low=1, high=128, pattern=r"[A-Za-z][A-Za-z0-9;.-]*", hint="an attribute's name has letters, digits and hyphens"
)


_ATTRIBUTES = {
    "userSearchField": ("Person: search attribute", "string 1..128 ~"),
    "userLoginField": ("Person: log-in attribute", "string 1..128 ~"),
    "userObjectClass": ("Person: object class", "string 1..128 ~"),
    "userNameField": ("Person: name attribute", "string 1..128 ~"),
    "userEnabledAttribute": ("Person: status attribute", "string 0..128"),
    "userMemberAttribute": ("Person: groups attribute", "string 1..128"),
    "groupSearchField": ("Group: search attribute", "string 1..128 ~"),
    "groupObjectClass": ("Group: object class", "string 1..128 ~"),
    "groupNameField": ("Group: name attribute", "string 1..128 ~"),
    "groupMemberMappingAttribute": ("Group: members attribute", "string 1..128"),
}


def _attribute(name: str, default: str) -> Any:
    """The name of an attribute or of an object class: folded away, because the defaults fit most directories."""
    label, v1 = _ATTRIBUTES[name]
    return config_field(name, _check_attribute, default, label=label, v1=v1, section="advanced")


def _encryption(name: str, label: str) -> Any:
    return config_field(name, boolean, default=False, label=label, v1="boolean", section=ENCRYPTION)


def _disabled_mask(default: int) -> Any:
    return config_field(
        "userDisabledBitMask",
        integer(0, 2**31 - 1),
        default,
        label="Person: status bits when off",
        v1=f"int 0..{2**31 - 1}",
        section="advanced",
    )


@dataclass(frozen=True, slots=True)
class DirectoryProviderConfig(ProviderConfig):
    """An LDAP directory; the defaults are OpenLDAP's."""

    server: str = config_field("server", _servers, label="Servers", v1="string * ~ 1..1024", required=True, size="wide")
    port: int = config_field("port", integer(1, 65535), 0, label="Port", v1="int 1..65535")
    tls: bool = _encryption("tls", "TLS on a port of its own")
    start_tls: bool = _encryption("startTls", "StartTLS")
    ca: str = config_field(
        "caCertificate",
        text(high=65536),
        label="Its certificate authority",
        hint="PEM; empty: those of the system",
        v1="string 0..65536",
        size="area",
    )
    base: str = config_field("domain", _line, label="Search base", v1="string * ~ 1..1024", required=True, size="wide")
    login_domain: str = config_field("loginDomain", _line, label="Log-in domain", v1="string 0..1024")
    account: str = config_field(
        "serviceAccountUsername", _line, label="Service account", v1="string * ~ 1..1024", required=True, size="wide"
    )
    password: str = config_field(
        "serviceAccountPassword",
        _line,
        label="Service account password",
        v1="string 1..1024",
        required=True,
        secret=True,
    )
    timeout_ms: int = config_field(
        "connectionTimeout",
        integer(100, 60000),
        1000,
        label="Patience, in ms",
        v1="int 100..60000 ~",
        section="advanced",
    )
    user_search: str = _attribute("userSearchField", "uid")
    user_login: str = _attribute("userLoginField", "uid")
    user_class: str = _attribute("userObjectClass", "inetOrgPerson")
    user_name: str = _attribute("userNameField", "givenName")
    user_enabled: str = _attribute("userEnabledAttribute", "")
    disabled_mask: int = _disabled_mask(0)
    user_member: str = _attribute("userMemberAttribute", "gidNumber")
    group_search: str = _attribute("groupSearchField", "cn")
    group_class: str = _attribute("groupObjectClass", "posixGroup")
    group_name: str = _attribute("groupNameField", "cn")
    group_member: str = _attribute("groupMemberMappingAttribute", "memberUid")

    def check(self) -> None:
        """Raise `Invalid` for what is missing or contradicts itself."""
        super(DirectoryProviderConfig, self).check()  # slots=True makes a new class, which a bare super() does not know
        if self.tls and self.start_tls:
            raise Invalid("startTls", "InvalidOption", "Choose tls (a port of its own) or startTls, not both.")

    def effective_values(self) -> dict[str, Any]:
        """The port in use where none was given."""
        return {"port": self.port or self.default_port}

    @property
    def default_port(self) -> int:
        """LDAP's well-known port, with or without TLS from the first byte."""
        return 636 if self.tls else 389

    @property
    def servers(self) -> list[tuple[str, int]]:
        """The fail-over list: every host with its port, in order."""
        fallback = self.port or self.default_port
        found = []
        for word in re.split(r"[,;\s]+", self.server.strip()):
            host, _colon, port = word.partition(":") if word.count(":") == 1 else (word, "", "")
            found.append((host, int(port) if re.fullmatch("[0-9]{1,5}", port) else fallback))
        return found

    @property
    def timeout(self) -> float:
        """Seconds to wait for each server, so that the whole list answers within four."""
        return max(0.2, min(self.timeout_ms / 1000, 3.5 / max(1, len(self.servers))))


@dataclass(frozen=True, slots=True)
class ActiveDirectoryProviderConfig(DirectoryProviderConfig):
    """Active Directory: the same fields, its own defaults."""

    user_search: str = _attribute("userSearchField", "sAMAccountName")
    user_login: str = _attribute("userLoginField", "sAMAccountName")
    user_class: str = _attribute("userObjectClass", "person")
    user_name: str = _attribute("userNameField", "name")
    user_enabled: str = _attribute("userEnabledAttribute", "userAccountControl")
    disabled_mask: int = _disabled_mask(2)
    user_member: str = _attribute("userMemberAttribute", "memberOf")
    group_search: str = _attribute("groupSearchField", "sAMAccountName")
    group_class: str = _attribute("groupObjectClass", "group")
    group_name: str = _attribute("groupNameField", "name")
    group_member: str = _attribute("groupMemberMappingAttribute", "memberOf")
