"""How long sessions last and which passwords are accepted, by the settings and by the rules alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.login.codes import normalize_code, recovery_digest
from apps.accounts.login.credentials import (
    can_reauthenticate,
    check_credentials,
    password_confirm,
    session_confirm,
)
from apps.accounts.login.models import (
    RecoveryCode,
    Session,
    Totp,
    digest_of,
)
from apps.accounts.login.password_policy import MAX_PASSWORD_LENGTH, password_check
from apps.accounts.login.passwords import password_change, password_set, verify_password
from apps.accounts.login.session_limits import (
    MIN_SESSION_LIFETIME,
    SessionLifetime,
    max_sessions,
    session_lifetime,
)
from apps.accounts.login.sessions import (
    all_sessions,
    session_provider_kind,
    sessions_close,
    sessions_of,
)
from apps.accounts.models import (
    AuthProvider,
    FailedLogin,
    Identity,
    User,
)
from apps.accounts.selectors import TRIES_PER_NAME
from apps.control.models import AuditEntry
from apps.core.errors import (
    Forbidden,
    Invalid,
    Problem,
    ReauthenticationRequired,
    Unauthorized,
)

PASSWORD = "correct horse battery staple"
NEW = "another horse, another staple"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("max_age", "idle", "used", "ends"),
    [
        pytest.param(16 * HOUR, None, 5 * HOUR, 16 * HOUR, id="no idle limit"),
        pytest.param(16 * HOUR, HOUR, timedelta(0), HOUR, id="never used"),
        pytest.param(16 * HOUR, HOUR, 5 * HOUR, 6 * HOUR, id="used"),
        pytest.param(16 * HOUR, HOUR, 15.5 * HOUR, 16 * HOUR, id="use does not outlast the whole"),
        pytest.param(MINUTE, HOUR, timedelta(0), MINUTE, id="an idle time longer than the life"),
    ],
)
def test_a_session_ends_with_its_life_or_its_use(
    max_age: timedelta, idle: Any, used: timedelta, ends: timedelta
) -> None:
    assert SessionLifetime(max_age, idle).expires_at(NOON, NOON + used) == NOON + ends


SPANS = st.timedeltas(timedelta(0), timedelta(days=30))


@given(SPANS, SPANS, SPANS, SPANS)
def test_use_never_shortens_and_never_outlasts_a_life(
    max_age: timedelta, idle: timedelta, used: timedelta, more: timedelta
) -> None:
    span = SessionLifetime(max_age, idle)
    assert span.expires_at(NOON, NOON + used) <= span.expires_at(NOON, NOON + used + more) <= NOON + max_age


@pytest.mark.parametrize(
    ("expiry", "idle", "max_age", "unused"),
    [
        ("57600000", "0", 16 * HOUR, None),
        ("60000", "30", MINUTE, 30 * MINUTE),
        ("0", "1", MIN_SESSION_LIFETIME, MINUTE),
        ("-5", "-5", MIN_SESSION_LIFETIME, None),
        ("nonsense", "nonsense", 16 * HOUR, None),
        ("9" * 30, "0", timedelta(milliseconds=10**11), None),
    ],
)
def test_nonsense_in_the_settings_locks_nobody_out(
    expiry: str, idle: str, max_age: timedelta, unused: Any, db: None, set_to: Callable[[str, str], None]
) -> None:
    set_to("api.auth.jwt.token.expiry", expiry)
    set_to("session.idle.minutes", idle)
    found = session_lifetime()
    assert found.max_age == max_age
    if idle != "nonsense":
        assert found.idle == unused
    assert found.expires_at(NOON, NOON) > NOON


@pytest.mark.parametrize(("setting_text", "most"), [("0", 0), ("1", 1), ("-3", 0), ("nonsense", 0)])
def test_how_many_sessions_an_account_may_have(
    setting_text: str, most: int, db: None, set_to: Callable[[str, str], None]
) -> None:
    set_to("session.limit", setting_text)
    assert max_sessions() == most


@pytest.mark.parametrize(
    "password", [PASSWORD, NEW, "ünïcödé pässwörd ☃", "x9" * (MAX_PASSWORD_LENGTH // 2), " padded with blanks "]
)
def test_good_passwords_are_taken(password: str) -> None:
    password_check(password)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="empty"),
        pytest.param("short", id="short"),
        pytest.param("1234567890123", id="digits"),
        pytest.param("password1234", id="common"),
        pytest.param("x9" * (MAX_PASSWORD_LENGTH // 2) + "x", id="too long"),
        pytest.param(f"{PASSWORD}\0", id="NUL"),
    ],
)
def test_bad_passwords_are_refused_at_the_field_that_asked(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        password_check(password, field="fresh")
    assert (refused.value.field, refused.value.status) == ("fresh", 422)
    assert refused.value.message


@given(st.text(max_size=100))
def test_typed_codes_are_short_and_without_blanks(text: str) -> None:
    found = normalize_code(text)
    assert len(found) <= 64
    assert not any(letter.isspace() for letter in found)
    assert normalize_code(found) == found


@given(st.text("abcdefgh23456789", min_size=16, max_size=16))
def test_a_recovery_code_is_the_same_with_and_without_its_dashes(code: str) -> None:
    dashed = "-".join(code[at : at + 4] for at in range(0, 16, 4))
    assert recovery_digest(dashed) == recovery_digest(code.upper()) == recovery_digest(f" {code} ")
    assert recovery_digest(code + "a") != recovery_digest(code)


def test_the_table_knows_keys_by_their_digests_only() -> None:
    assert len(digest_of("key")) == 64
    assert digest_of("key") != digest_of("Key")
    assert str(Session(via="api", address="10.0.0.1")) == "api from 10.0.0.1"
    assert str(Totp(account_id=7)) == "second factor of 7"
    assert str(RecoveryCode(account_id=7)) == "recovery code of 7"


@pytest.fixture
def open_session(people: Any) -> Callable[..., Session]:
    """A session of somebody, by a provider of this kind."""

    def make(user: User, provider: str = "local", *, alive: bool = True) -> Session:
        from django.utils import timezone

        expires_at = timezone.now() + (HOUR if alive else -HOUR)
        count = Session.objects.count()
        return Session.objects.create(
            digest=digest_of(f"k{count}"), account=user, data="", expires=expires_at, provider=provider
        )

    return make


def test_closing_counts_the_living_and_keeps_the_one_named(people: Any, open_session: Any) -> None:
    kept, *_others = (open_session(people.bob) for _ in range(3))
    open_session(people.bob, alive=False)
    theirs = open_session(people.rita)
    assert sessions_of(people.bob).count() == 3
    assert sessions_close(people.bob, keep="k0") == 2
    assert set(Session.objects.filter(expires__gt=NOON)) >= {kept, theirs}
    assert {each.account_id for each in all_sessions()} == {people.bob.pk, people.rita.pk}
    assert sessions_close(people.bob) == 1
    assert sessions_close(people.bob) == 0


def test_the_provider_is_the_one_whose_person_it_is(people: Any) -> None:
    provider = AuthProvider.objects.create(kind="openldap", enabled=True)
    Identity.objects.create(user=people.bob, provider=provider, kind="openldap_user", external_id="u1")
    local = "apps.accounts.providers.LocalBackend"
    assert session_provider_kind(people.bob, local) == "local"
    assert session_provider_kind(people.bob, "another") == "openldap"
    assert session_provider_kind(people.rita, "another") == ""


def test_changing_one_s_password_takes_the_old_one(people: Any, actor_of: Any, open_session: Any) -> None:
    open_session(people.bob)
    assert password_change(people.bob, PASSWORD, NEW, actor=actor_of("bob")) == 1
    assert User.objects.get(pk=people.bob.pk).check_password(NEW)
    line = AuditEntry.all_objects.filter(event="account.password").latest("pk")
    assert NEW not in str(line.__dict__)
    assert PASSWORD not in str(line.__dict__)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        pytest.param("wrong", NEW, "was", id="a wrong old one"),
        pytest.param("", NEW, "was", id="no old one"),
        pytest.param("x" * (MAX_PASSWORD_LENGTH + 1), NEW, "was", id="an endless old one"),
        pytest.param(PASSWORD, PASSWORD, "becomes", id="the same again"),
        pytest.param(PASSWORD, "short", "becomes", id="a weak new one"),
    ],
)
def test_each_refusal_of_a_change_is_at_its_field(old: str, new: str, field: str, people: Any, actor_of: Any) -> None:
    with pytest.raises(Invalid) as refused:
        password_change(people.bob, old, new, actor=actor_of("bob"), old_field="was", field="becomes")
    assert refused.value.field == field
    assert User.objects.get(pk=people.bob.pk).check_password(PASSWORD)


def test_guessing_an_old_password_is_slowed_down(people: Any, actor_of: Any) -> None:
    for _ in range(TRIES_PER_NAME):
        with pytest.raises(Invalid):
            verify_password(people.bob, "wrong", actor=actor_of("bob"), field="p")
    for password in ("wrong", PASSWORD):
        with pytest.raises(Problem) as refused:
            verify_password(people.bob, password, actor=actor_of("bob"), field="p")
        assert refused.value.status == 429


@pytest.mark.parametrize("who", ["alice", "bob", "mallory"])
def test_only_administrators_set_somebody_s_password(who: str, people: Any, actor_of: Any) -> None:
    with pytest.raises(Forbidden):
        password_set(people.bob, NEW, actor=actor_of(who))
    assert User.objects.get(pk=people.bob.pk).check_password(PASSWORD)


def test_an_administrator_proves_it_first(people: Any, actor_of: Any) -> None:
    from dataclasses import replace

    with pytest.raises(ReauthenticationRequired):
        password_set(people.bob, NEW, actor=replace(actor_of("root"), password_confirmed_at=None))
    password_set(people.bob, NEW, actor=actor_of("root"))
    assert User.objects.get(pk=people.bob.pk).check_password(NEW)


def test_an_account_without_a_password_here_changes_none(people: Any, actor_of: Any) -> None:
    people.bob.set_unusable_password()
    people.bob.save()
    with pytest.raises(Invalid) as refused:
        password_change(people.bob, PASSWORD, NEW, actor=actor_of("bob"))
    assert refused.value.field == "current"
    assert not can_reauthenticate(people.bob)
    with pytest.raises(Invalid) as refused:
        password_confirm(people.bob, PASSWORD, actor=actor_of("bob"))
    assert refused.value.field == "password"


@pytest.mark.parametrize(("login", "password"), [("bob", "wrong"), ("nobody", PASSWORD), ("", ""), ("bob", "")])
def test_a_wrong_pair_is_counted_whoever_it_names(login: str, password: str, people: Any) -> None:
    with pytest.raises(Unauthorized) as refused:
        check_credentials(None, login, password, address="203.0.113.7")
    assert refused.value.message == "The log-in name or the password is wrong."
    assert FailedLogin.objects.filter(address="203.0.113.7").count() == 1


def test_the_right_pair_is_the_account_and_counts_nothing(people: Any) -> None:
    assert check_credentials(None, "bob", PASSWORD, address="203.0.113.7") == people.bob
    assert not FailedLogin.objects.exists()


def test_confirming_needs_a_session_of_somebody(people: Any, actor_of: Any, open_session: Any) -> None:
    row = open_session(people.bob)
    for nobody in (None, Session(account=None)):
        with pytest.raises(Unauthorized):
            session_confirm(nobody, PASSWORD, "", actor=actor_of("bob"))
    with pytest.raises(Invalid):
        session_confirm(row, "wrong", "", actor=actor_of("bob"))
    assert Session.objects.get(pk=row.pk).confirmed is None
    session_confirm(row, PASSWORD, "", actor=actor_of("bob"))
    assert Session.objects.get(pk=row.pk).confirmed is not None
