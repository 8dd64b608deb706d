"""A key's expiry and addresses: checked when it is made, enforced at every use, never widened by the key itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.key_limits import key_limits
from apps.accounts.models import ApiKey
from apps.accounts.selectors import find_usable_key, key_by_credentials, key_refusal
from apps.accounts.services import (
    NewKey,
    account_act,
    key_act,
    key_create,
    record_key_use,
)
from apps.control.models import AuditEntry
from apps.core.errors import Invalid
from apps.environments.actor import Actor, actor_of_key

Actors = Callable[..., Actor]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def maker(expires: datetime | None = None, addresses: list[str] | None = None) -> Any:
    return SimpleNamespace(expires=expires, addresses=addresses or [])


def test_a_person_chooses_limits_freely():
    found = key_limits(None, NOON + HOUR, ["10.0.0.1"], NOON)
    assert (found.expires, found.addresses) == (NOON + HOUR, ("10.0.0.1/32",))
    none = key_limits(None, None, [], NOON)
    assert (none.expires, none.addresses, none.details) == (None, (), {})


@pytest.mark.parametrize("late", [timedelta(0), HOUR, timedelta(days=900)])
def test_a_key_cannot_end_in_the_past(late: timedelta):
    with pytest.raises(Invalid, match="past") as refusal:
        key_limits(None, NOON - late, [], NOON)
    assert refusal.value.field == "expires"


def test_a_key_passes_its_own_limits_on():
    found = key_limits(maker(NOON + HOUR, ["10.0.0.0/8"]), None, [], NOON)
    assert (found.expires, found.addresses) == (NOON + HOUR, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("expires", "addresses", "field"),
    [
        (NOON + 2 * HOUR, [], "expires"),
        (None, ["11.0.0.1"], "addresses"),
        (None, ["0.0.0.0/0"], "addresses"),
        (None, ["10.0.0.1", "::/0"], "addresses"),
    ],
)
def test_a_key_makes_none_with_wider_limits(expires: datetime | None, addresses: list[str], field: str):
    with pytest.raises(Invalid) as refusal:
        key_limits(maker(NOON + HOUR, ["10.0.0.0/8"]), expires, addresses, NOON)
    assert refusal.value.field == field


def test_a_key_may_make_one_with_narrower_limits():
    found = key_limits(maker(NOON + 2 * HOUR, ["10.0.0.0/8"]), NOON + HOUR, ["10.1.0.0/16"], NOON)
    assert (found.expires, found.addresses) == (NOON + HOUR, ("10.1.0.0/16",))
    free = key_limits(maker(), NOON + HOUR, ["10.1.0.0/16"], NOON)
    assert free.details == {"expires": "2030-01-01T13:00:00+00:00", "addresses": ["10.1.0.0/16"]}


@pytest.fixture
def make(people: Any, actor_of: Actors) -> Callable[..., NewKey]:
    """Makes a key of bob's."""

    def made(**limits: Any) -> NewKey:
        return key_create(actor=actor_of("bob"), account=people.bob, name="ci", **limits)

    return made


def later(made: NewKey, **columns: Any) -> ApiKey:
    """The key after these columns were set without checks."""
    ApiKey.all_objects.filter(pk=made.key.pk).update(**columns)
    return ApiKey.objects.select_related("account").get(pk=made.key.pk)


def test_a_key_works_until_its_time_is_over(make: Any):
    made = make(expires=timezone.now() + HOUR)
    assert find_usable_key(made.key.public_value, made.secret) == made.key
    key = later(made, expires=timezone.now() - timedelta(seconds=1))
    assert key.is_expired
    assert find_usable_key(made.key.public_value, made.secret) is None
    assert "expired" in key_refusal(key, "")
    assert key_by_credentials(made.key.public_value, made.secret) == key


@pytest.mark.parametrize(
    ("address", "opens"),
    [("10.2.3.4", True), ("::ffff:10.2.3.4", True), ("2001:db8::9", True), ("192.0.2.1", False), ("", False)],
)
def test_a_key_works_from_its_addresses_only(make: Any, address: str, *, opens: bool):
    made = make(addresses=["10.0.0.0/8", "2001:db8::/64"])
    found = find_usable_key(made.key.public_value, made.secret, address)
    assert (found is not None) is opens
    assert bool(key_refusal(made.key, address)) is not opens
    if not opens:
        assert (address or "an unknown address") in key_refusal(made.key, address)


def test_a_key_without_addresses_works_from_everywhere(make: Any):
    made = make()
    for address in ("", "10.0.0.1", "2001:db8::1", "a unix socket"):
        assert find_usable_key(made.key.public_value, made.secret, address) is not None


def test_a_key_that_is_not_active_says_so_to_its_holder_only(make: Any, people: Any, actor_of: Actors):
    made = make()
    key_act(made.key, "deactivate", actor=actor_of("bob"))
    found = key_by_credentials(made.key.public_value, made.secret)
    assert found is not None
    assert "not active" in key_refusal(found, "")
    assert key_by_credentials(made.key.public_value, "x" * 40) is None
    other = make()
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert find_usable_key(other.key.public_value, other.secret) is None


def test_where_a_key_was_used_from_is_kept(make: Any):
    made = make()
    record_key_use(made.key, "10.0.0.1")
    key = ApiKey.objects.get(pk=made.key.pk)
    assert (key.last_address, key.last_used is not None) == ("10.0.0.1", True)
    record_key_use(key, "10.0.0.2")
    assert ApiKey.objects.get(pk=key.pk).last_address == "10.0.0.2"


def test_a_use_from_the_same_place_is_written_once_a_minute(make: Any, django_assert_num_queries: Any):
    made = make()
    record_key_use(made.key, "10.0.0.1")
    key = ApiKey.objects.get(pk=made.key.pk)
    with django_assert_num_queries(0):
        record_key_use(key, "10.0.0.1")


def test_a_key_that_makes_a_key_hands_its_limits_down(make: Any, people: Any):
    made = make(expires=timezone.now() + HOUR, addresses=["10.0.0.0/8"])
    actor = actor_of_key(made.key, "api")
    child = key_create(actor=actor, account=people.bob).key
    assert (child.expires, child.addresses) == (made.key.expires, ["10.0.0.0/8"])
    with pytest.raises(Invalid):
        key_create(actor=actor, account=people.bob, expires=timezone.now() + 2 * HOUR)
    with pytest.raises(Invalid):
        key_create(actor=actor, account=people.bob, addresses=["0.0.0.0/0"])


def test_the_audit_entry_of_a_key_has_its_limits(make: Any):
    made = make(expires=timezone.now() + HOUR, addresses=["10.0.0.7"])
    entry = AuditEntry.all_objects.get(event="apiKey.create", target=made.key.pk)
    assert entry.request["addresses"] == ["10.0.0.7/32"]
    assert entry.request["expires"].startswith(f"{made.key.expires:%Y-%m-%d}")
    assert made.secret not in str(entry.request)
