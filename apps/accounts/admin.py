"""What administrators decide about logging in: a provider's configuration, its test, on and off."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.access import refusal
from apps.accounts.backends.directory import identify, told_inside
from apps.accounts.backends.preflight import tls_context
from apps.accounts.backends.resync import ask_everybody_anew
from apps.accounts.login.sessions import sessions_of_provider_close
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import CONFIGS, SECRETS, Claims, Config, Directory, read_config
from apps.core import ports
from apps.core.errors import Conflict, Forbidden, Invalid, Problem
from apps.core.ports import Asker
from apps.core.services import insist_fresh

# Fields that say who may come in; every other one says how the provider is reached.
_WHO = {"accessMode", "allowedIdentities"}


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test went: what the directory says about the tester, or why it did not work."""

    claims: Claims | None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.claims is not None and not self.reason


def provider_of(kind: str) -> AuthProvider:
    """The provider of this kind, unsaved while nobody configured it; raises `Invalid` for an unknown kind."""
    if kind not in CONFIGS:
        raise Invalid("kind", "InvalidOption", f"kind is one of {', '.join(CONFIGS)}.")
    provider = AuthProvider.objects.filter(kind=kind).first() or AuthProvider(kind=kind)
    provider.end_trial()
    return provider


def shown_config(provider: AuthProvider) -> dict[str, Any]:
    """The configuration as people may see it: every field, secrets only as set (blanks) or absent."""
    config = provider.config.to_wire()
    return {name: None if name in SECRETS else value for name, value in config.items()}


def secrets_set(provider: AuthProvider) -> list[str]:
    """Which secrets are stored; their values are never shown again."""
    return sorted(name for name in SECRETS if provider.stored.get(name))


def provider_save(kind: str, data: Mapping[str, Any], *, actor: Asker) -> AuthProvider:
    """Store a configuration; one that is on and is reached differently now is on trial, or it is as before again.

    Secrets that are left out stay. Raises `Invalid` for a wrong field.
    """
    _may_decide(actor)
    provider = provider_of(kind)
    config = _checked(kind, data, provider.stored)
    before, stored = provider.config.to_wire(), config.to_json()
    is_moved = any(value != before[name] for name, value in config.to_wire().items() if name not in _WHO)
    if provider.is_open and is_moved:
        if not provider.is_on_trial:
            provider.former, provider.is_change = provider.stored, True
        provider.trial_until = timezone.now() + AuthProvider.TRIAL
    provider.stored = stored
    _write(provider, "save", actor, stored)
    ask_everybody_anew(provider)
    return provider


def _checked(kind: str, data: Mapping[str, Any], before: Mapping[str, Any]) -> Config:
    config = read_config(kind, data, before)
    if isinstance(config, Directory) and config.ca:
        try:
            tls_context(config)
        except (ssl.SSLError, ValueError):
            raise Invalid(
                "caCertificate", "InvalidFormat", _("caCertificate must be one or more certificates in PEM form.")
            ) from None
    return config


def provider_test(
    kind: str, login: str, password: str, *, actor: Asker, data: Mapping[str, Any] | None = None
) -> Tested:
    """Try a directory with somebody's own name and password, as stored or as in `data`; nothing is changed."""
    _need_admin(actor)
    provider = provider_of(kind)
    if kind == "github":
        raise Invalid("kind", "InvalidOption", _("GitHub is tested by logging in through it."))
    stored = provider.stored if data is None else _checked(kind, data, provider.stored).to_json()
    trial = AuthProvider(kind=kind, stored=stored)
    trial.config.check()
    try:
        claims = identify(trial, login, password)
    except Problem as problem:
        return Tested(None, told_inside(problem))
    if claims is None:
        return Tested(None, _("The directory does not know this name with this password, or the person is disabled."))
    return Tested(claims, refusal(trial.config, claims, None))


def provider_enable(
    kind: str, *, actor: Asker, login: str = "", password: str = "", data: Mapping[str, Any] | None = None
) -> AuthProvider:
    """Switch a provider on, on trial, with `data` as its configuration if given.

    A directory first has to let the asker in with the given name and password. One that is on stays on, and is
    confirmed by a directory's yes. Raises `Invalid` for an incomplete configuration or when name or password are
    missing, `Conflict` with the reason when the test fails; then nothing is stored.
    """
    _may_decide(actor)
    _prove(kind, login, password, actor=actor, data=data)
    with transaction.atomic():
        provider = provider_of(kind) if data is None else provider_save(kind, data, actor=actor)
        if provider.is_open:
            return provider_confirm(kind, actor=actor) if provider.is_on_trial and kind != "github" else provider
        provider.enabled, provider.is_change, provider.trial_until = True, False, timezone.now() + AuthProvider.TRIAL
        _write(provider, "enable", actor, {})
    return provider


def _prove(kind: str, login: str, password: str, *, actor: Asker, data: Mapping[str, Any] | None) -> None:
    if kind == "github":
        if data is None:
            provider_of(kind).config.check()
        return
    for name, value in (("login", login), ("password", password)):
        if not value:
            raise Invalid(name, "MissingRequired", _("It is tried first: give your own name and password there."))
    tested = provider_test(kind, login, password, actor=actor, data=data)
    if not tested:
        raise Conflict(_("Not switched on. %(reason)s") % {"reason": tested.reason})


def provider_confirm(kind: str, *, actor: Asker) -> AuthProvider:
    """End the trial of a provider that is on; `Conflict` when it is off already."""
    _may_decide(actor)
    provider = provider_of(kind)
    if not provider.is_open:
        raise Conflict(_("%(provider)s is off; switch it on first.") % {"provider": provider})
    provider.trial_until, provider.is_change, provider.former = None, False, {}
    _write(provider, "confirm", actor, {})
    ask_everybody_anew(provider)
    return provider


def provider_disable(kind: str, *, actor: Asker | None) -> AuthProvider:
    """Switch a provider off: nobody logs in through it, and the sessions that began there end.

    `actor` None is somebody at the machine's own command line.
    """
    if actor is not None:
        _may_decide(actor)
    provider = provider_of(kind)
    provider.enabled, provider.is_change, provider.trial_until = False, False, None
    _write(provider, "disable", actor, {"sessionsEnded": sessions_of_provider_close(kind)})
    return provider


def provider_resync(kind: str, *, actor: Asker) -> int:
    """Ask the provider anew about everybody who came through it; how many people those are.

    What it says counts as it comes, person by person. Raises `Conflict` while the provider is off or on trial.
    """
    _need_admin(actor)
    provider = provider_of(kind)
    if not provider.is_open or provider.is_on_trial:
        raise Conflict(_("%(provider)s is off or on trial; switch it on or confirm it first.") % {"provider": provider})
    _write(provider, "resync", actor, {})
    return ask_everybody_anew(provider)


def _may_decide(actor: Asker) -> None:
    _need_admin(actor)
    insist_fresh(actor)


def _need_admin(actor: Asker) -> None:
    if not actor.is_admin:
        raise Forbidden(_("Only administrators may do this."))


@transaction.atomic
def _write(provider: AuthProvider, event: str, actor: Asker | None, said: Mapping[str, Any]) -> None:
    provider.version += 1
    provider.save()
    secrets = [str(provider.stored[name]) for name in SECRETS if provider.stored.get(name)]
    ports.record(f"provider.{event}", actor=actor, request={"kind": provider.kind, **said}, secrets=secrets)


def people_of(provider: AuthProvider) -> int:
    """How many accounts came through this provider."""
    return User.objects.filter(identities__provider=provider).distinct().count() if provider.pk else 0


def local_people() -> int:
    """How many accounts have their password here."""
    return User.objects.filter(removed=None).exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).count()


def people_out(provider: AuthProvider, most: int = 20) -> list[Identity]:
    """Those whom the provider does not let in any more, with the reason in `gone`."""
    rows = Identity.objects.filter(provider=provider).exclude(gone="") if provider.pk else Identity.objects.none()
    return list(rows.select_related("user")[:most])
