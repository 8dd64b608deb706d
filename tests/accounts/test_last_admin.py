"""One administrator always stays who gets in when every login provider fails: with a password kept here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.selectors import break_glass, local_admins
from apps.accounts.services import account_act, account_create, account_update
from apps.control.reconcile import reconcile_one
from apps.core.errors import Conflict
from apps.environments.actor import Actor

PASSWORD = "correct horse battery staple"

Make = Callable[..., User]
Actors = Callable[..., Actor]


@pytest.fixture
def admin(people: Any) -> Make:
    """Makes a further administrator: with a password, or without one as through a directory."""

    def make(login: str, *, has_password: bool = True, desired: str = "active") -> User:
        user = account_create(actor=None, login=login, password=PASSWORD, kind="admin")
        if not has_password:
            user.set_unusable_password()
            user.save()
        reconcile_one("account", user.pk)
        User.objects.filter(pk=user.pk).update(desired=desired)
        user.refresh_from_db()
        return user

    return make


def remove_admin(user: User, how: str, actor: Actor) -> None:
    """Deactivate, remove or demote an administrator."""
    if how == "demote":
        account_update(user, actor=actor, kind="user")
    else:
        account_act(user, how, actor=actor)


WAYS = ["deactivate", "remove", "demote"]


@pytest.mark.parametrize("how", WAYS)
def test_an_admin_of_a_directory_is_no_replacement_for_another_of_the_directory(
    people: Any, actor_of: Actors, admin: Make, how: str
):
    leaving = admin("leaving", has_password=False)
    admin("staying", has_password=False)
    User.objects.filter(pk=people.root.pk).update(kind="user")
    with pytest.raises(Conflict, match="password kept here"):
        remove_admin(leaving, how, actor_of(leaving))
    leaving.refresh_from_db()
    assert (leaving.desired, leaving.kind) == ("active", "admin")


@pytest.mark.parametrize("how", WAYS)
def test_an_admin_of_a_directory_is_no_replacement_for_the_last_with_a_password(
    people: Any, actor_of: Actors, admin: Make, how: str
):
    admin("remote", has_password=False)
    with pytest.raises(Conflict, match="password kept here"):
        remove_admin(people.root, how, actor_of("root"))
    assert break_glass() == people.root


@pytest.mark.parametrize("desired", ["inactive", "removed"])
def test_one_who_is_off_or_gone_is_no_replacement(people: Any, actor_of: Actors, admin: Make, desired: str):
    admin("away", desired=desired)
    with pytest.raises(Conflict, match="last active administrator"):
        remove_admin(people.root, "deactivate", actor_of("root"))


def test_one_of_a_directory_who_is_off_does_not_change_what_is_said(people: Any, actor_of: Actors, admin: Make):
    admin("remote", has_password=False, desired="inactive")
    with pytest.raises(Conflict, match="last active administrator; make another one first"):
        remove_admin(people.root, "demote", actor_of("root"))


@pytest.mark.parametrize("how", ["deactivate", "demote"])
def test_an_admin_of_a_directory_may_go_while_one_with_a_password_stays(
    people: Any, actor_of: Actors, admin: Make, how: str
):
    remote = admin("remote", has_password=False)
    remove_admin(remote, how, actor_of("root"))
    remote.refresh_from_db()
    assert (remote.desired, remote.kind) != ("active", "admin")
    assert local_admins() == [people.root]


@pytest.mark.parametrize("how", ["deactivate", "demote"])
def test_of_two_with_a_password_one_may_go(people: Any, actor_of: Actors, admin: Make, how: str):
    second = admin("second")
    remove_admin(second, how, actor_of("root"))
    assert local_admins() == [people.root]


def test_somebody_who_is_no_admin_is_never_held_back(people: Any, actor_of: Actors):
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert User.objects.get(pk=people.bob.pk).desired == "inactive"


def test_renaming_the_last_admin_takes_nothing_away(people: Any, actor_of: Actors):
    account_update(people.root, actor=actor_of("root"), name="The Root", kind="admin")
    assert local_admins() == [people.root]


def test_who_counts_as_an_admin_with_a_password(people: Any, admin: Make):
    second = admin("second")
    admin("remote", has_password=False)
    admin("off", desired="inactive")
    assert local_admins() == [people.root, second]
    assert break_glass() is None
