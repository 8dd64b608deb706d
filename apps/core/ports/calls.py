"""What lower apps call."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from apps.core.ports.sockets import Ports

if TYPE_CHECKING:
    from apps.core.models import Managed


ports = Ports()


def ask(row: Managed, action: str, **kwargs: Any) -> Any:
    """Change a wish; see `control.services.ask`."""
    return ports.ask(row, action, **kwargs)


def create(row: Managed, **kwargs: Any) -> Any:
    """Record a new row's first wish; see `control.services.create`."""
    return ports.create(row, **kwargs)


def wake(kind: str, key: int) -> None:
    """Have the loop look at a row, once the transaction is committed; see `control.wake`."""
    ports.wake(kind, key)


def record(event: str, **kwargs: Any) -> None:
    """Write one audit entry; see `control.services.record`."""
    ports.record(event, **kwargs)


def revoking(actor: Any, *, accounts: Iterable[int] = (), keys: Iterable[int] = ()) -> AbstractContextManager[None]:
    """Enter this around a change of what accounts or keys may do; see `environments.services.revoking`."""
    return ports.revoking(actor, accounts=accounts, keys=keys)


def identified(user: Any) -> None:
    """Bring the account's memberships up to date; see `environments.services.memberships_of_account`."""
    ports.identified(user)


def is_member(names: set[tuple[str, str]], user: Any) -> bool:
    """Whether any environment has one of these (kind, id) pairs, or the account, as a member."""
    return ports.is_member(names, user)


def account_changed(account: int) -> None:
    """Have the open sockets of an account check at once, after commit, whether it may still be there."""
    for tell in ports.rights_changed:
        tell({"account": account})


def sessions_close(user: Any) -> int:
    """End an account's sessions; see `accounts.login.sessions.sessions_close`."""
    return ports.sessions_close(user)
