"""How accounts and keys settle: the wish comes true at once; people of log-in providers are asked about anew."""

from __future__ import annotations

from apps.accounts.backends.resync import ask_again
from apps.accounts.models import User
from apps.core.models import Managed
from apps.core.result import Result


def settle(row: Managed) -> Result:
    """The wish, seen."""
    return Result(state=row.desired)


def settle_account(row: User) -> Result:
    """The wish, seen; for somebody of a provider also whether they are still there, and in which groups."""
    if row.desired != "active":
        return Result(state=row.desired)
    heard = ask_again(row)
    return Result(state=row.desired, message=heard.gone, again_in=heard.again_in)
