"""How long and how often a program asks whether it was allowed, and what each answer means to it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from corral_cli.browser_login import log_in_by_browser
from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import UserTerminal

GIVEN = (200, {"access_key": "A", "secret_key": "S", "environment": "1a5"})
PENDING = (400, {"error": "authorization_pending"})
SLOWER = (400, {"error": "slow_down"})
DENIED = (400, {"error": "access_denied"})
EXPIRED = (400, {"error": "expired_token"})
AWAY = CliError("The portal does not answer.", ExitCode.UNREACHABLE)


class AnsweringPortal:
    """Begins a log-in, and gives the next of its answers whenever it is asked."""

    root = "https://portal.example.com"

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked_with: list[Any] = []

    def post(self, path: str, body: Any) -> Any:
        assert path == "/v1/devicelogins"
        assert body["machine"]
        if self._answers and isinstance(self._answers[0], CliError) and self._answers[0] is not AWAY:
            raise self._answers[0]
        return {
            "device_code": "secret-code",
            "user_code": "BCDF-GHJK",
            "verification_uri": f"{self.root}/device",
            "verification_uri_complete": f"{self.root}/device?code=BCDF-GHJK",
            "expires_in": 600,
            "interval": 5,
        }

    def exchange(self, path: str, body: Any) -> Any:
        assert path == "/v1/devicelogins/token"
        self.asked_with.append(body)
        answer = self._answers.pop(0) if self._answers else PENDING
        if isinstance(answer, CliError):
            raise answer
        return answer


class SlowPerson:
    """A clock that goes on by what is slept; `pauses` are how long each sleep was."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []
        self.err = io.StringIO()

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.pauses.append(seconds)

    @property
    def terminal(self) -> UserTerminal:
        return UserTerminal(io.StringIO(), self.err, io.StringIO(), {}, sleep=self.sleep, now=lambda: self.seconds)


def log_in(*answers: Any) -> tuple[Any, SlowPerson, Any]:
    person, portal = SlowPerson(), AnsweringPortal(*answers)
    given: Any = log_in_by_browser(portal, person.terminal)  # type: ignore[arg-type]
    return given, person, portal


def refused(*answers: Any) -> tuple[CliError, SlowPerson]:
    person = SlowPerson()
    with pytest.raises(CliError) as found:
        log_in_by_browser(AnsweringPortal(*answers), person.terminal)  # type: ignore[arg-type]
    return found.value, person


def test_it_asks_until_it_is_allowed():
    given, person, portal = log_in(PENDING, PENDING, GIVEN)
    assert given == ("A", "S", "1a5")
    assert person.pauses == [5, 5, 5]
    assert portal.asked_with == [{"device_code": "secret-code"}] * 3


def test_the_code_and_the_page_are_shown_and_the_secret_one_is_not():
    _given, person, _portal = log_in(GIVEN)
    said = person.err.getvalue()
    assert "https://portal.example.com/device?code=BCDF-GHJK" in said
    assert "shows the code BCDF-GHJK" in said
    assert "secret-code" not in said


def test_it_goes_slower_when_the_portal_says_so():
    _given, person, _portal = log_in(PENDING, SLOWER, SLOWER, GIVEN)
    assert person.pauses == [5, 5, 10, 15]


def test_a_portal_that_is_away_for_a_while_is_waited_for():
    given, person, _portal = log_in(AWAY, AWAY, GIVEN)
    assert given.access_key == "A"
    assert "Waiting for it" in person.err.getvalue()


def test_a_key_of_a_whole_account_has_no_environment():
    given, _person, _portal = log_in((200, {"access_key": "A", "secret_key": "S", "environment": None}))
    assert given.environment == ""


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (DENIED, ExitCode.REFUSED, "refused in the browser"),
        (EXPIRED, ExitCode.TIMEOUT, "Nobody allowed it in time"),
        ((400, {"error": "something else"}), ExitCode.TIMEOUT, "run `corral login` again"),
    ],
)
def test_the_end_of_a_log_in_that_was_not_allowed(answer: Any, code: ExitCode, words: str):
    error, _person = refused(PENDING, answer)
    assert error.code is code
    assert words in str(error)


def test_after_its_time_it_ends_by_itself():
    error, person = refused()
    assert error.code is ExitCode.TIMEOUT
    assert person.seconds == 600


def test_an_older_portal_is_named_with_the_other_way():
    error, _person = refused(CliError("nothing there", ExitCode.NOT_FOUND))
    assert error.code is ExitCode.USAGE
    assert "--key" in str(error)


def test_another_refusal_is_passed_on():
    error, _person = refused(CliError("Too many requests", ExitCode.UNREACHABLE))
    assert str(error) == "Too many requests"
