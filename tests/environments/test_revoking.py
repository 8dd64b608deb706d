"""A change of permissions reports how many sockets, sessions and keys it ended, and correctly so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.login.models import Session
from apps.accounts.models import ApiKey, User
from apps.accounts.services import account_act, account_update, key_act
from apps.control.models import AuditEntry
from apps.core.errors import Conflict
from apps.core.hooks import hooks
from apps.core.result import RevokedCounts
from apps.environments.actor import Actor, actor_of_key
from apps.environments.models import Environment, OpenSocket
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.selectors import Principal, rights_of
from apps.environments.services import (
    account_key_create,
    environment_act,
    environment_key_create,
    memberships_sync,
    revoking,
    role_remove,
    role_update,
    socket_unregister,
    sockets_heartbeat,
)

Actors = Callable[..., Actor]


def in_lab(lab: Environment, actor: Actor, **more: Any) -> ApiKey:
    return environment_key_create(actor=actor, environment=lab, **more).key


def log_in(user: User, count: int = 1, *, alive: bool = True) -> None:
    ends = timezone.now() + timedelta(hours=1 if alive else -1)
    for number in range(count):
        Session.objects.create(digest=f"{user.pk}-{number}-{alive}", account=user, data="", expires=ends)


def test_nothing_lost_is_nothing_said(lab: Environment, give: Any, socket: Any):
    socket("bob")
    assert give(bob="owner").revoked_counts == []
    assert not AuditEntry.all_objects.filter(event="rights.lost").exists()


def test_who_is_put_out_loses_sockets_and_keys(lab: Environment, actor_of: Actors, give: Any, socket: Any):
    in_lab(lab, actor_of("bob"))
    account_key_create(actor=actor_of("bob"))
    for permission in ("logs", "view", "exec"):
        socket("bob", permission)
    socket("alice")
    assert give(rex="restricted").revoked_counts == [RevokedCounts(sockets=3, keys=2)]
    entry = AuditEntry.all_objects.get(event="rights.lost")
    assert (entry.environment_id, entry.request) == (lab.pk, {"sockets": 3, "sessions": 0, "keys": 2})


@pytest.mark.parametrize(
    ("role", "closed"), [("owner", 0), ("member", 0), ("restricted", 0), ("readonly", 1), (None, 3)]
)
def test_a_lower_role_closes_what_it_does_not_cover(role: str | None, closed: int, give: Any, socket: Any):
    for permission in ("logs", "view", "exec"):
        socket("bob", permission)
    revoked_counts = give(**({"bob": role} if role else {})).revoked_counts
    assert sum(each.sockets for each in revoked_counts) == closed


def test_a_key_counts_when_it_can_do_less_than_before(lab: Environment, actor_of: Actors, give: Any):
    in_lab(lab, actor_of("bob"), role="readonly")
    in_lab(lab, actor_of("bob"), role="restricted")
    assert give(bob="restricted").revoked_counts == []
    assert give(bob="readonly").revoked_counts == [RevokedCounts(keys=1)]


def test_keys_that_do_not_work_anyway_are_not_counted(lab: Environment, actor_of: Actors, give: Any):
    expired, off = in_lab(lab, actor_of("bob")), in_lab(lab, actor_of("bob"))
    ApiKey.objects.filter(pk=expired.pk).update(expires=timezone.now() - timedelta(seconds=1))
    key_act(off, "deactivate", actor=actor_of("bob"), environment=lab)
    assert give().revoked_counts == []


def test_a_dead_process_holds_no_sockets(give: Any, socket: Any):
    row = socket("bob")
    OpenSocket.objects.filter(pk=row.pk).update(seen=timezone.now() - OpenSocket.STALE, process="of yore")
    assert give().revoked_counts == []
    OpenSocket.objects.filter(pk=row.pk).update(seen=timezone.now() - 6 * OpenSocket.STALE)
    new_socket = socket("rita")
    assert list(OpenSocket.objects.all()) == [new_socket]


def test_a_process_confirms_its_own_sockets_only(socket: Any):
    mine, other = socket("bob"), socket("rita")
    old = timezone.now() - timedelta(seconds=50)
    OpenSocket.objects.update(seen=old)
    OpenSocket.objects.filter(pk=other.pk).update(process="other")
    sockets_heartbeat()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert mine.seen > old
    assert other.seen == old
    socket_unregister(mine.pk)
    assert list(OpenSocket.objects.all()) == [other]


def test_a_deactivated_account_loses_everything(people: Any, lab: Environment, actor_of: Actors, socket: Any):
    in_lab(lab, actor_of("bob"))
    account_key_create(actor=actor_of("bob"))
    log_in(people.bob, 2)
    log_in(people.bob, 1, alive=False)
    log_in(people.alice)
    socket("bob")
    socket("bob", "exec")
    socket("rita")
    root = actor_of("root")
    account_act(people.bob, "deactivate", actor=root)
    assert root.revoked_counts == [RevokedCounts(sockets=2, sessions=2, keys=2)]
    assert Session.objects.filter(account=people.alice).count() == 1


def test_an_admin_no_more_loses_the_whole_installation(
    people: Any, lab: Environment, actor_of: Actors, socket: Any, run_loop: Any
):
    account_update(people.mallory, actor=actor_of("root"), kind="admin")
    run_loop()
    mallory = User.objects.get(pk=people.mallory.pk)
    account_key_create(actor=actor_of(mallory))
    socket("mallory", site=True)
    socket("mallory", "exec")
    log_in(mallory)
    root = actor_of("root")
    account_update(mallory, actor=root, kind="user")
    assert root.revoked_counts == [RevokedCounts(sockets=2, sessions=1, keys=1)]


def test_a_key_put_out_of_use_closes_its_own_sockets(lab: Environment, actor_of: Actors, socket: Any):
    key, other = in_lab(lab, actor_of("bob")), in_lab(lab, actor_of("bob"))
    socket("bob", key=key.pk)
    socket("bob", key=other.pk)
    socket("bob")
    alice = actor_of("alice")
    key_act(key, "deactivate", actor=alice, environment=lab)
    assert alice.revoked_counts == [RevokedCounts(sockets=1)]


def test_a_narrower_role_closes_for_members_and_keys(
    lab: Environment, actor_of: Actors, custom: Any, give: Any, socket: Any
):
    role = custom("runner", "exec", "logs", "keys")
    give(bob="runner")
    key = in_lab(lab, actor_of("bob"))
    socket("bob", "exec")
    socket("bob", "logs")
    socket("bob", "exec", key=key.pk)
    root = actor_of("root")
    role_update(role, actor=root, permissions=["logs", "keys"])
    assert root.revoked_counts == [RevokedCounts(sockets=2, keys=1)]
    role_remove(role, actor=root, replacement="readonly")
    assert root.revoked_counts[1:] == [RevokedCounts(keys=1)]


def test_an_accounts_key_held_to_a_role_narrows_with_it(people: Any, actor_of: Actors, custom: Any):
    role = custom("runner", "exec", "logs")
    account_key_create(actor=actor_of("bob"), role="runner")
    account_key_create(actor=actor_of("bob"))
    root = actor_of("root")
    role_update(role, actor=root, permissions=["logs"])
    assert root.revoked_counts == [RevokedCounts(keys=1)]


def test_an_environment_that_sleeps_keeps_its_owners_only(lab: Environment, actor_of: Actors, socket: Any):
    for who in ("alice", "bob", "rita"):
        socket(who)
    in_lab(lab, actor_of("alice"))
    in_lab(lab, actor_of("bob"))
    alice = actor_of("alice")
    environment_act(lab, "deactivate", actor=alice)
    assert alice.revoked_counts == [RevokedCounts(sockets=2, keys=1)]


def test_a_directory_change_is_counted_without_an_actor(people: Any, lab: Environment, socket: Any):
    socket("bob")
    lab.members.filter(account=people.bob).delete()
    assert memberships_sync(people.bob) == [lab.pk]
    entry = AuditEntry.all_objects.get(event="rights.lost")
    assert (entry.request["sockets"], entry.account) == (1, None)


def test_a_change_that_fails_ends_nothing(lab: Environment, actor_of: Actors, socket: Any, monkeypatch: Any):
    notified: list[Any] = []
    monkeypatch.setattr(hooks, "rights_changed", [notified.append])
    socket("bob")
    root = actor_of("root")

    def fail() -> None:
        with revoking(root, environments=[lab.pk]):
            lab.members.all().delete()
            raise Conflict("no")

    with pytest.raises(Conflict):
        fail()
    assert (root.revoked_counts, notified, lab.members.count()) == ([], [], 4)


def test_the_sockets_concerned_are_notified(
    people: Any, lab: Environment, actor_of: Actors, socket: Any, monkeypatch: Any
):
    notified: list[Any] = []
    monkeypatch.setattr(hooks, "rights_changed", [notified.append])
    socket("bob")
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert {"environment": lab.pk} in notified


def test_who_changes_their_own_rights_is_evaluated_again(people: Any, lab: Environment, actor_of: Actors, give: Any):
    alice = actor_of("alice")
    assert "own" in alice.permissions(lab.pk)
    with revoking(alice, environments=[lab.pk]):
        give(alice="readonly", bob="owner")
    assert "own" not in alice.permissions(lab.pk)


def test_losses_add_up():
    assert RevokedCounts(1, 2, 3) + RevokedCounts(10, 20, 30) == RevokedCounts(11, 22, 33)
    assert not RevokedCounts()
    assert all(map(bool, (RevokedCounts(1), RevokedCounts(0, 1), RevokedCounts(0, 0, 1))))


ROLE = st.sampled_from([*ROLES, None])


@pytest.mark.faces
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bob=ROLE, limit=st.sampled_from(["", *ROLES]), asleep=st.booleans(), kind=st.sampled_from(["user", "admin"]))
def test_rights_of_many_are_what_each_of_them_holds(
    people: Any, lab: Environment, actor_of: Actors, give: Any, bob: str | None, limit: str, *, asleep: bool, kind: str
):
    give(**({"bob": bob} if bob else {}))
    User.objects.filter(pk=people.bob.pk).update(kind=kind)
    Environment.objects.filter(pk=lab.pk).update(desired="inactive" if asleep else "active")
    user = User.objects.get(pk=people.bob.pk)
    key = account_key_create(actor=actor_of(user), role=limit).key
    found = rights_of({Principal(user.pk), Principal(user.pk, key.pk)}, [lab.pk])
    for holder, actor in ((Principal(user.pk), actor_of(user)), (Principal(user.pk, key.pk), actor_of_key(key, "api"))):
        assert {name for place, name in found[holder] if place == lab.pk} == actor.permissions(lab.pk)
        assert ((None, "admin") in found[holder]) is actor.is_admin
    assert found[Principal(user.pk)] <= {(lab.pk, name) for name in PERMISSIONS} | {(None, "admin")}
    Environment.objects.filter(pk=lab.pk).update(desired="active")
