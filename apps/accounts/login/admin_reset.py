"""The reset for locked-out administrators, from the command line: it works whatever else is broken."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.login.passwords import password_set
from apps.accounts.login.second_factor import factor_reset
from apps.accounts.models import FailedLogin, User
from apps.accounts.services import account_act, account_create, account_update
from apps.core.errors import Conflict, Problem


@transaction.atomic
def admin_reset(login: str, password: str) -> User:
    """An active administrator with this name and password, without a second factor and without a wait.

    The account is made where there is none. One that is deactivated is activated; one that was removed is not brought
    back (`Conflict`). Raises `Invalid` for a weak password.
    """
    FailedLogin.objects.all().delete()
    user = User.objects.filter(login__iexact=login.strip()).first()
    if user is None:
        return account_create(actor=None, login=login, password=password, kind="admin")
    _activate(user)
    if not user.is_admin:
        account_update(user, actor=None, kind="admin")
    password_set(user, password, actor=None)
    factor_reset(user, actor=None)
    return user


def _activate(user: User) -> None:
    if user.is_active:
        return
    try:
        account_act(user, "activate", actor=None)
    except Problem as problem:
        raise Conflict(
            f"The account {user.login} cannot be activated ({problem.message}); give another name."
        ) from None
