"""The second factor of local accounts: setting it up, checking it, and removing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.accounts.login import codes
from apps.accounts.login.sessions import LOCAL_BACKEND, sessions_close
from apps.accounts.login.throttle import login_attempt
from apps.accounts.models import RecoveryCode, Totp, User
from apps.accounts.selectors import break_glass
from apps.core import hooks
from apps.core.defaults import setting
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
)
from apps.core.hooks import ActorProtocol
from apps.core.services import require_person, require_recent_auth

ENROLMENT_LIFETIME = timedelta(minutes=15)
WRONG_CODE = "This code is wrong, or was used already; wait for the next one."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret for an authenticator; shown until the first code has been confirmed, and never again."""

    secret: str
    uri: str


def factor_of(user: User) -> Totp | None:
    """The confirmed second factor, if the account has one."""
    return Totp.objects.filter(account=user, confirmed__isnull=False).first()


def recovery_codes_left(user: User) -> int:
    """How many unused recovery codes are left."""
    return RecoveryCode.objects.filter(account=user, used=None).count()


def requires_second_factor(user: User) -> bool:
    """Whether this account needs a second factor."""
    return user.pk in accounts_requiring_second_factor([user])


def accounts_requiring_second_factor(users: Iterable[User]) -> set[int]:
    """Those of the accounts that need a second factor, by the setting `totp.required` (none, admins, all).

    Never the last administrator with a password kept here: no rule may keep that account out.
    """
    whom = setting("totp.required")
    meant = [user for user in users if whom == "all" or (whom == "admins" and user.is_admin)]
    excused = break_glass() if meant else None
    return {user.pk for user in meant if user.has_usable_password() and user != excused}


def next_login_step(user: User, backend: str) -> str:
    """What a login still needs: `code`, `enrol` (set one up), or nothing: providers have factors of their own."""
    if backend != LOCAL_BACKEND:
        return ""
    if factor_of(user) is not None:
        return "code"
    return "enrol" if requires_second_factor(user) else ""


def code_check(user: User, code: str, *, address: str, field: str = "code") -> None:
    """Accept a code of the authenticator or a recovery code, each once.

    Raises `Invalid` at `field` for a wrong one, `Problem` (429) after too many.
    """
    with login_attempt(user.login, address):
        if not (_use_totp_code(user, codes.normalize_code(code)) or _use_recovery_code(user, code)):
            raise Invalid(field, "InvalidFormat", WRONG_CODE)


def _use_totp_code(user: User, code: str) -> bool:
    factor = factor_of(user)
    step = codes.matching_time_step(factor.secret, code, after=factor.last_step) if factor else None
    if factor is None or step is None:
        return False
    return bool(Totp.objects.filter(pk=factor.pk, last_step__lt=step).update(last_step=step))


def _use_recovery_code(user: User, code: str) -> bool:
    if len(code) > 64 or factor_of(user) is None:
        return False
    unused = RecoveryCode.objects.filter(account=user, digest=codes.recovery_digest(code), used=None)
    taken = bool(unused.update(used=timezone.now()))
    if taken:
        hooks.record("factor.recovery", actor=None, row=user, account=user, request={"left": recovery_codes_left(user)})
    return taken


def enrolment(user: User, *, actor: ActorProtocol | None = None) -> Enrolment:
    """The secret to set an authenticator up with: the one just shown, while nothing was confirmed, or a new one.

    `actor` None is a login whose password was right just now; anybody else must have proved who they are.
    Raises `Conflict` when there is a factor already, `Invalid` for accounts of login providers, `Forbidden` for keys.
    """
    require_person(actor)
    if not user.has_usable_password():
        raise Invalid("code", "InvalidState", "Your log-in provider asks for a second factor, if it wants one.")
    if factor_of(user) is not None:
        raise Conflict("There is a second factor already; turn it off first.")
    if actor is not None:
        require_recent_auth(actor)
    since = timezone.now() - ENROLMENT_LIFETIME
    pending = Totp.objects.filter(account=user, created__gt=since).first()
    if pending is None:
        new = {"secret": codes.secret_make(), "created": timezone.now(), "last_step": 0}
        pending, _made = Totp.objects.update_or_create(account=user, defaults=new)
    return Enrolment(pending.secret, codes.totp_uri(pending.secret, user.login))


def enrol(user: User, code: str, *, actor: ActorProtocol, keep: str = "") -> list[str]:
    """Confirm the set-up with the authenticator's first code; the ten recovery codes, which are not shown again.

    Sessions but the one with the key `keep` end. Raises `Invalid` for a wrong code, `Problem` (429) after too many.
    """
    require_person(actor)
    address = str(getattr(actor, "address", ""))
    with login_attempt(user.login, address):
        pending = Totp.objects.filter(account=user, confirmed=None).first()
        step = codes.matching_time_step(pending.secret, codes.normalize_code(code), after=0) if pending else None
        if pending is None or step is None:
            raise Invalid("code", "InvalidFormat", "This code is wrong. Does the clock of your device go right?")
    with transaction.atomic():
        mine = Totp.objects.filter(pk=pending.pk, confirmed=None, created=pending.created)
        if not mine.update(confirmed=timezone.now(), last_step=step):
            raise Conflict("The second factor was set up just now; its recovery codes were shown there.")
        made = _replace_recovery_codes(user)
        ended = sessions_close(user, keep=keep)
        hooks.record("factor.on", actor=actor, row=user, request={"sessionsEnded": ended})
    return made


def recovery_codes_renew(user: User, code: str, *, actor: ActorProtocol) -> list[str]:
    """Ten new recovery codes against a code of the current factor; the old ones stop working."""
    require_person(actor)
    code_check(user, code, address=str(getattr(actor, "address", "")))
    with transaction.atomic():
        made = _replace_recovery_codes(user)
        hooks.record("factor.codes", actor=actor, row=user)
    return made


def _replace_recovery_codes(user: User) -> list[str]:
    made = codes.recovery_codes_make()
    RecoveryCode.objects.filter(account=user).delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(account=user, digest=codes.recovery_digest(each)) for each in made])
    return made


def factor_off(user: User, code: str, *, actor: ActorProtocol) -> None:
    """Remove one's own factor, against a code of it. Raises `Forbidden` where it is required, and for keys."""
    require_person(actor)
    if requires_second_factor(user):
        raise Forbidden("An administrator requires a second factor of accounts like yours.")
    code_check(user, code, address=str(getattr(actor, "address", "")))
    _delete_second_factor(user)
    hooks.record("factor.off", actor=actor, row=user)


def factor_reset(user: User, *, actor: ActorProtocol | None) -> int:
    """Remove the factor of somebody who lost it; ends their sessions and returns how many.

    For administrators who proved just now who they are, or (None) from the machine's own command line.
    """
    if actor is not None:
        if not actor.is_admin:
            raise Forbidden("Only administrators may reset somebody's second factor.")
        require_person(actor)
        require_recent_auth(actor)
    _delete_second_factor(user)
    ended = sessions_close(user)
    hooks.record("factor.reset", actor=actor, row=user, request={"sessionsEnded": ended})
    return ended


def _delete_second_factor(user: User) -> None:
    with transaction.atomic():
        Totp.objects.filter(account=user).delete()
        RecoveryCode.objects.filter(account=user).delete()
