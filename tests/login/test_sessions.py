"""Sessions: one row each, found by the digest of its key, with its origin and its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.test import Client
from django.utils import timezone

from apps.accounts.login.models import Session, digest_of
from apps.accounts.login.store import SessionStore

BY_ITSELF = {"HX-Request": "true", "X-Corral-Refresh": "true"}


def key_of(client: Client) -> str:
    return client.cookies["corral_session"].value


def test_a_log_in_is_a_row_that_tells_where_it_came_from(people: Any, browser: Any):
    client = browser("alice")
    row = Session.objects.get(account=people.alice)
    assert (row.address, row.agent, row.via, row.provider) == ("127.0.0.1", "Firefox/140", "console", "local")
    assert row.digest == digest_of(key_of(client))
    assert row.expires - row.created == timedelta(hours=16)
    assert row.confirmed is not None


def test_a_token_is_a_row_too(people: Any, program: Any):
    program("alice")
    row = Session.objects.get(account=people.alice)
    assert (row.address, row.agent, row.via, row.provider) == ("127.0.0.1", "cli/1", "api", "local")


def test_the_key_itself_is_nowhere_in_the_table(people: Any, browser: Any, program: Any):
    keys = [key_of(browser("alice")), program("alice").token]
    table = str(list(Session.objects.values()))
    assert Session.objects.count() == 2
    assert not [key for key in keys if key in table]


def test_a_browser_that_has_not_logged_in_leaves_no_row(people: Any):
    Client().get("/login")
    assert not Session.objects.exists()


def test_logging_out_takes_the_row_away(people: Any, browser: Any, is_in: Any):
    client = browser("alice")
    key = key_of(client)
    client.post("/logout")
    assert not Session.objects.exists()
    client.cookies["corral_session"] = key
    assert not is_in(client)


@pytest.mark.parametrize("key", ["", "x", "abcdefghijklmnopqrstuvwxyz012345", "' OR 1=1 --", "\0", "x" * 5000])
def test_a_made_up_key_is_nobody(people: Any, key: str, is_in: Any):
    assert not is_in(Client(HTTP_COOKIE=f"corral_session={key}"))  # not all Pythons write each of them into a jar
    assert SessionStore(key).load() == {}


@pytest.mark.parametrize("digest", [True, False])
def test_the_table_s_own_words_open_nothing(people: Any, browser: Any, nobody: Any, digest: bool):
    browser("alice")
    row = Session.objects.get()
    nobody.token = row.digest if digest else row.data
    assert nobody.get("projects").status == 401


def test_a_session_ends_by_itself(people: Any, browser: Any, later: Any, is_in: Any):
    client = browser("alice")
    later(hours=15, minutes=59)
    assert is_in(client)
    later(minutes=2)
    assert not is_in(client)


def test_a_token_ends_by_itself(people: Any, program: Any, later: Any):
    token = program("alice")
    assert token.get("projects").status == 200
    later(hours=17)
    assert token.get("projects").status == 401


def test_the_setting_says_how_long_a_session_lives(people: Any, browser: Any, set_to: Any):
    set_to("api.auth.jwt.token.expiry", str(30 * 60 * 1000))
    client = browser("alice")
    row = Session.objects.get()
    assert row.expires - row.created == timedelta(minutes=30)
    assert client.cookies["corral_session"]["max-age"] == 1800


def test_shortening_the_life_counts_for_sessions_that_are_open(
    people: Any, browser: Any, later: Any, set_to: Any, is_in: Any
):
    client = browser("alice")
    later(hours=2)
    set_to("api.auth.jwt.token.expiry", str(60 * 60 * 1000))
    assert not is_in(client)
    assert not Session.objects.filter(account=people.alice).exists()


def test_a_session_that_lies_unused_ends(people: Any, browser: Any, later: Any, set_to: Any, is_in: Any):
    set_to("session.idle.minutes", "20")
    client = browser("alice")
    for _ in range(3):
        later(minutes=15)
        assert is_in(client)
    later(minutes=21)
    assert not is_in(client)


def test_a_token_that_lies_unused_ends_and_one_that_is_used_does_not(
    people: Any, program: Any, later: Any, set_to: Any
):
    set_to("session.idle.minutes", "20")
    token = program("alice")
    later(minutes=15)
    assert token.get("projects").status == 200
    later(minutes=15)
    assert token.get("projects").status == 200
    later(minutes=25)
    assert token.get("projects").status == 401


def test_a_page_that_refreshes_itself_does_not_keep_its_session_alive(
    people: Any, browser: Any, later: Any, set_to: Any, is_in: Any
):
    set_to("session.idle.minutes", "20")
    client = browser("alice")
    later(minutes=15)
    assert client.get("/environments", headers=BY_ITSELF).status_code == 200
    later(minutes=10)
    answer = client.get("/environments", headers=BY_ITSELF)
    assert (answer.status_code, answer["HX-Redirect"][:6]) == (401, "/login")
    assert not is_in(client)


def test_a_click_does_keep_it_alive(people: Any, browser: Any, later: Any, set_to: Any, is_in: Any):
    set_to("session.idle.minutes", "20")
    client = browser("alice")
    later(minutes=15)
    client.get("/environments", headers={"HX-Request": "true"})
    later(minutes=10)
    assert is_in(client)


def test_use_is_noted_once_a_minute(people: Any, browser: Any, later: Any, django_assert_num_queries: Any):
    client = browser("alice")
    seen = Session.objects.get().last_seen
    client.get("/environments")
    assert Session.objects.get().last_seen == seen
    later(minutes=2)
    client.get("/environments")
    assert timezone.now() - Session.objects.get().last_seen < timedelta(seconds=30)


@pytest.mark.parametrize(("limit", "left"), [("0", 4), ("3", 3), ("1", 1), ("-5", 4), ("many", 4)])
def test_the_oldest_make_room_for_a_new_one(people: Any, browser: Any, set_to: Any, is_in: Any, limit: str, left: int):
    set_to("session.limit", limit)
    clients = [browser("alice") for _ in range(4)]
    assert Session.objects.filter(account=people.alice).count() == left
    assert [is_in(client) for client in clients] == [False] * (4 - left) + [True] * left


def test_single_session_mode_holds_for_tokens_and_for_each_account_alone(
    people: Any, browser: Any, program: Any, set_to: Any, is_in: Any
):
    set_to("session.limit", "1")
    alice, bob = browser("alice"), browser("bob")
    token = program("alice")
    assert not is_in(alice)
    assert is_in(bob)
    assert token.get("projects").status == 200
    second_browser = browser("alice")
    assert token.get("projects").status == 401
    assert is_in(second_browser)


def test_sessions_that_are_over_are_forgotten_at_the_next_log_in(people: Any, browser: Any, later: Any):
    browser("bob")
    later(hours=17)
    browser("alice")
    assert [row.account_id for row in Session.objects.all()] == [people.alice.pk]


def test_a_new_password_elsewhere_ends_a_session_even_if_its_row_were_left(people: Any, browser: Any, is_in: Any):
    client = browser("alice")
    people.alice.set_password("something else entirely")
    people.alice.save()
    assert not is_in(client)


def test_a_damaged_row_is_an_empty_session(people: Any, browser: Any, is_in: Any):
    client = browser("alice")
    Session.objects.update(data="nonsense")
    assert not is_in(client)


def test_one_account_s_row_pasted_into_another_s_gives_nothing(people: Any, browser: Any, is_in: Any):
    """The data is signed, but not to its row: the account in it must be the row's."""
    alice, _root = browser("alice"), browser("root")
    theirs = Session.objects.get(account=people.root).data
    Session.objects.filter(account=people.alice).update(data=theirs)
    assert not is_in(alice)


def test_saving_a_session_that_was_ended_meanwhile_does_not_bring_it_back(db: None):
    store = SessionStore()
    store["a"] = 1
    store.create()
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        store.save()
    assert not Session.objects.exists()


def test_a_key_in_use_is_not_given_twice(db: None, monkeypatch: pytest.MonkeyPatch):
    first = SessionStore()
    first.create()
    keys = iter([first.session_key, "b" * 32])
    monkeypatch.setattr(SessionStore, "_get_new_session_key", lambda _self: next(keys))
    second = SessionStore()
    second.create()
    assert second.session_key == "b" * 32
    with pytest.raises(CreateError):
        SessionStore(first.session_key).save(must_create=True)


def test_a_new_key_keeps_where_the_session_came_from(people: Any, browser: Any, is_in: Any):
    client = browser("alice")
    before = Session.objects.get()
    new = "another quite long phrase"
    client.post("/account/password", {"current": "correct horse battery staple", "password": new})
    after = Session.objects.get()
    assert after.digest != before.digest
    for name in ("account_id", "agent", "address", "created", "expires", "provider", "via"):
        assert getattr(after, name) == getattr(before, name), name
    assert is_in(client)


def test_the_store_knows_what_is_there(db: None):
    store = SessionStore()
    store.create()
    assert store.exists(store.session_key)
    assert not store.exists("b" * 32)
    assert not store.exists("")
    store.delete()
    assert not store.exists(store.session_key)
    SessionStore().delete()
