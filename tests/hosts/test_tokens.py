"""Registration tokens: good for a day, by the hour, and alike in how they fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.hosts.models import RegistrationToken
from apps.hosts.selectors import portal_base_url, token_value, verify_token
from apps.hosts.services import token_create

NOW = datetime.now(UTC)
HOUR = NOW.replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def token(lab: Environment, actor_of: Any) -> RegistrationToken:
    row = token_create(actor=actor_of("alice"), environment=lab)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("after", "good"),
    [
        (timedelta(0), True),
        (timedelta(minutes=59), True),
        (timedelta(hours=24, minutes=59), True),
        (timedelta(hours=25), False),
        (timedelta(days=400), False),
        (-timedelta(minutes=59), True),
        (-timedelta(hours=2), False),
    ],
)
def test_a_token_lasts_for_a_day_after_its_hour(after: timedelta, good: bool, token: RegistrationToken) -> None:
    text = token_value(token)
    stamp = datetime.fromtimestamp(int(text.split(":")[1]) / 1000, UTC)
    assert (verify_token(text, stamp + after) == token) is good


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_none(part: int, token: RegistrationToken) -> None:
    words = token_value(token).split(":")
    words[part] = words[part][:-1] + ("0" if words[part][-1] != "0" else "1")
    assert verify_token(":".join(words)) is None


@pytest.mark.parametrize("change", [{"desired": "inactive"}, {"desired": "removed"}, {"removed": NOW}])
def test_a_token_that_is_not_active_is_none(change: dict[str, Any], token: RegistrationToken) -> None:
    text = token_value(token)
    assert verify_token(text) == token
    RegistrationToken.all_objects.filter(pk=token.pk).update(**change)
    assert verify_token(text) is None


@pytest.mark.parametrize("text", ["", ":", "::", "a:b:c", "-1:2:3", "\0", "x" * 10_000, "none:0:abc"])
def test_rubbish_is_none(text: str, token: RegistrationToken) -> None:
    assert verify_token(text) is None


@pytest.mark.parametrize(
    ("setting", "seen", "base"),
    [
        ("", "http://a:8080/", "http://a:8080"),
        ("https://b/", "http://a", "https://b"),
        ("b:9000", "http://a", "http://b:9000"),
        (" ", "https://a", "https://a"),
    ],
)
def test_the_portals_address_is_what_the_setting_says_or_what_was_seen(
    setting: str, seen: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.hosts.selectors.setting", lambda _name: setting)
    assert portal_base_url(seen) == base
