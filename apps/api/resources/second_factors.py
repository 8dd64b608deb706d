"""`secondFactor`: the one-time codes that local accounts log in with beside the password."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import QueryDict

from apps.accounts.login import second_factor
from apps.accounts.models import Totp, User
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Resource,
)
from apps.api.wire.roles import READ_ONLY, USER_INPUT
from apps.environments.access import Verdict


class SecondFactorInputResource(EmbeddedResource):
    """The code that an action of `secondFactor` takes."""

    name = "secondFactorInput"
    roles = USER_INPUT
    own_fields = parse_fields("""
        code string cr *
    """)


@dataclass(frozen=True, slots=True)
class SecondFactorState:
    """A local account's second factor."""

    account: User
    required: bool
    totp: Totp | None

    @property
    def pk(self) -> int:
        """The account's number."""
        return int(self.account.pk)


def _enrol(caller: ApiCaller, row: SecondFactorState, _data: Data) -> Data:
    enrolment = second_factor.enrolment(row.account, actor=caller.actor)
    return {"type": "secondFactorEnrolment", "secret": enrolment.secret, "uri": enrolment.uri}


def _confirm(caller: ApiCaller, row: SecondFactorState, data: Data) -> Data:
    return _recovery_codes(second_factor.enrol(row.account, data["code"], actor=caller.actor))


def _renew(caller: ApiCaller, row: SecondFactorState, data: Data) -> Data:
    return _recovery_codes(second_factor.recovery_codes_renew(row.account, data["code"], actor=caller.actor))


def _recovery_codes(codes: Sequence[str]) -> Data:
    return {"type": "recoveryCodes", "codes": list(codes)}


def _disable(caller: ApiCaller, row: SecondFactorState, data: Data) -> None:
    second_factor.factor_off(row.account, data["code"], actor=caller.actor)


def _reset(caller: ApiCaller, row: SecondFactorState, _data: Data) -> None:
    second_factor.factor_reset(row.account, actor=caller.actor)


class SecondFactorResource(Resource):
    """`enrol` returns the secret, `confirm` the recovery codes for the first code; only administrators `reset`."""

    name = "secondFactor"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        accountId         reference[account] r <pk
        enabled           boolean            r
        created           date               r <totp__confirmed
        recoveryCodesLeft int                r
        required          boolean            r <required
    """)
    computed = {
        "enabled": lambda context: context.row.totp is not None,
        "recoveryCodesLeft": lambda context: context.row.totp.left if context.row.totp else 0,
    }
    custom_actions = {
        "enrol": Action(_enrol, permission="keys"),
        "confirm": Action(_confirm, input="secondFactorInput", permission="keys"),
        "renewcodes": Action(_renew, input="secondFactorInput", permission="keys"),
        "disable": Action(_disable, input="secondFactorInput", permission="keys"),
        "reset": Action(_reset, permission="keys"),
    }

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[SecondFactorState]:  # noqa: ARG002 - the base's signature
        """The caller's own, or for administrators those of all; a key held to a role or an environment sees none."""
        rows, actor = User.objects.filter(removed=None), caller.actor
        if not actor.is_admin:
            rows = rows.filter(pk=actor.user.pk) if actor.user is not None and actor.is_whole_account else rows.none()
        required = second_factor.accounts_requiring_second_factor(rows)
        enabled_factors = _enabled_factors(rows)
        return [
            SecondFactorState(each, each.pk in required, enabled_factors.get(each.pk))
            for each in rows
            if each.has_usable_password()
        ]

    def find(self, caller: ApiCaller, key: int | str | None) -> SecondFactorState | None:
        """The second factor of the account with this number."""
        return next((row for row in self.list_rows(caller, QueryDict()) if row.pk == key), None)

    def verdict(self, caller: ApiCaller, row: SecondFactorState, action: str) -> Verdict:
        """Only administrators may reset; everything else is for the account itself."""
        is_on = row.totp is not None
        may = caller.actor.is_admin if action == "reset" else caller.actor.user == row.account
        fits = is_on if action == "reset" else is_on != (action in {"enrol", "confirm"})
        return _verdict(may=may and caller.actor.is_person, fits=fits)


def _enabled_factors(accounts: Iterable[User]) -> dict[int, Totp]:
    """The enabled factors by account, with the number of recovery codes left."""
    left = Count("account__recovery_codes", filter=Q(account__recovery_codes__used=None))
    found = Totp.objects.filter(account__in=accounts, confirmed__isnull=False).annotate(left=left)
    return {each.account_id: each for each in found}


def _verdict(*, may: bool, fits: bool) -> Verdict:
    if not may:
        return Verdict(
            allowed=False,
            reason="Only the account itself may do this, or for a reset an administrator; either must log in.",
            is_forbidden=True,
        )
    return Verdict(allowed=fits, reason="" if fits else "Not possible in the second factor's present state.")
