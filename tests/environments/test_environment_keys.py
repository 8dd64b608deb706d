"""A key never exceeds its maker's role, then or later; a ticket opens one WebSocket once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import ApiKey, User
from apps.accounts.services import key_act
from apps.control.models import AuditEntry, Operation
from apps.core.errors import Forbidden
from apps.environments.access import can, verdict
from apps.environments.actor import Actor, actor_of_key
from apps.environments.models import (
    Environment,
    KeyScope,
    Member,
    SocketTicket,
)
from apps.environments.roles import RANK, ROLES
from apps.environments.services import (
    environment_act,
    environment_create,
    environment_key_create,
    members_set,
    ticket_issue,
    ticket_redeem,
)

Actors = Callable[..., Actor]


def key_actor(key: ApiKey) -> Actor:
    """The key's actor, as a new request finds it."""
    return actor_of_key(ApiKey.objects.select_related("account").get(pk=key.pk), "api")


def give(lab: Environment, who: Actor, people: Any, **roles: str) -> None:
    wanted = {"alice": "owner", **roles}
    listed = [
        {"externalId": f"1a{getattr(people, name).pk}", "externalIdType": "rancher_id", "role": role}
        for name, role in wanted.items()
    ]
    members_set(lab, listed, actor=who)


@pytest.mark.parametrize("who", ["alice", "bob", "rex"])
def test_a_key_has_its_makers_role(lab: Environment, actor_of: Actors, who: str):
    made = environment_key_create(actor=actor_of(who), environment=lab, name="ci")
    actor = key_actor(made.key)
    assert actor.role(lab.pk) == actor_of(who).role(lab.pk)
    assert actor.environments() == [lab.pk]


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_manage_keys_makes_none(lab: Environment, actor_of: Actors, who: str):
    with pytest.raises(Forbidden):
        environment_key_create(actor=actor_of(who), environment=lab)
    assert not ApiKey.objects.exists()
    assert not KeyScope.objects.exists()


def test_a_key_of_one_environment_is_nobody_in_another(people: Any, lab: Environment, actor_of: Actors):
    other = environment_create(actor=actor_of("alice"), name="Other")
    actor = key_actor(environment_key_create(actor=actor_of("alice"), environment=lab).key)
    assert not can(actor, "view", other.pk)
    assert actor.environments(everything=True) == [lab.pk]


def test_an_admins_environment_key_is_no_admin(lab: Environment, actor_of: Actors):
    actor = key_actor(environment_key_create(actor=actor_of("root"), environment=lab).key)
    assert not actor.is_admin
    assert not can(actor, "admin", None)
    assert actor.environments(everything=True) == [lab.pk]
    assert actor.role(lab.pk) == "owner"


def test_a_key_loses_what_its_maker_loses(people: Any, lab: Environment, actor_of: Actors):
    made = environment_key_create(actor=actor_of("bob"), environment=lab)
    give(lab, actor_of("alice"), people, bob="readonly")
    assert key_actor(made.key).role(lab.pk) == "readonly"
    give(lab, actor_of("alice"), people)
    assert key_actor(made.key).permissions(lab.pk) == frozenset()
    assert key_actor(made.key).environments() == []


def test_a_key_does_not_rise_with_its_maker(people: Any, lab: Environment, actor_of: Actors):
    made = environment_key_create(actor=actor_of("rex"), environment=lab)
    give(lab, actor_of("alice"), people, rex="owner")
    assert key_actor(made.key).role(lab.pk) == "restricted"


def test_the_keys_of_an_admin_that_is_one_no_more_are_worth_nothing(people: Any, lab: Environment, actor_of: Actors):
    made = environment_key_create(actor=actor_of("root"), environment=lab)
    User.all_objects.filter(pk=people.root.pk).update(kind="user")
    assert key_actor(made.key).permissions(lab.pk) == frozenset()


def test_a_members_key_sleeps_with_the_environment(lab: Environment, actor_of: Actors):
    made = environment_key_create(actor=actor_of("bob"), environment=lab)
    environment_act(lab, "deactivate", actor=actor_of("alice"))
    assert key_actor(made.key).permissions(lab.pk) == frozenset()


def test_those_who_manage_keys_manage_all_of_the_environments(lab: Environment, actor_of: Actors):
    key = environment_key_create(actor=actor_of("alice"), environment=lab).key
    key = ApiKey.objects.get(pk=key.pk)
    assert verdict(actor_of("bob"), "deactivate", key)
    assert not verdict(actor_of("rita"), "deactivate", key)
    assert not verdict(actor_of("mallory"), "deactivate", key)
    key_act(key, "deactivate", actor=actor_of("bob"), environment=lab)
    assert ApiKey.objects.get(pk=key.pk).desired == "inactive"


roles = st.sampled_from([*ROLES, None])


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_as=st.sampled_from(["owner", "member", "restricted"]), later=st.lists(roles, max_size=3))
def test_a_key_never_exceeds_its_maker(
    people: Any, lab: Environment, actor_of: Actors, made_as: str, later: list[str | None]
):
    give(lab, actor_of("root"), people, bob=made_as)
    key = environment_key_create(actor=actor_of("bob"), environment=lab).key
    for role in later:
        give(lab, actor_of("root"), people, **({"bob": role} if role else {}))
        held = key_actor(key).permissions(lab.pk)
        assert held <= ROLES[made_as]
        assert held <= (ROLES[role] if role else frozenset())
        assert Member.objects.filter(environment=lab, account=people.bob).exists() is (role is not None)
        if role:
            assert held == ROLES[max(made_as, role, key=RANK.__getitem__)]


def ticket(actor: Actor, lab: Environment, verb: str = "logs") -> str:
    return ticket_issue(actor=actor, environment_id=lab.pk, verb=verb, kind="container", target=7, details={"tail": 5})


def test_a_ticket_opens_once(lab: Environment, actor_of: Actors):
    token = ticket(actor_of("bob"), lab)
    found = ticket_redeem(token, "logs")
    assert found is not None
    assert (found.kind, found.target, found.details, found.environment_id) == ("container", 7, {"tail": 5}, lab.pk)
    assert ticket_redeem(token, "logs") is None


def test_a_ticket_is_for_its_verb_only(lab: Environment, actor_of: Actors):
    token = ticket(actor_of("bob"), lab)
    assert ticket_redeem(token, "exec") is None
    assert ticket_redeem("x" + token, "logs") is None
    assert ticket_redeem(token, "logs") is not None


def test_a_ticket_expires_and_is_swept(lab: Environment, actor_of: Actors):
    token = ticket(actor_of("bob"), lab)
    SocketTicket.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert ticket_redeem(token, "logs") is None
    ticket(actor_of("bob"), lab)
    assert SocketTicket.objects.count() == 1
    assert SocketTicket.objects.get().expires <= timezone.now() + timedelta(seconds=30)


def test_the_database_does_not_know_the_ticket(lab: Environment, actor_of: Actors):
    token = ticket(actor_of("bob"), lab)
    assert token not in str(list(SocketTicket.objects.values()))


def test_a_new_keys_line_stands_in_the_environments_log(lab: Environment, actor_of: Callable[..., Actor]):
    made = environment_key_create(actor=actor_of("alice"), environment=lab, name="ci")
    entry = AuditEntry.objects.within([lab.pk]).order_by("-pk")[0]
    assert (entry.event, entry.target, entry.environment_id) == ("apiKey.create", made.key.pk, lab.pk)
    assert not AuditEntry.all_objects.filter(environment=None, event="apiKey.create", target=made.key.pk).exists()
    assert Operation.all_objects.get(name="apiKey.create", target=made.key.pk).environment_id == lab.pk
