"""The places that higher apps fill, empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

Emptier = Callable[[int], int]
Renderer = Callable[[str, int, Any, str], Mapping[str, Any] | None]


class Ports:
    """What is plugged in: `ask`, `create`, `record`, `wake` from control, `emptiers` from every app with tenant rows.

    An emptier takes an environment's key, asks for the removal of what its app still holds there and returns how
    many things are left. `render(kind, key, actor, base)` is the v1 resource of a row as the actor sees it (None: not
    at all), with links below the URL `base` (`https://portal`); the API provides it.

    `rights_changed` are called with what changed: `{"environment": key}` (None: the whole installation) or
    `{"account": key}`.

    `sessions_close(account)` ends the sessions of an account at once and says how many that were.

    `revoking(actor, accounts=..., keys=..., environments=...)` is entered around a change of what these may do: it
    closes the sockets that lost their right and counts sockets, sessions and keys (`environments.services.revoking`).

    `identified(user)` is called when a log-in provider said anew who the account is and in which groups;
    `is_member(names, user)` whether an environment has such an identity, or that account, as a member.
    """

    def __init__(self) -> None:
        self.ask: Callable[..., Any] = _missing
        self.create: Callable[..., Any] = _missing
        self.record: Callable[..., Any] = _missing
        self.emptiers: list[Emptier] = []
        self.rights_changed: list[Callable[[Mapping[str, Any]], int]] = []
        self.render: Renderer = _nothing
        self.sessions_close: Callable[[Any], int] = _missing
        self.wake: Callable[[str, int], None] = _missing
        self.revoking: Callable[..., AbstractContextManager[None]] = _unwatched
        self.identified: Callable[[Any], Any] = _missing
        self.is_member: Callable[[set[tuple[str, str]], Any], bool] = _missing


def _missing(*_: object, **__: object) -> Any:
    raise RuntimeError("apps.control is not installed")


def _nothing(*_: object) -> None:
    return None


def _unwatched(*_: object, **__: object) -> AbstractContextManager[None]:
    return nullcontext()
