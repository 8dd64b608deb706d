"""OpenLDAP and Active Directory as login providers; the LDAP library is loaded on first need."""

from __future__ import annotations

import ssl
from typing import ClassVar, Protocol, TypeVar

from django.utils.translation import gettext as _

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.providers.base import PasswordProvider
from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.config import ActiveDirectoryProviderConfig, DirectoryProviderConfig
from apps.accounts.providers.ldap.servers import tls_context
from apps.core.errors import Invalid

DirectoryConfigT = TypeVar("DirectoryConfigT", bound=DirectoryProviderConfig)


class DirectoryReader(Protocol):
    """The queries that a directory answers: the functions of `ldap.lookup`."""

    def identify(
        self, kinds: IdentityKinds, config: DirectoryProviderConfig, login: str, password: str
    ) -> Claims | None:
        """The person with this name and password."""

    def person(self, kinds: IdentityKinds, config: DirectoryProviderConfig, external_id: str) -> Claims | str:
        """What is true now of a person, or why they are out."""

    def by_id(
        self, kinds: IdentityKinds, config: DirectoryProviderConfig, identity_kind: str, external_id: str
    ) -> IdentityClaim | None:
        """The person or group of this immutable id or DN."""

    def by_name(
        self, kinds: IdentityKinds, config: DirectoryProviderConfig, text: str, limit: int, *, exact: bool
    ) -> list[IdentityClaim]:
        """The people and groups called so."""


def load_reader() -> DirectoryReader:
    """The module that reads directories; raises `DirectoryDown` where the LDAP library is not installed."""
    try:
        from apps.accounts.providers.ldap import lookup
    except ImportError:
        raise DirectoryDown(
            "LDAP support is not installed here (requirements-ldap.txt); use another way to log in."
        ) from None
    return lookup


class DirectoryProvider(PasswordProvider[DirectoryConfigT]):
    """What all directories have in common; they differ in the defaults of their configurations."""

    def preflight(self, config: DirectoryConfigT) -> None:
        """Also refuse a certificate authority that cannot be parsed."""
        super().preflight(config)
        if not config.ca:
            return
        try:
            tls_context(config)
        except (ssl.SSLError, ValueError):
            raise Invalid(
                "caCertificate", "InvalidFormat", _("caCertificate must be one or more certificates in PEM form.")
            ) from None

    def authenticate(self, config: DirectoryConfigT, login: str, password: str) -> Claims | None:
        """Search for the person with the service account, then bind as the person."""
        return load_reader().identify(self.identity_kinds, config, login, password)

    def search(
        self,
        config: DirectoryConfigT,
        text: str,
        limit: int,
        *,
        exact: bool,
        token: str,  # noqa: ARG002 - directories give no tokens
    ) -> list[IdentityClaim]:
        """People and groups by the attributes that hold their names."""
        return load_reader().by_name(self.identity_kinds, config, text, limit, exact=exact)

    def lookup(self, config: DirectoryConfigT, identity_kind: str, external_id: str) -> IdentityClaim | None:
        """An entry by entryUUID, objectGUID or DN."""
        return load_reader().by_id(self.identity_kinds, config, identity_kind, external_id)

    def resync(self, config: DirectoryConfigT, external_id: str, token: str) -> Claims | str:  # noqa: ARG002 - as above
        """What the service account reads about the person."""
        return load_reader().person(self.identity_kinds, config, external_id)


class OpenLdapProvider(DirectoryProvider[DirectoryProviderConfig]):
    """OpenLDAP, and other directories."""

    kind = "openldap"
    title = "OpenLDAP"
    wire_type = "openldapconfig"
    identity_kinds: ClassVar[IdentityKinds] = IdentityKinds("openldap_user", ("openldap_group",))
    config_class = DirectoryProviderConfig


class ActiveDirectoryProvider(DirectoryProvider[ActiveDirectoryProviderConfig]):
    """Active Directory."""

    kind = "ad"
    title = "Active Directory"
    wire_type = "ldapconfig"
    identity_kinds: ClassVar[IdentityKinds] = IdentityKinds("ldap_user", ("ldap_group",))
    config_class = ActiveDirectoryProviderConfig
