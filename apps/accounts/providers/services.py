"""What administrators decide about a login provider: its configuration, its test, on and off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.claims import Claims
from apps.accounts.login.sessions import sessions_of_provider_close
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.provider_config import ACCESS_FIELDS
from apps.accounts.providers.base import PasswordProvider
from apps.accounts.providers.directory import identify
from apps.accounts.providers.errors import admin_message
from apps.accounts.providers.issuer import apply_issuer_change, settle_issuer_change
from apps.accounts.providers.registry import provider_of
from apps.accounts.providers.resync import requeue_provider_accounts
from apps.accounts.site_access import access_refusal
from apps.core import hooks
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Problem,
)
from apps.core.hooks import ActorProtocol
from apps.core.services import require_recent_auth
from apps.core.unique import unique_or


@dataclass(frozen=True, slots=True)
class ProviderTestResult:
    """How a test went: what the provider says about the tester, or why it did not work."""

    claims: Claims | None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.claims is not None and not self.reason


def provider_by_kind(kind: str) -> AuthProvider:
    """The provider of this kind, unsaved while it is not configured; raises `Invalid` for an unknown kind."""
    provider_of(kind)
    provider = AuthProvider.objects.filter(kind=kind).first() or AuthProvider(kind=kind)
    provider.end_trial()
    return provider


def masked_config(provider: AuthProvider) -> dict[str, Any]:
    """The configuration as people may see it: every field, secrets only as set (blanks) or absent."""
    config = provider.config
    secrets = config.secret_names()
    return {name: None if name in secrets else value for name, value in config.to_wire().items()}


def secrets_set(provider: AuthProvider) -> list[str]:
    """Which secrets are stored; their values are never shown again."""
    return sorted(name for name in provider.login_provider.config_class.secret_names() if provider.stored.get(name))


def provider_save(kind: str, data: Mapping[str, Any], *, actor: ActorProtocol) -> AuthProvider:
    """Store a configuration; one that is on and is reached differently now is on trial, or it is as before again.

    Secrets that are left out stay. Raises `Invalid` for a wrong field, and at `issuerChange` where its server is
    another one than people and groups were known from and `data` does not say which of the two that means.
    """
    _require_recent_admin(actor)
    with transaction.atomic():
        return _store_config(_provider_for_change(kind), data, actor)


def _provider_for_change(kind: str) -> AuthProvider:
    """The provider, locked until the transaction ends: a log-in may confirm it at the same moment."""
    list(AuthProvider.objects.select_for_update(no_key=True).filter(kind=kind))
    return provider_by_kind(kind)


def _store_config(provider: AuthProvider, data: Mapping[str, Any], actor: ActorProtocol) -> AuthProvider:
    config = provider.login_provider.read_config(data, provider.stored)
    config = apply_issuer_change(provider, config, data)
    before, stored = provider.config.to_wire(), config.to_json()
    is_connection_changed = any(
        value != before[name] for name, value in config.to_wire().items() if name not in ACCESS_FIELDS
    )
    if provider.accepts_logins and is_connection_changed:
        if not provider.is_on_trial:
            provider.previous_config, provider.is_reconfigured = provider.stored, True
        provider.trial_until = timezone.now() + AuthProvider.TRIAL
    provider.stored = stored
    said = {"issuerChange": provider.issuer_change} if provider.issuer_change else {}
    _save_and_record(provider, "save", actor, {**stored, **said})
    requeue_provider_accounts(provider)
    return provider


def provider_test(
    kind: str, login: str, password: str, *, actor: ActorProtocol, data: Mapping[str, Any] | None = None
) -> ProviderTestResult:
    """Try a provider with somebody's own name and password, as stored or as in `data`; nothing is changed."""
    _require_admin(actor)
    provider = provider_by_kind(kind)
    login_provider = provider.login_provider
    if not isinstance(login_provider, PasswordProvider):
        message = _("%(provider)s is tested by logging in through it.") % {"provider": provider}
        raise Invalid("kind", "InvalidOption", message)
    stored = provider.stored if data is None else login_provider.read_config(data, provider.stored).to_json()
    trial = AuthProvider(kind=kind, stored=stored)
    login_provider.preflight(trial.config)
    try:
        claims = identify(trial, login, password)
    except Problem as problem:
        return ProviderTestResult(None, admin_message(problem))
    if claims is None:
        return ProviderTestResult(
            None, _("The directory does not know this name with this password, or the person is disabled.")
        )
    return ProviderTestResult(claims, access_refusal(trial.config, claims, None))


def provider_enable(
    kind: str, *, actor: ActorProtocol, login: str = "", password: str = "", data: Mapping[str, Any] | None = None
) -> AuthProvider:
    """Switch a provider on, on trial, with `data` as its configuration if given.

    One that takes passwords first has to accept the actor's own name and password. One that is on stays on, and is
    confirmed by that. Raises `Invalid` for an incomplete configuration or when name or password are missing,
    `Conflict` with the reason when the test fails; then nothing is stored.
    """
    _require_recent_admin(actor)
    _require_passed_test(kind, login, password, actor=actor, data=data)
    with transaction.atomic():
        provider = provider_by_kind(kind) if data is None else provider_save(kind, data, actor=actor)
        if provider.accepts_logins:
            was_tested = isinstance(provider.login_provider, PasswordProvider)
            return provider_confirm(kind, actor=actor) if provider.is_on_trial and was_tested else provider
        provider.enabled, provider.is_reconfigured = True, False
        provider.trial_until = timezone.now() + AuthProvider.TRIAL
        _save_and_record(provider, "enable", actor, {})
    return provider


def _require_passed_test(
    kind: str, login: str, password: str, *, actor: ActorProtocol, data: Mapping[str, Any] | None
) -> None:
    provider = provider_by_kind(kind)
    if not isinstance(provider.login_provider, PasswordProvider):
        if data is None:
            provider.login_provider.preflight(provider.config)
        return
    for name, value in (("login", login), ("password", password)):
        if not value:
            raise Invalid(name, "MissingRequired", _("It is tried first: give your own name and password there."))
    tested = provider_test(kind, login, password, actor=actor, data=data)
    if not tested:
        raise Conflict(_("Not switched on. %(reason)s") % {"reason": tested.reason})


def provider_confirm(kind: str, *, actor: ActorProtocol) -> AuthProvider:
    """End the trial of a provider that is on; `Conflict` when it is off already.

    If it is on trial at another server, everybody who was known from the former one is forgotten now.
    """
    _require_recent_admin(actor)
    with transaction.atomic():
        provider = _provider_for_change(kind)
        if not provider.accepts_logins:
            raise Conflict(_("%(provider)s is off; switch it on first.") % {"provider": provider})
        settled = settle_issuer_change(provider, actor=actor)
        provider.trial_until, provider.is_reconfigured, provider.previous_config = None, False, {}
        _save_and_record(provider, "confirm", actor, settled)
    requeue_provider_accounts(provider)
    return provider


def provider_disable(kind: str, *, actor: ActorProtocol | None) -> AuthProvider:
    """Switch a provider off: nobody logs in through it, and the sessions that began there end.

    `actor` None is the machine's own command line.
    """
    if actor is not None:
        _require_recent_admin(actor)
    provider = provider_by_kind(kind)
    provider.enabled, provider.is_reconfigured, provider.trial_until = False, False, None
    _save_and_record(provider, "disable", actor, {"sessionsEnded": sessions_of_provider_close(kind)})
    return provider


def provider_resync(kind: str, *, actor: ActorProtocol) -> int:
    """Ask the provider again about everybody who logged in through it; returns how many.

    Each answer takes effect as it comes, person by person. Raises `Conflict` while the provider is off or on trial.
    """
    _require_admin(actor)
    provider = provider_by_kind(kind)
    if not provider.accepts_logins or provider.is_on_trial:
        raise Conflict(
            _("%(provider)s is off or on probation; switch it on or confirm it first.") % {"provider": provider}
        )
    _save_and_record(provider, "resync", actor, {})
    return requeue_provider_accounts(provider)


def _require_recent_admin(actor: ActorProtocol) -> None:
    _require_admin(actor)
    require_recent_auth(actor)


def _require_admin(actor: ActorProtocol) -> None:
    if not actor.is_admin:
        raise Forbidden(_("Only administrators may do this."))


@transaction.atomic
def _save_and_record(
    provider: AuthProvider, event: str, actor: ActorProtocol | None, details: Mapping[str, Any]
) -> None:
    provider.version += 1
    with unique_or(Conflict(_("Somebody else set this provider up just now; look again.")), "accounts_authprovider"):
        provider.save()
    secrets = [str(provider.stored[name]) for name in secrets_set(provider)]
    hooks.record(f"provider.{event}", actor=actor, request={"kind": provider.kind, **details}, secrets=secrets)


def provider_account_count(provider: AuthProvider) -> int:
    """How many accounts came through this provider."""
    return User.objects.filter(identities__provider=provider).distinct().count() if provider.pk else 0


def local_account_count() -> int:
    """How many accounts have their password here."""
    return User.objects.filter(removed=None).exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).count()


def rejected_identities(provider: AuthProvider, limit: int = 20) -> list[Identity]:
    """Those who may not log in any more, with the reason in `rejection_reason`."""
    rows = (
        Identity.objects.filter(provider=provider).exclude(rejection_reason="")
        if provider.pk
        else Identity.objects.none()
    )
    return list(rows.select_related("user")[:limit])
