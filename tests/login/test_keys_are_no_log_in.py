"""No key changes what belongs to a person: every route of one's own account is walked with every sort of key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from apps.accounts.login import second_factor
from apps.accounts.models import ApiKey, RecoveryCode, Session, Totp, User
from apps.accounts.services import NewKey
from apps.api.wire.resource import all_resources
from apps.console import urls
from apps.console.administration.setting_sections import SECTIONS
from apps.control.reconcile import reconcile_until_idle
from apps.core.defaults import OPEN_MODE
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.roles import ROLES
from apps.environments.services import account_key_create, environment_key_create

PASSWORD = "correct horse battery staple"
NEW = "another quite long phrase"
PERSONAL = {"account", "apiKey", "localAuthConfig", "loginSession", "password", "secondFactor"}
SORTS = ["whole", *(f"role {name}" for name in ROLES), *(f"lab {name}" for name in ROLES)]


@dataclass
class Walker:
    """Sends what would change an account to every route, with the same header."""

    user: User
    authorization: str = ""
    code: str = "000000"

    def send(self, method: str, path: str, body: Any = None) -> int:
        headers = {"Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        found = Client().generic(method, path, json.dumps(body), content_type="application/json", headers=headers)
        assert found.status_code < 500, (method, path, found.content)
        return int(found.status_code)

    @property
    def body(self) -> dict[str, Any]:
        """The words that any of the routes takes, all of them right."""
        me = wire_id("a", self.user.pk)
        words = {"oldSecret": PASSWORD, "newSecret": NEW, "secretValue": NEW, "password": PASSWORD, "code": self.code}
        return words | {"username": self.user.login, "accountId": me, "publicValue": self.user.login}

    def targets(self) -> Iterator[tuple[Any, list[int]]]:
        """Each type with the numbers of the account's own rows of it."""
        sessions = list(Session.objects.filter(account=self.user).values_list("pk", flat=True))
        keys = list(ApiKey.objects.filter(account=self.user).values_list("pk", flat=True))
        rows = {"loginSession": sessions, "apiKey": keys, "account": []}
        for each in all_resources():
            yield each, rows.get(each.name, [self.user.pk])

    def walk_api(self, names: set[str]) -> None:
        for each, numbers in self.targets():
            if each.name not in names:
                continue
            plural = f"/v1/{each.plural_name.lower()}"
            # A key may make keys, no broader than itself: that has a test of its own.
            if each.name != "apiKey":
                self.send("POST", plural, self.body)
            for number in numbers:
                path = f"{plural}/{wire_id(each.id_prefix, number)}"
                for action in each.custom_actions:
                    self.send("POST", f"{path}/?action={action}", self.body)
                if each.name != "apiKey":
                    self.send("PUT", path, self.body)
                    self.send("DELETE", path)

    def walk_console(self) -> None:
        for path in _console_paths(self.user):
            assert self.send("POST", path, self.body) in {302, 401, 403, 405}, path


def _console_paths(user: User) -> Iterator[str]:
    """Every URL of the console that stands outside an environment, with the account's own rows."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
        for each in patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, path)
            elif str(each.pattern) and getattr(each.callback, "access", "") in {"account", "admin"}:
                yield path

    session = Session.objects.filter(account=user).values_list("pk", flat=True).first() or 0
    for path in walk(urls.urlpatterns):
        number = session if "sessions" in path else user.pk
        for hole, value in (
            ("<key:pk>", number), ("<key:account>", user.pk), ("<slug:action>", "deactivate"),
            ("<slug:kind>", "github"), ("<slug:section>", SECTIONS[0].slug),
        ):  # fmt: skip
            path = path.replace(hole, str(value))  # noqa: PLW2901 - filled in step by step
        yield path


def personal_state(user: User) -> dict[str, Any]:
    """All that only its person may change about an account."""
    return {
        "password": User.objects.values_list("password", flat=True).get(pk=user.pk),
        "factor": list(Totp.objects.filter(account=user).values()),
        "codes": sorted(RecoveryCode.objects.filter(account=user).values_list("digest", "used")),
        "sessions": sorted(Session.objects.filter(account=user).values_list("pk", "confirmed")),
    }


@pytest.fixture(params=["without a factor", "with a pending factor", "with a factor"])
def prepare(request: pytest.FixtureRequest, phone: Any, browser: Any) -> Callable[[User], Walker]:
    """An account with a session, in each state of its second factor, and a right code for it."""

    def make(user: User) -> Walker:
        walker = Walker(user)
        if request.param == "with a factor":
            device = phone(user.login)
            walker.code = device.code()
        elif request.param == "with a pending factor":
            import pyotp

            walker.code = pyotp.TOTP(second_factor.enrolment(user).secret).now()
        client = browser(user.login)
        if request.param == "with a factor":
            client.post("/login/code", {"code": device.recovery[0]})
        assert Session.objects.filter(account=user).exists()
        return walker

    return make


def key_of_sort(sort: str, actor: Any, lab: Environment) -> NewKey:
    kind, _blank, role = sort.partition(" ")
    if kind == "lab":
        return environment_key_create(actor=actor, environment=lab, role=role, name=sort)
    return account_key_create(actor=actor, role=role, name=sort)


def basic(made: NewKey) -> str:
    reconcile_until_idle()
    return "Basic " + base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()


@pytest.mark.parametrize("who", ["alice", "root"])
def test_no_key_changes_what_belongs_to_its_person(
    people: Any, lab: Environment, actor_of: Any, prepare: Any, who: str
):
    user = getattr(people, who)
    walker = prepare(user)
    before = personal_state(user)
    for sort in SORTS if who == "alice" and walker.code != "000000" else SORTS[:5:4]:
        walker.authorization = basic(key_of_sort(sort, actor_of(who), lab))
        walker.walk_api(PERSONAL)
        assert personal_state(user) == before, sort
    walker.walk_console()
    assert personal_state(user) == before


@pytest.mark.parametrize("who", ["alice", "root"])
def test_in_open_mode_nobody_changes_what_belongs_to_the_administrator(
    people: Any, actor_of: Any, prepare: Any, set_to: Any, who: str
):
    user = getattr(people, who)
    walker = prepare(user)
    before = personal_state(user)
    set_to(OPEN_MODE, "false")
    walker.walk_api(PERSONAL)
    client = Client()
    for path in _console_paths(user):
        if path.startswith("/account") or "factor" in path or "sessions" in path:
            client.post(path, walker.body)
    assert personal_state(user) == before


@pytest.mark.parametrize(
    ("name", "changed"), [("password", "password"), ("secondFactor", "factor"), ("loginSession", "sessions")]
)
def test_a_person_s_own_token_does_change_it(people: Any, program: Any, name: str, changed: str):
    """The walk can fail: what no key may, its person may."""
    walker = Walker(people.alice, f"Bearer {program('alice').token}")
    before = personal_state(people.alice)
    walker.walk_api({name})
    assert personal_state(people.alice)[changed] != before[changed]


def test_no_type_of_the_api_changes_it_for_a_key(people: Any, lab: Environment, actor_of: Any, browser: Any):
    """Every type, so that one added later is walked too."""
    browser("alice")
    before = personal_state(people.alice)
    Walker(people.alice, basic(key_of_sort("whole", actor_of("alice"), lab))).walk_api(
        {each.name for each in all_resources()}
    )
    assert personal_state(people.alice) == before


@pytest.mark.parametrize("sort", SORTS)
def test_what_a_key_makes_of_keys_is_never_broader_than_itself(people: Any, lab: Environment, actor_of: Any, sort: str):
    soon = timezone.now() + timedelta(hours=1)
    other = account_key_create(actor=actor_of("alice"), name="other").key
    asleep = account_key_create(actor=actor_of("alice"), name="asleep").key
    ApiKey.all_objects.filter(pk=asleep.pk).update(desired="inactive", state="inactive", transition_state="")
    made = key_of_sort(sort, actor_of("alice"), lab)
    ApiKey.all_objects.filter(pk=made.key.pk).update(expires=soon, addresses=["127.0.0.0/8"])
    walker = Walker(people.alice, basic(made))
    role = sort.partition(" ")[2]
    bodies: list[dict[str, Any]] = [{"role": name} for name in ("", *ROLES)]
    bodies += [{"expires": ""}, {"expires": "2090-01-01"}, {"addresses": []}, {"addresses": ["0.0.0.0/0"]}]
    me = wire_id("a", people.alice.pk)
    for body in [*bodies, *({**each, "accountId": me} for each in bodies)]:
        walker.send("POST", "/v1/apikeys", body)
        walker.send("PUT", f"/v1/apikeys/1c{other.pk}", body)
        if not body.get("role"):  # it would narrow itself, and could do no more
            walker.send("PUT", f"/v1/apikeys/1c{made.key.pk}", body)
    reconcile_until_idle()
    walker.send("POST", f"/v1/apikeys/1c{asleep.pk}/?action=activate", {})
    allowed = ROLES.get(role)
    for key in ApiKey.objects.filter(account=people.alice).exclude(pk__in=(other.pk, asleep.pk)):
        scope = getattr(key, "scope", None)
        has = scope.role if scope else key.role
        assert allowed is None or (has and ROLES[has] <= allowed), (key.name, has)
        assert sort.startswith("lab") <= (scope is not None)
        assert key.expires is not None
        assert key.expires <= soon
        assert key.addresses == ["127.0.0.0/8"]
    asleep.refresh_from_db()
    assert asleep.desired == ("inactive" if role else "active")


def test_a_session_that_is_not_fresh_makes_itself_no_administrator_s_key(people: Any, program: Any, later: Any):
    root, alice = program("root"), program("alice")
    later(minutes=11)
    refused = root.post("apikeys", {"name": "door"})
    assert (refused.status, refused.body["code"]) == (403, "ReauthenticationRequired")
    assert root.post("apikeys", {"name": "narrow", "role": "member"}).status == 201
    assert alice.post("apikeys", {"name": "mine"}).status == 201
    assert ApiKey.objects.filter(name="door").count() == 0


def test_a_key_makes_no_administrator_who_could_log_in(people: Any, lab: Environment, actor_of: Any):
    walker = Walker(people.root, basic(key_of_sort("whole", actor_of("root"), lab)))
    body = {"login": "chief", "name": "chief", "kind": "admin"}
    assert walker.send("POST", "/v1/accounts", {**body, "password": NEW}) == 403
    assert not User.objects.filter(login="chief").exists()
    assert walker.send("POST", "/v1/accounts", body) == 201
    assert not User.objects.get(login__startswith="chief").has_usable_password()
    bob = f"/v1/accounts/1a{people.bob.pk}"
    assert walker.send("PUT", bob, {"kind": "admin"}) == 403
    assert walker.send("PUT", bob, {"name": "Robert"}) == 200


def test_every_action_on_one_s_own_account_is_walked():
    """A new action that takes the permission to manage keys belongs to a type that the walk covers."""
    found = {each.name for each in all_resources() if "keys" in {a.permission for a in each.custom_actions.values()}}
    assert found <= PERSONAL
