"""`githubconfig`, `ldapconfig`, `openldapconfig`: how people log in through others, one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.http import QueryDict

from apps.accounts.models import AuthProvider
from apps.accounts.provider_config import (
    SECRETS,
    ActiveDirectoryProviderConfig,
    DirectoryProviderConfig,
    IdentityClaim,
    normalize_dn,
)
from apps.accounts.providers import services
from apps.accounts.providers.known_identities import known_identities
from apps.api.resources.identities import serialize_claim
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Resource,
    RowContext,
)
from apps.api.wire.roles import TypeRoles

_COMMON_FIELDS = """
    name              string          r
    enabled           boolean         cu
    accessMode        enum            cu =unrestricted :restricted|unrestricted|required ~
    allowedIdentities array[identity] cu
    state             string          r
    trialUntil        date            r
    answeredAt        date            r
    trouble           string          r
    login             string          cu
    password          password        cu !
"""

GITHUB_FIELDS = f"""
    clientId     string cu 1..255
    clientSecret string cu ! 1..255
    hostname     string cu 0..255
    scheme       string cu 0..16
    {_COMMON_FIELDS}
"""

DIRECTORY_FIELDS = f"""
    server                      string cu * ~ 1..1024
    port                        int    cu 1..65535
    tls                         boolean cu
    startTls                    boolean cu
    caCertificate               string cu 0..65536
    domain                      string cu * ~ 1..1024
    loginDomain                 string cu 0..1024
    serviceAccountUsername      string cu * ~ 1..1024
    serviceAccountPassword      string cu ! 1..1024
    connectionTimeout           int    cu 100..60000 =1000 ~
    userSearchField             string cu 1..128 ~
    userLoginField              string cu 1..128 ~
    userObjectClass             string cu 1..128 ~
    userNameField               string cu 1..128 ~
    userEnabledAttribute        string cu 0..128
    userDisabledBitMask         int    cu 0..2147483647
    userMemberAttribute         string cu 1..128
    groupSearchField            string cu 1..128 ~
    groupObjectClass            string cu 1..128 ~
    groupNameField              string cu 1..128 ~
    groupMemberMappingAttribute string cu 1..128
    {_COMMON_FIELDS}
"""

LDAP_DEFAULTS = ActiveDirectoryProviderConfig().to_wire()
OPENLDAP_DEFAULTS = DirectoryProviderConfig().to_wire()
_DEFAULTED_PREFIXES = ("user", "group")


def directory_fields(defaults: Mapping[str, object]) -> tuple[Field, ...]:
    """A directory's fields, with the defaults of its kind for the names of attributes and classes."""
    return tuple(
        replace(field, default=defaults[field.name] or None) if field.name.startswith(_DEFAULTED_PREFIXES) else field
        for field in parse_fields(DIRECTORY_FIELDS)
    )


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider and its configuration as people may see it."""

    provider: AuthProvider
    config: Data

    @property
    def display_state(self) -> str:
        """How it is."""
        if self.provider.is_on_trial:
            return "on trial"
        return "on" if self.provider.accepts_logins else "off"


def describe_identities(allowed: Iterable[Data] | None) -> list[Data]:
    """A list of allowed identities with names, as far as those are known."""
    pairs = [(str(each["externalIdType"]), str(each["externalId"])) for each in allowed or ()]
    known = known_identities(pairs)
    return [serialize_claim(known.get((kind, normalize_dn(name)), IdentityClaim(kind, name))) for kind, name in pairs]


def _test(caller: ApiCaller, row: ProviderState, data: Data) -> Data:
    """Somebody's own name and password against what is stored; nothing is changed."""
    tested = services.provider_test(
        row.provider.kind, data.get("login", ""), data.get("password", ""), actor=caller.actor
    )
    details = [serialize_claim(each) for each in (tested.claims.person, *tested.claims.groups)] if tested.claims else []
    return {"type": "providerTest", "works": bool(tested), "reason": tested.reason, "identities": details}


def _confirm(caller: ApiCaller, row: ProviderState, _data: Data) -> None:
    services.provider_confirm(row.provider.kind, actor=caller.actor)


def _resync(caller: ApiCaller, row: ProviderState, _data: Data) -> None:
    services.provider_resync(row.provider.kind, actor=caller.actor)


def _config_value(name: str) -> Callable[[RowContext], Any]:
    return lambda context: None if name in SECRETS or context.row.config[name] == "" else context.row.config[name]


class ProviderTestInputResource(EmbeddedResource):
    """The credentials that a provider's configuration is tested with."""

    name = "providerTestInput"
    roles = TypeRoles(admin="cr")
    own_fields = parse_fields("""
        login    string   c *
        password password c *
    """)


class ProviderConfigResource(Resource):
    """One provider; POST sets it, PUT changes what it names, `enabled` switches it on or off.

    Switching a directory on takes `login` and `password`: the asker's own, tried before anything is stored.
    """

    kind: ClassVar[str]
    roles = TypeRoles(admin="cru")
    sortable = False
    custom_actions = {
        "test": Action(_test, "providerTestInput", "providerTest", "admin"),
        "confirm": Action(_confirm, permission="admin"),
        "resync": Action(_resync, permission="admin"),
    }

    def key_of(self, row: ProviderState) -> str:  # noqa: ARG002 - there is one of each
        """The type's own name."""
        return self.name

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[ProviderState]:  # noqa: ARG002 - the base's signature
        """The one there is, also before anybody set it."""
        return [self._row()]

    def find(self, caller: ApiCaller, key: int | str | None) -> ProviderState | None:  # noqa: ARG002 - the base's signature
        """The one there is."""
        return self._row() if key == self.name else None

    def _row(self) -> ProviderState:
        provider = services.provider_by_kind(self.kind)
        return ProviderState(provider, services.masked_config(provider))

    def create(self, caller: ApiCaller, data: Data) -> tuple[ProviderState, Data]:
        """Set it; the secrets given are in this answer only."""
        self._set(caller, data, is_on=bool(data.get("enabled")))
        return self._row(), {name: data[name] for name in SECRETS if data.get(name)}

    def update(self, caller: ApiCaller, row: ProviderState, data: Data) -> None:
        """Change what is named."""
        current = {name: value for name, value in row.provider.config.to_json().items() if name not in SECRETS}
        self._set(caller, {**current, **data}, is_on=data.get("enabled", row.provider.accepts_logins))

    def _set(self, caller: ApiCaller, data: Data, *, is_on: bool) -> None:
        was_on = services.provider_by_kind(self.kind).accepts_logins
        login, password = data.pop("login", ""), data.pop("password", "")
        if is_on and not (was_on and not login):
            services.provider_enable(self.kind, actor=caller.actor, login=login, password=password, data=data)
            return
        services.provider_save(self.kind, data, actor=caller.actor)
        if was_on and not is_on:
            services.provider_disable(self.kind, actor=caller.actor)

    def is_offered(self, row: ProviderState, action: str) -> bool:
        """Whether the action is possible now."""
        return {
            "test": row.provider.pk is not None and self.kind != "github",
            "confirm": row.provider.is_on_trial,
            "resync": row.provider.accepts_logins and not row.provider.is_on_trial,
        }[action]


def _effective_port(context: RowContext) -> int:
    """The port in use where none was given."""
    return int(context.row.config["port"] or (636 if context.row.config["tls"] else 389))


def _computed_fields(names: Iterable[str]) -> dict[str, Callable[[RowContext], Any]]:
    return {
        **{name: _config_value(name) for name in names},
        "allowedIdentities": lambda context: describe_identities(context.row.config["allowedIdentities"]),
        "enabled": lambda context: context.row.provider.accepts_logins,
        "state": lambda context: context.row.display_state,
        "trialUntil": lambda context: context.row.provider.trial_until if context.row.provider.is_on_trial else None,
        "answeredAt": lambda context: context.row.provider.answered_at,
        "trouble": lambda context: context.row.provider.last_error or None,
        "name": lambda context: str(context.row.provider),
        "login": lambda _context: None,
        "password": lambda _context: None,
    }


class GithubConfigResource(ProviderConfigResource):
    """github.com, or an Enterprise server."""

    name, kind = "githubconfig", "github"
    own_fields = parse_fields(GITHUB_FIELDS)
    computed = _computed_fields(field.name for field in parse_fields(GITHUB_FIELDS))


class LdapConfigResource(ProviderConfigResource):
    """Active Directory."""

    name, kind = "ldapconfig", "ad"
    own_fields = directory_fields(LDAP_DEFAULTS)
    computed = {**_computed_fields(field.name for field in parse_fields(DIRECTORY_FIELDS)), "port": _effective_port}


class OpenLdapConfigResource(ProviderConfigResource):
    """OpenLDAP, and other directories."""

    name, kind = "openldapconfig", "openldap"
    own_fields = directory_fields(OPENLDAP_DEFAULTS)
    computed = {**_computed_fields(field.name for field in parse_fields(DIRECTORY_FIELDS)), "port": _effective_port}
