"""How far something is: a bar on a terminal, one line for each change in a pipe."""

from __future__ import annotations

import io
from typing import Any

import pytest

from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import UserTerminal
from corral_cli.waiting import Waiter, percent_of


class _Screen(io.StringIO):
    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class SlowPortal:
    """A service that is a fifth further at each look."""

    def __init__(self, *, says: bool = True) -> None:
        self._percent: Any = 0
        self._says = says

    def reload(self, _resource: Any) -> dict[str, Any]:
        self._percent += 20
        is_done = self._percent >= 100
        return {
            "type": "service",
            "name": "web",
            "state": "active" if is_done else "activating",
            "transitioning": "no" if is_done else "yes",
            "transitioningMessage": None,
            "transitioningProgress": self._percent if self._says and not is_done else None,
        }


def wait(*, tty: bool, says: bool = True) -> str:
    err = _Screen(tty=tty)
    terminal = UserTerminal(io.StringIO(), err, io.StringIO(), {}, sleep=lambda _seconds: None, now=lambda: 0.0)
    portal: Any = SlowPortal(says=says)
    Waiter(portal, terminal).until_settled(portal.reload({}))
    return err.getvalue()


def test_a_terminal_shows_a_bar_and_clears_it_in_the_end():
    shown = wait(tty=True)
    assert "[====                ]  20 %  service web: activating" in shown
    assert "[================    ]  80 %  service web: activating" in shown
    assert shown.endswith("\r\x1b[K")
    assert "\n" not in shown


def test_a_pipe_gets_a_line_when_something_changes_and_no_bar():
    assert wait(tty=False) == "service web: activating\n"


def test_without_a_figure_there_is_no_bar():
    assert "[" not in wait(tty=True, says=False).replace("\x1b[K", "")


@pytest.mark.parametrize(
    ("said", "expected"), [(None, None), (0, 0.0), (55, 55.0), (True, None), ("7", None), ([], None), (12.5, 12.5)]
)
def test_only_a_number_is_a_figure(said: Any, expected: Any):
    assert percent_of({"transitioningProgress": said}) == expected
    assert percent_of({}) is None


@pytest.mark.parametrize("percent", [-5, 0, 100, 250])
def test_a_bar_never_grows_out_of_its_frame(percent: float):
    err = _Screen(tty=True)
    UserTerminal(io.StringIO(), err, io.StringIO(), {}).progress_bar(percent, "x")
    assert err.getvalue().index("]") == 21


def test_a_wait_that_is_too_long_ends_with_its_code_and_no_rest_of_a_bar():
    times = iter(range(1000))
    err = _Screen(tty=True)
    terminal = UserTerminal(io.StringIO(), err, io.StringIO(), {}, sleep=lambda _seconds: None, now=lambda: next(times))
    portal: Any = SlowPortal()
    with pytest.raises(CliError, match="It goes on") as ended:
        Waiter(portal, terminal, 1.0).until_settled(portal.reload({}))
    assert ended.value.code is ExitCode.TIMEOUT
    terminal.note("corral: it")
    assert err.getvalue().endswith("\r\x1b[Kcorral: it\n") or "%" not in err.getvalue()
