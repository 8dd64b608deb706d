"""Every "at least one", "at most one" and "unique" holds when several try at the same moment.

The table names the rules; each is raced by eight threads. The same file runs on SQLite here and on PostgreSQL in
`tests/servers`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyotp
import pytest
from django.utils import timezone

from apps.accounts.login import second_factor
from apps.accounts.login.store import SessionStore
from apps.accounts.login.throttle import login_attempt
from apps.accounts.models import ApiKey, AuthProvider, FailedLogin, RecoveryCode, Session, Totp, User
from apps.accounts.providers.services import provider_save
from apps.accounts.selectors import TRIES_PER_NAME
from apps.accounts.services import account_act, account_create, account_update, first_admin_create
from apps.api.wire.auth import issue_token
from apps.containers.launch.config import LaunchConfig
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Problem, Unauthorized
from apps.core.ids import wire_id
from apps.core.models import Setting
from apps.environments.actor import Actor, actor_of_user
from apps.environments.models import Environment, Member, Role, SocketTicket
from apps.environments.services import (
    ensure_default_environment,
    ensure_own_environment,
    environment_create,
    environment_key_create,
    members_set,
    role_create,
    role_remove,
    ticket_issue,
    ticket_redeem,
)
from apps.hosts.models import RegistrationToken
from apps.hosts.services import token_ensure
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import link_add, service_create, service_update, stack_create, stack_update
from tests.incidents.race import race

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery staple"
THREADS = 8
GUESSES = 11  # more than the limit, and each with a connection of its own: the pool has 12
CONFIG = {"imageUuid": "docker:sim/nginx:1"}


@dataclass
class House:
    """Two administrators, an owner, and her environment; `notes` is what a rule keeps between its steps."""

    root: User
    chief: User
    alice: User
    lab: Environment
    notes: dict[str, Any]

    def actor(self, user: User) -> Actor:
        return replace(actor_of_user(User.objects.get(pk=user.pk), "api"), password_confirmed_at=timezone.now())


@pytest.fixture
def house() -> House:
    made = {
        name: account_create(actor=None, login=name, password=PASSWORD, kind=kind)
        for name, kind in (("root", "admin"), ("chief", "admin"), ("alice", "user"))
    }
    lab = environment_create(actor=actor_of_user(made["alice"], "api"), name="Lab")
    reconcile_until_idle()
    rows = {name: User.objects.get(pk=user.pk) for name, user in made.items()}
    return House(**rows, lab=Environment.objects.get(pk=lab.pk), notes={})


@dataclass(frozen=True)
class Rule:
    """`attempt(house, n)` is what thread n does; `holds(house)` says afterwards whether the rule does.

    `wins` is how many attempts succeed (None: any number); what is refused is refused with one of `codes`.
    """

    attempt: Callable[[House, int], Any]
    holds: Callable[[House], bool]
    wins: int | None = 1
    codes: frozenset[str] = frozenset({"NotUnique"})
    before: Callable[[House], Any] = lambda _house: None
    threads: int = THREADS


def _stack(house: House, name: str = "web") -> Stack:
    return stack_create(actor=house.actor(house.alice), environment=house.lab, name=name)


def _service(house: House, stack: Stack, name: str) -> Service:
    return service_create(
        actor=house.actor(house.alice), stack=stack, name=name, config=LaunchConfig.from_wire(CONFIG), scale=0
    )


def _stacks_of_name(_house: House) -> bool:
    return Counter(name.lower() for name in Stack.all_objects.values_list("name", flat=True))["web"] == 1


def _two_stacks(house: House) -> None:
    house.notes["stacks"] = [_stack(house, f"s{n}").pk for n in range(THREADS)]
    reconcile_until_idle()


def _rename_stack(house: House, n: int) -> Any:
    row = Stack.all_objects.get(pk=house.notes["stacks"][n])
    return stack_update(row, actor=house.actor(house.alice), name="web")


def _prepare_services(house: House) -> None:
    stack = _stack(house)
    house.notes |= {"stack": stack.pk, "services": [_service(house, stack, f"s{n}").pk for n in range(THREADS)]}


def _rename_service(house: House, n: int) -> Any:
    row = Service.all_objects.get(pk=house.notes["services"][n])
    return service_update(row, actor=house.actor(house.alice), name="front")


def _make_service(house: House, n: int) -> Any:
    return _service(house, Stack.all_objects.get(pk=house.notes["stack"]), "front" if n % 2 else "FRONT")


def _one_front(house: House) -> bool:
    return Service.all_objects.filter(stack=house.notes["stack"], name__iexact="front").count() == 1


def _link(house: House, n: int) -> Any:
    first, target = Service.all_objects.get(pk=house.notes["services"][0]), house.notes["services"][1 + n % 2]
    return link_add(first, Service.all_objects.get(pk=target), "db", actor=house.actor(house.alice))


def _leave(house: House, n: int, how: str) -> Any:
    """Each of two administrators takes the other away."""
    leaving, by = (house.root, house.chief) if n % 2 else (house.chief, house.root)
    row = User.objects.get(pk=leaving.pk)
    if how == "demote":
        return account_update(row, actor=house.actor(by), kind="user")
    return account_act(row, how, actor=house.actor(by))


def _an_admin_stays(_house: House) -> bool:
    return User.objects.filter(kind="admin", desired="active").count() >= 1


def _no_admin_yet(_house: House) -> None:
    User.objects.filter(kind="admin").update(kind="user")


def _member(user: User, role: str) -> dict[str, str]:
    return {"externalId": wire_id("a", user.pk), "externalIdType": "rancher_id", "role": role}


def _set_members(house: House, n: int) -> Any:
    owner, other = (house.alice, house.root) if n % 2 else (house.root, house.alice)
    list_of_mine = [_member(owner, "owner"), _member(other, "member")]
    return members_set(house.lab, list_of_mine, actor=house.actor(house.chief))


def _one_list(house: House) -> bool:
    return sorted(Member.objects.filter(environment=house.lab).values_list("role", flat=True)) == ["member", "owner"]


def _make_role(house: House) -> None:
    role_create(actor=house.actor(house.root), name="odd", permissions=["view"])


def _use_or_remove_role(house: House, n: int) -> Any:
    if n == 0:
        return role_remove(Role.objects.get(name="odd"), actor=house.actor(house.root))
    if n % 2:
        return environment_key_create(actor=house.actor(house.alice), environment=house.lab, role="odd")
    list_of_mine = [_member(house.alice, "owner"), _member(house.root, "odd")]
    return members_set(house.lab, list_of_mine, actor=house.actor(house.chief))


def _nobody_has_a_role_that_is_gone(_house: House) -> bool:
    if Role.objects.filter(name="odd").exists():
        return True
    in_use = Member.objects.filter(role="odd").exists() or ApiKey.objects.filter(scope__role="odd").exists()
    return not in_use


def _limit_sessions(_house: House) -> None:
    Setting.objects.update_or_create(name="session.limit", defaults={"value": "1"})


def _log_in(house: House, _n: int) -> str:
    return issue_token(User.objects.get(pk=house.alice.pk))


def _one_session(house: House) -> bool:
    return Session.objects.filter(account=house.alice).count() == 1


def _pending_factor(house: House) -> None:
    house.notes["secret"] = second_factor.enrolment(house.alice).secret


def _enrol(house: House, _n: int) -> Any:
    code = pyotp.TOTP(house.notes["secret"]).now()
    codes = second_factor.enrol(house.alice, code, actor=house.actor(house.alice))
    house.notes["shown"] = codes
    return codes


def _codes_shown_work(house: House) -> bool:
    from apps.accounts.login.codes import recovery_digest

    stored = set(RecoveryCode.objects.filter(account=house.alice).values_list("digest", flat=True))
    return stored == {recovery_digest(each) for each in house.notes["shown"]}


def _confirmed_factor(house: House) -> None:
    _pending_factor(house)
    house.notes["recovery"] = second_factor.enrol(
        house.alice, pyotp.TOTP(house.notes["secret"]).now(), actor=house.actor(house.alice)
    )
    Totp.objects.update(last_step=0)


def _use_code(house: House, _n: int) -> Any:
    code = pyotp.TOTP(house.notes["secret"]).now()
    return second_factor.code_check(house.alice, code, address="10.0.0.1")


def _use_recovery_code(house: House, _n: int) -> Any:
    return second_factor.code_check(house.alice, house.notes["recovery"][0], address="10.0.0.1")


def _ticket(house: House) -> None:
    actor = house.actor(house.alice)
    house.notes["ticket"] = ticket_issue(
        actor=actor, environment_id=house.lab.pk, verb="logs", kind="container", target=1
    )


def _redeem(house: House, _n: int) -> Any:
    if ticket_redeem(house.notes["ticket"], "logs") is None:
        raise Problem("used", status=401, code="Unauthorized")


def _count_looks(house: House) -> None:
    house.notes |= {"looked at": 0, "lock": threading.Lock()}


def _guess(house: House, n: int) -> Any:
    """A wrong password; looking at it takes as long as it takes until all the others were counted."""
    with login_attempt("alice", f"10.0.0.{n}"):
        with house.notes["lock"]:
            house.notes["looked at"] += 1
        raise Unauthorized("wrong")


LEAVING = frozenset({"Conflict", "ActionNotAvailable"})
WRONG_CODE = frozenset({"InvalidFormat", "Too Many Requests"})
GITHUB = {"clientId": "x", "clientSecret": "y"}

RULES: dict[str, Rule] = {
    "a log-in name is used once": Rule(
        lambda house, n: account_create(
            actor=house.actor(house.root), login="zoe" if n % 2 else "ZOE", password=PASSWORD
        ),
        lambda _house: User.objects.filter(login__iexact="zoe").count() == 1,
    ),
    "the last administrator is not deactivated": Rule(
        lambda house, n: _leave(house, n, "deactivate"), _an_admin_stays, None, LEAVING
    ),
    "the last administrator is not removed": Rule(
        lambda house, n: _leave(house, n, "remove"), _an_admin_stays, None, LEAVING
    ),
    "the last administrator is not demoted": Rule(
        lambda house, n: _leave(house, n, "demote"), _an_admin_stays, None, LEAVING
    ),
    "the set-up link makes one administrator": Rule(
        lambda _house, n: first_admin_create(login=f"admin{n}", password=PASSWORD),
        lambda _house: User.objects.filter(kind="admin").count() == 1,
        codes=frozenset({"Conflict"}),
        before=_no_admin_yet,
    ),
    "a stack's name is used once": Rule(lambda house, n: _stack(house, "web" if n % 2 else "Web"), _stacks_of_name),
    "a stack is not renamed to a name in use": Rule(_rename_stack, _stacks_of_name, before=_two_stacks),
    "a service's name is used once": Rule(_make_service, _one_front, before=_prepare_services),
    "a service is not renamed to a name in use": Rule(_rename_service, _one_front, before=_prepare_services),
    "a link's name leads to one service": Rule(
        _link,
        lambda house: ServiceLink.objects.filter(service=house.notes["services"][0], name="db").count() == 1,
        THREADS // 2,  # those to the service that was first; the others are refused
        before=_prepare_services,
    ),
    "a role's name is used once": Rule(
        lambda house, _n: role_create(actor=house.actor(house.root), name="odd", permissions=["view"]),
        lambda _house: Role.objects.filter(name="odd").count() == 1,
    ),
    "nobody is given a role that is deleted": Rule(
        _use_or_remove_role,
        _nobody_has_a_role_that_is_gone,
        None,
        frozenset({"Conflict", "InvalidOption", "InvalidFormat"}),
        before=_make_role,
    ),
    "an environment has one list of members, with an owner": Rule(_set_members, _one_list, THREADS),
    "a provider is set up once": Rule(
        lambda house, _n: provider_save("github", GITHUB, actor=house.actor(house.root)),
        lambda _house: AuthProvider.objects.filter(kind="github").count() == 1,
        None,
        frozenset({"Conflict"}),
    ),
    "the default environment is made once": Rule(
        lambda _house, _n: ensure_default_environment(),
        lambda _house: Environment.objects.filter(wire_uuid="adminProject").count() == 1,
        THREADS,
    ),
    "a first log-in makes one environment": Rule(
        lambda house, _n: ensure_own_environment(house.chief, actor=house.actor(house.chief)),
        lambda house: Member.objects.filter(account=house.chief).count() == 1,
        THREADS,
    ),
    "an environment has one registration token": Rule(
        lambda house, _n: token_ensure(actor=house.actor(house.alice), environment=house.lab),
        lambda house: RegistrationToken.all_objects.filter(environment=house.lab).count() == 1,
        THREADS,
    ),
    "sessions beyond the limit end": Rule(_log_in, _one_session, THREADS, before=_limit_sessions),
    "a second factor is set up once": Rule(
        _enrol, _codes_shown_work, codes=WRONG_CODE | {"Conflict"}, before=_pending_factor
    ),
    "a one-time code is used once": Rule(_use_code, lambda _house: True, codes=WRONG_CODE, before=_confirmed_factor),
    "a recovery code is used once": Rule(
        _use_recovery_code,
        lambda house: second_factor.recovery_codes_left(house.alice) == 9,
        codes=WRONG_CODE,
        before=_confirmed_factor,
    ),
    "no more wrong passwords are looked at than may fail": Rule(
        _guess,
        lambda house: house.notes["looked at"] == TRIES_PER_NAME,
        0,
        frozenset({"Unauthorized", "Too Many Requests"}),
        before=_count_looks,
        threads=GUESSES,
    ),
    "no more wrong codes are looked at than may fail": Rule(
        lambda house, _n: second_factor.code_check(house.alice, "nonsense", address="10.0.0.1"),
        lambda house: FailedLogin.objects.filter(login="alice").count() == TRIES_PER_NAME,
        0,
        WRONG_CODE,
        before=_confirmed_factor,
        threads=GUESSES,
    ),
    "a socket ticket opens one socket": Rule(
        _redeem, lambda _house: not SocketTicket.objects.exists(), codes=frozenset({"Unauthorized"}), before=_ticket
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_holds(house: House, name: str):
    rule = RULES[name]
    rule.before(house)
    outcomes = race([lambda n=n: rule.attempt(house, n) for n in range(rule.threads)])  # type: ignore[misc]
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert all(isinstance(each, Problem) for each in refused), refused
    assert {each.code for each in refused if isinstance(each, Problem)} <= rule.codes
    assert rule.wins is None or len(outcomes) - len(refused) == rule.wins, refused
    assert rule.holds(house)


def test_a_session_that_is_kept_is_the_last_one(house: House):
    """One of those who logged in at once is still in: nobody ends everybody's."""
    _limit_sessions(house)
    tokens = race([lambda: _log_in(house, 0)] * THREADS)
    alive = [token for token in tokens if SessionStore(token).exists(token)]
    assert len(alive) == 1
