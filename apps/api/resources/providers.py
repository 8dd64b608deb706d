"""`githubconfig`, `ldapconfig`, `openldapconfig`: how people log in through others, one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import QueryDict

from apps.accounts import admin
from apps.accounts.backends.names import names_known
from apps.accounts.models import AuthProvider
from apps.accounts.spec import SECRETS, Claim, plain_dn
from apps.api.resources.identities import plain
from apps.api.resources.providers_fields import DIRECTORY, GITHUB, LDAP_DEFAULTS, OPENLDAP_DEFAULTS, directory_fields
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Resource, Seen, register


@dataclass(frozen=True, slots=True)
class Row:
    """A provider and its configuration as people may see it."""

    provider: AuthProvider
    config: Data

    @property
    def shown(self) -> str:
        """How it is."""
        if self.provider.is_on_trial:
            return "on trial"
        return "on" if self.provider.is_open else "off"


def identities(allowed: Iterable[Data] | None) -> list[Data]:
    """A list of allowed identities with names, as far as those are known."""
    pairs = [(str(each["externalIdType"]), str(each["externalId"])) for each in allowed or ()]
    known = names_known(pairs)
    return [plain(known.get((kind, plain_dn(name)), Claim(kind, name))) for kind, name in pairs]


def _test(caller: Caller, row: Row, data: Data) -> Data:
    """Somebody's own name and password against what is stored; nothing is changed."""
    tested = admin.provider_test(row.provider.kind, data.get("login", ""), data.get("password", ""), actor=caller.actor)
    told = [plain(each) for each in (tested.claims.person, *tested.claims.groups)] if tested.claims else []
    return {"type": "providerTest", "works": bool(tested), "reason": tested.reason, "identities": told}


def _confirm(caller: Caller, row: Row, _data: Data) -> None:
    admin.provider_confirm(row.provider.kind, actor=caller.actor)


def _resync(caller: Caller, row: Row, _data: Data) -> None:
    admin.provider_resync(row.provider.kind, actor=caller.actor)


def _stored(name: str) -> Callable[[Seen], Any]:
    return lambda seen: None if name in SECRETS or seen.row.config[name] == "" else seen.row.config[name]


class ProviderConfig(Resource):
    """One provider; POST sets it, PUT changes what it names, `enabled` switches it on or off.

    Switching a directory on takes `login` and `password`: the asker's own, tried before anything is stored.
    """

    kind: ClassVar[str]
    sortable = False
    verbs = {
        "test": Action(_test, "providerTestInput", "providerTest", "admin"),
        "confirm": Action(_confirm, permission="admin"),
        "resync": Action(_resync, permission="admin"),
    }

    def key_of(self, row: Row) -> str:  # noqa: ARG002 - there is one of each
        """The type's own name."""
        return self.name

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:  # noqa: ARG002 - the base's signature
        """The one there is, also before anybody set it."""
        return [self._row()]

    def find(self, caller: Caller, key: int | str | None) -> Row | None:  # noqa: ARG002 - the base's signature
        """The one there is."""
        return self._row() if key == self.name else None

    def _row(self) -> Row:
        provider = admin.provider_of(self.kind)
        return Row(provider, admin.shown_config(provider))

    def create(self, caller: Caller, data: Data) -> tuple[Row, Data]:
        """Set it; the secrets given are in this answer only."""
        self._set(caller, data, is_on=bool(data.get("enabled")))
        return self._row(), {name: data[name] for name in SECRETS if data.get(name)}

    def update(self, caller: Caller, row: Row, data: Data) -> None:
        """Change what is named."""
        kept = {name: value for name, value in row.provider.config.to_json().items() if name not in SECRETS}
        self._set(caller, {**kept, **data}, is_on=data.get("enabled", row.provider.is_open))

    def _set(self, caller: Caller, data: Data, *, is_on: bool) -> None:
        was_on = admin.provider_of(self.kind).is_open
        login, password = data.pop("login", ""), data.pop("password", "")
        if is_on and not (was_on and not login):
            admin.provider_enable(self.kind, actor=caller.actor, login=login, password=password, data=data)
            return
        admin.provider_save(self.kind, data, actor=caller.actor)
        if was_on and not is_on:
            admin.provider_disable(self.kind, actor=caller.actor)

    def on_offer(self, row: Row, action: str) -> bool:
        """Whether the action is possible now."""
        return {
            "test": row.provider.pk is not None and self.kind != "github",
            "confirm": row.provider.is_on_trial,
            "resync": row.provider.is_open and not row.provider.is_on_trial,
        }[action]


def _port(seen: Seen) -> int:
    """The port in use where none was given."""
    return int(seen.row.config["port"] or (636 if seen.row.config["tls"] else 389))


def _computed(names: Iterable[str]) -> dict[str, Callable[[Seen], Any]]:
    return {
        **{name: _stored(name) for name in names},
        "allowedIdentities": lambda seen: identities(seen.row.config["allowedIdentities"]),
        "enabled": lambda seen: seen.row.provider.is_open,
        "state": lambda seen: seen.row.shown,
        "trialUntil": lambda seen: seen.row.provider.trial_until if seen.row.provider.is_on_trial else None,
        "answeredAt": lambda seen: seen.row.provider.answered_at,
        "trouble": lambda seen: seen.row.provider.trouble or None,
        "name": lambda seen: str(seen.row.provider),
        "login": lambda _seen: None,
        "password": lambda _seen: None,
    }


@register
class GithubConfig(ProviderConfig):
    """github.com, or an Enterprise server."""

    name, kind = "githubconfig", "github"
    own = table(GITHUB)
    computed = _computed(field.name for field in table(GITHUB))


@register
class LdapConfig(ProviderConfig):
    """Active Directory."""

    name, kind = "ldapconfig", "ad"
    own = directory_fields(LDAP_DEFAULTS)
    computed = {**_computed(field.name for field in table(DIRECTORY)), "port": _port}


@register
class OpenLdapConfig(ProviderConfig):
    """OpenLDAP, and other directories."""

    name, kind = "openldapconfig", "openldap"
    own = directory_fields(OPENLDAP_DEFAULTS)
    computed = {**_computed(field.name for field in table(DIRECTORY)), "port": _port}
