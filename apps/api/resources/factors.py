"""`secondFactor`: what besides the password local accounts log in with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import QueryDict

from apps.accounts.login import factor
from apps.accounts.models import Totp, User
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Resource, register
from apps.environments.access import Verdict


@register
class SecondFactorInput(Resource):
    """The code that an action of `secondFactor` takes."""

    name = "secondFactorInput"
    listable = False
    own = table("""
        code string cr *
    """)


@dataclass(frozen=True, slots=True)
class Row:
    """A local account, seen for its second factor."""

    account: User
    required: bool
    totp: Totp | None

    @property
    def pk(self) -> int:
        """Known by its account's number."""
        return int(self.account.pk)


def _enrol(caller: Caller, row: Row, _data: Data) -> Data:
    told = factor.enrolment(row.account, actor=caller.actor)
    return {"type": "secondFactorEnrolment", "secret": told.secret, "uri": told.uri}


def _confirm(caller: Caller, row: Row, data: Data) -> Data:
    return _codes(factor.enrol(row.account, data["code"], actor=caller.actor))


def _renew(caller: Caller, row: Row, data: Data) -> Data:
    return _codes(factor.recovery_codes_renew(row.account, data["code"], actor=caller.actor))


def _codes(made: Sequence[str]) -> Data:
    return {"type": "recoveryCodes", "codes": list(made)}


def _off(caller: Caller, row: Row, data: Data) -> None:
    factor.factor_off(row.account, data["code"], actor=caller.actor)


def _reset(caller: Caller, row: Row, _data: Data) -> None:
    factor.factor_reset(row.account, actor=caller.actor)


@register
class SecondFactor(Resource):
    """`enrol` answers the secret, `confirm` with the first code the recovery codes; `reset` is for administrators."""

    name = "secondFactor"
    sortable = False
    own = table("""
        accountId         reference[account] r <pk
        enabled           boolean            r
        created           date               r <totp__confirmed
        recoveryCodesLeft int                r
        required          boolean            r <required
    """)
    computed = {
        "enabled": lambda seen: seen.row.totp is not None,
        "recoveryCodesLeft": lambda seen: seen.row.totp.left if seen.row.totp else 0,
    }
    verbs = {
        "enrol": Action(_enrol, permission="keys"),
        "confirm": Action(_confirm, input="secondFactorInput", permission="keys"),
        "renewcodes": Action(_renew, input="secondFactorInput", permission="keys"),
        "disable": Action(_off, input="secondFactorInput", permission="keys"),
        "reset": Action(_reset, permission="keys"),
    }

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:  # noqa: ARG002 - the base's signature
        """One's own, or for an administrator those of all who have a password here."""
        rows, actor = User.objects.filter(removed=None), caller.actor
        if not actor.is_admin:
            rows = rows.filter(pk=actor.user.pk) if actor.user is not None and actor.scope is None else rows.none()
        required = factor.required_of(rows)
        on = _factors(rows)
        return [Row(each, each.pk in required, on.get(each.pk)) for each in rows if each.has_usable_password()]

    def find(self, caller: Caller, key: int | str | None) -> Row | None:
        """The second factor of the account with this number."""
        return next((row for row in self.listed(caller, QueryDict()) if row.pk == key), None)

    def verdict(self, caller: Caller, row: Row, action: str) -> Verdict:
        """Resetting is an administrator's; everything else is one's own."""
        is_on = row.totp is not None
        if action == "reset":
            return _verdict(may=caller.actor.is_admin, fits=is_on)
        return _verdict(may=caller.actor.user == row.account, fits=is_on != (action in {"enrol", "confirm"}))


def _factors(accounts: Iterable[User]) -> dict[int, Totp]:
    """The factors that are on, by account, with the number of recovery codes that are left."""
    left = Count("account__recovery_codes", filter=Q(account__recovery_codes__used=None))
    found = Totp.objects.filter(account__in=accounts, confirmed__isnull=False).annotate(left=left)
    return {each.account_id: each for each in found}


def _verdict(*, may: bool, fits: bool) -> Verdict:
    if not may:
        return Verdict(allowed=False, reason="It is somebody else's to do.", by_role=True)
    return Verdict(allowed=fits, reason="" if fits else "Not possible as the second factor is now.")
