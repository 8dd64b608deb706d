"""Changing, deactivating and removing accounts: administrators only, and one administrator always stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.models import User
from apps.accounts.providers import LocalBackend
from apps.accounts.services import account_act, account_create, account_update
from apps.control.reconcile import reconcile_one
from apps.core.errors import (
    ActionNotAvailable,
    Conflict,
    Forbidden,
    Invalid,
)
from apps.environments.actor import Actor

PASSWORD = "correct horse battery staple"

Actors = Callable[..., Actor]


def reload(user: User) -> User:
    """The account as it is now, after a reconcile."""
    reconcile_one("account", user.pk)
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("action", ["deactivate", "update"])
@pytest.mark.parametrize("who", ["alice", "bob", "mallory"])
def test_only_admins_change_accounts(people: Any, actor_of: Actors, who: str, action: str):
    ask = {"update": lambda: account_update(people.rita, actor=actor_of(who), kind="admin")}
    with pytest.raises(Forbidden, match="administrators"):
        ask.get(action, lambda: account_act(people.rita, action, actor=actor_of(who)))()
    rita = User.objects.get(login="rita")
    assert (rita.kind, rita.desired, rita.generation) == ("user", "active", 1)


def test_an_admin_changes_names_and_kinds(people: Any, actor_of: Actors):
    account_update(people.rita, actor=actor_of("root"), name="R.", kind="admin", password="x", desired="removed")
    rita = reload(people.rita)
    assert (rita.name, rita.is_admin, rita.desired, rita.display_state) == ("R.", True, "active", "active")


def test_an_unknown_kind_is_refused(people: Any, actor_of: Actors):
    with pytest.raises(Invalid):
        account_update(people.rita, actor=actor_of("root"), kind="king")


@pytest.mark.parametrize("action", ["deactivate", "remove", "demote"])
def test_the_last_admin_stays(people: Any, actor_of: Actors, action: str):
    ask = {"demote": lambda: account_update(people.root, actor=actor_of("root"), kind="user")}
    with pytest.raises(Conflict, match="last active administrator"):
        ask.get(action, lambda: account_act(people.root, action, actor=actor_of("root")))()
    assert User.objects.get(login="root").desired == "active"


def test_one_of_two_admins_may_go_but_not_the_other(people: Any, actor_of: Actors):
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    account_act(people.root, "deactivate", actor=actor_of("root"))
    with pytest.raises(Conflict):
        account_act(second, "deactivate", actor=actor_of(second))


def test_a_deactivated_admin_does_not_count_as_one(people: Any, actor_of: Actors):
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    account_act(second, "deactivate", actor=actor_of("root"))
    with pytest.raises(Conflict):
        account_act(people.root, "deactivate", actor=actor_of("root"))


def test_a_deactivated_account_cannot_log_in_from_that_moment(people: Any, actor_of: Actors):
    assert authenticate(username="BOB", password=PASSWORD) == people.bob
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert authenticate(username="bob", password=PASSWORD) is None
    assert LocalBackend().get_user(people.bob.pk) is None


@pytest.mark.parametrize(("username", "password"), [("bob", "wrong"), ("nobody", PASSWORD), ("", ""), ("bob", "")])
def test_a_wrong_pair_is_nobody(people: Any, username: str, password: str):
    assert authenticate(username=username, password=password) is None


def test_an_account_lives_through_its_whole_life(people: Any, actor_of: Actors):
    root = actor_of("root")
    with pytest.raises(ActionNotAvailable):
        account_act(people.rita, "remove", actor=root)
    rita = reload(account_act(people.rita, "deactivate", actor=root))
    assert rita.display_state == "inactive"
    rita = reload(account_act(rita, "remove", actor=root))
    assert rita.display_state == "removed"
    assert rita.removed is not None
    assert authenticate(username="rita", password=PASSWORD) is None
    rita = reload(account_act(rita, "restore", actor=root))
    assert (rita.display_state, rita.removed) == ("inactive", None)
    rita = reload(account_act(rita, "activate", actor=root))
    assert authenticate(username="rita", password=PASSWORD) == rita
