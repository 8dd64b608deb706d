"""The configuration types of login providers (`githubconfig`, `ldapconfig`, ...): one object each, derived from the
register of providers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.http import QueryDict

from apps.accounts.claims import IdentityClaim, normalize_dn
from apps.accounts.models import AuthProvider
from apps.accounts.provider_config import ConfigField
from apps.accounts.providers import services
from apps.accounts.providers.base import PasswordProvider
from apps.accounts.providers.known_identities import known_identities
from apps.accounts.providers.registry import AnyProvider, all_providers, provider_of
from apps.api.resources.identities import serialize_claim
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.resource import Action, Data, Resource, RowContext
from apps.api.wire.roles import TypeRoles

_COMMON_FIELDS = parse_fields("""
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
""")

_ISSUER_FIELDS = parse_fields("issuerChange enum cu :sameServer|otherServer")


def provider_fields(provider: AnyProvider) -> tuple[Field, ...]:
    """The v1 fields of a provider's configuration, then those that all of them have."""
    issuer = _ISSUER_FIELDS if provider.config_class.has_issuer else ()
    return (*(_field(each) for each in provider.config_class.config_fields()), *_COMMON_FIELDS, *issuer)


def _field(declared: ConfigField) -> Field:
    type_, *marks = declared.v1.split()
    field = parse_fields(" ".join((declared.name, type_, "cu", *marks)))[0]
    return replace(
        field,
        shown_once=declared.secret,
        default=(declared.default or None) if declared.is_advanced else None,
    )


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider and its configuration as people may see it."""

    provider: AuthProvider
    config: Data

    @property
    def display_state(self) -> str:
        """The state that v1 shows: a provider has no life cycle, only on, off and the trial between."""
        if self.provider.is_on_trial:
            return "on trial"
        return "on" if self.provider.accepts_logins else "off"


def describe_identities(allowed: Iterable[Data] | None) -> list[Data]:
    """A list of allowed identities with names, as far as those are known."""
    pairs = [(str(each["externalIdType"]), str(each["externalId"])) for each in allowed or ()]
    known = known_identities(pairs)
    return [serialize_claim(known.get((kind, normalize_dn(name)), IdentityClaim(kind, name))) for kind, name in pairs]


def _test(caller: ApiCaller, row: ProviderState, data: Data) -> Data:
    """Try somebody's own name and password against what is stored; nothing is changed."""
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
    return lambda context: None if context.row.config[name] == "" else context.row.config[name]


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

    Switching on one that takes passwords needs `login` and `password`: the caller's own, tried before anything is
    stored.
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
        return ProviderState(provider, {**services.masked_config(provider), **provider.config.effective_values()})

    def create(self, caller: ApiCaller, data: Data) -> tuple[ProviderState, Data]:
        """Set it; the secrets given are in this answer only."""
        self._set(caller, data, is_on=bool(data.get("enabled")))
        return self._row(), {name: data[name] for name in self._secrets() if data.get(name)}

    def update(self, caller: ApiCaller, row: ProviderState, data: Data) -> None:
        """Change what is named."""
        stored, secrets = row.provider.config.to_json(), self._secrets()
        current = {name: value for name, value in stored.items() if name not in secrets}
        self._set(caller, {**current, **data}, is_on=data.get("enabled", row.provider.accepts_logins))

    def _secrets(self) -> frozenset[str]:
        secrets: frozenset[str] = provider_of(self.kind).config_class.secret_names()
        return secrets

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
            "test": row.provider.pk is not None and isinstance(row.provider.login_provider, PasswordProvider),
            "confirm": row.provider.is_on_trial,
            "resync": row.provider.accepts_logins and not row.provider.is_on_trial,
        }[action]


def _computed_fields(names: Iterable[str]) -> dict[str, Callable[[RowContext], Any]]:
    return {
        **{name: _config_value(name) for name in names},
        "allowedIdentities": lambda context: describe_identities(context.row.config["allowedIdentities"]),
        "enabled": lambda context: context.row.provider.accepts_logins,
        "state": lambda context: context.row.display_state,
        "trialUntil": lambda context: context.row.provider.trial_until if context.row.provider.is_on_trial else None,
        "answeredAt": lambda context: context.row.provider.answered_at,
        "trouble": lambda context: context.row.provider.last_error or None,
        "issuerChange": lambda context: context.row.provider.pending_issuer_change or None,
        "name": lambda context: str(context.row.provider),
        "login": lambda _context: None,
        "password": lambda _context: None,
    }


def register_provider_type(provider: AnyProvider) -> type[ProviderConfigResource]:
    """Have the API serve the configuration of this provider."""
    fields = provider_fields(provider)
    declared = {
        "__doc__": f"How people log in through {provider.title}.",
        "name": provider.wire_type,
        "kind": provider.kind,
        "own_fields": fields,
        "computed": _computed_fields(field.name for field in fields),
    }
    return type(f"{provider.title.replace(' ', '')}ConfigResource", (ProviderConfigResource,), declared)


for _provider in all_providers():
    register_provider_type(_provider)
