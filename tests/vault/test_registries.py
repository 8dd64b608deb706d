"""Registries of an environment, their credentials, and those that administrators lend."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection

from apps.control.cancel import can_cancel
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_until_idle
from apps.core.edits import BasedOn, StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.selectors import login_for_image, logins_of, registries_of, registry_credentials_of
from apps.vault.registries.services import (
    ServerAddressUsed,
    registry_act,
    registry_add,
    registry_create,
    registry_credential_act,
    registry_credential_create,
    registry_credential_update,
)
from apps.vault.registries.shared_services import (
    shared_registry_act,
    shared_registry_create,
    shared_registry_update,
)

pytestmark = pytest.mark.django_db
SECRET, NEWER = "s3cret-w0rd", "newer-w0rd"


@pytest.fixture
def quay(lab: Environment, actor_of: Any) -> Registry:
    """A registry with a credential."""
    row = registry_add(
        actor=actor_of("bob"),
        environment=lab,
        server_address="https://quay.io/",
        public_value="alice",
        secret_value=SECRET,
        email="alice@example.org",
    )
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def account(quay: Registry) -> RegistryCredential:
    found: RegistryCredential = quay.credentials.get()
    return found


def _database() -> str:
    """Everything that the database holds of a run, as text."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the names of our own tables
            found.append(str(cursor.fetchall()))
    return "".join(found)


def test_an_account_is_what_images_of_its_registry_are_pulled_with(quay: Registry, lab: Environment):
    assert (quay.state, quay.server_address, quay.domain) == ("active", "quay.io", "quay.io")
    login = login_for_image(lab.pk, "quay.io/acme/web:1")
    assert login is not None
    assert login.auth == {
        "username": "alice",
        "password": SECRET,
        "serveraddress": "quay.io",
        "email": "alice@example.org",
    }
    assert login_for_image(lab.pk, "acme/web:1") is None
    assert login_for_image(lab.pk + 1000, "quay.io/acme/web:1") is None


def test_the_secret_is_stored_encrypted_and_nowhere_else(account: RegistryCredential, actor_of: Any):
    registry_credential_update(account, actor=actor_of("bob"), secret_value=NEWER)
    reconcile_until_idle()
    stored = _database()
    assert "alice@example.org" in stored
    assert SECRET not in stored
    assert NEWER not in stored
    described = [each.request for each in AuditEntry.all_objects.filter(kind="registryCredential")]
    assert len(described) == 2
    assert all("secretValue" in each for each in described)
    assert Operation.all_objects.filter(kind="registryCredential").count() == 2


def test_a_registry_is_there_once_in_whatever_spelling(quay: Registry, lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    registry_create(actor=bob, environment=lab, server_address="index.docker.io")
    for again in ("QUAY.IO", "https://quay.io/v2/", "docker.io"):
        with pytest.raises(ServerAddressUsed) as refused:
            registry_create(actor=bob, environment=lab, server_address=again)
        assert (refused.value.status, refused.value.code) == (400, "ServerAddressUsed")
    with pytest.raises(IntegrityError):  # of two that looked at the same moment
        Registry.objects.create(environment=lab, server_address="quay.io", domain="quay.io", desired="active")


def test_the_newest_credential_of_a_registry_is_the_active_one(
    quay: Registry, account: RegistryCredential, lab: Environment, actor_of: Any
):
    bob = actor_of("bob")
    newer = registry_credential_create(actor=bob, registry=quay, public_value="robot", secret_value=NEWER)
    reconcile_until_idle()
    account.refresh_from_db()
    assert (account.state, login_for_image(lab.pk, "quay.io/a").username) == ("inactive", "robot")  # type: ignore[union-attr]
    registry_credential_act(account, "activate", actor=bob)
    reconcile_until_idle()
    newer.refresh_from_db()
    assert (newer.state, login_for_image(lab.pk, "quay.io/a").username) == ("inactive", "alice")  # type: ignore[union-attr]
    # Undoing such a step would make both active.
    steps = Operation.all_objects.filter(kind="registryCredential", name__endswith="activate")
    assert {bool(can_cancel(each, bob)) for each in steps} == {False}


@pytest.mark.parametrize("inactive", ["registry", "credential"])
def test_what_is_inactive_is_not_used(inactive: str, account: RegistryCredential, lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    if inactive == "registry":
        registry_act(account.registry, "deactivate", actor=bob)
    else:
        registry_credential_act(account, "deactivate", actor=bob)
    assert login_for_image(lab.pk, "quay.io/acme/web:1") is None


def test_a_registry_is_removed_with_its_credentials_and_their_secrets(
    quay: Registry, account: RegistryCredential, lab: Environment, actor_of: Any
):
    bob = actor_of("bob")
    with pytest.raises(ActionNotAvailable, match="while it is active"):
        registry_act(quay, "remove", actor=bob)
    registry_act(quay, "deactivate", actor=bob)
    reconcile_until_idle()
    quay.refresh_from_db()
    registry_act(quay, "remove", actor=bob)
    reconcile_until_idle()
    quay.refresh_from_db()
    account.refresh_from_db()
    assert (quay.state, account.state, account.secret_value) == ("removed", "removed", "")
    assert not registries_of(bob, lab.pk).exists()
    again = registry_create(actor=bob, environment=lab, server_address="quay.io")
    with pytest.raises(ServerAddressUsed):
        registry_act(quay, "restore", actor=bob)
    with pytest.raises(Invalid, match="restore it first"):
        registry_credential_create(actor=bob, registry=quay, public_value="alice")
    registry_act(again, "deactivate", actor=bob)
    reconcile_until_idle()
    again.refresh_from_db()
    registry_act(again, "remove", actor=bob)
    registry_act(quay, "restore", actor=bob)
    reconcile_until_idle()
    quay.refresh_from_db()
    assert (quay.state, quay.removed) == ("inactive", None)


BAD = (
    ("public_value", "a:b"), ("public_value", "a\nb"), ("secret_value", "a\nb"), ("public_value", "x" * 256),
    ("secret_value", "x" * 40_000), ("email", "x" * 256), ("secret_value", "a\x00b"), ("public_value", ["a"]),
)  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_names_its_field_and_leaves_nothing_behind(name: str, value: Any, lab: Environment, actor_of: Any):
    account = {"public_value": "alice", "secret_value": SECRET, name: value}
    with pytest.raises(Invalid) as refused:
        registry_add(actor=actor_of("bob"), environment=lab, server_address="quay.io", **account)
    assert refused.value.field == {"public_value": "publicValue", "secret_value": "secretValue"}.get(name, name)
    assert not Registry.all_objects.exists()
    assert str(value) not in refused.value.message or name != "secret_value"


def test_an_edit_that_was_overtaken_names_no_secret(account: RegistryCredential, actor_of: Any):
    bob = actor_of("bob")
    registry_credential_update(account, actor=bob, public_value="robot", secret_value=NEWER)
    seen = RegistryCredential.all_objects.get(pk=account.pk)
    seen.based_on = BasedOn(seen.generation - 1, {"public_value": "alice"})
    with pytest.raises(StaleEdit) as refused:
        registry_credential_update(seen, actor=bob, public_value="carol", secret_value="third-w0rd")
    assert [each.field for each in refused.value.differences] == ["public_value"]
    assert "w0rd" not in f"{refused.value.message}{refused.value.detail}"


def test_an_empty_secret_keeps_the_one_that_is_there(account: RegistryCredential, lab: Environment, actor_of: Any):
    registry_credential_update(account, actor=actor_of("bob"), public_value="robot", secret_value="")
    login = login_for_image(lab.pk, "quay.io/a")
    assert login is not None
    assert (login.username, login.password) == ("robot", SECRET)


def test_readers_see_registries_and_change_none(quay: Registry, lab: Environment, actor_of: Any):
    rita, mallory = actor_of("rita"), actor_of("mallory")
    assert [row.pk for row in registries_of(rita, lab.pk)] == [quay.pk]
    (seen,) = registry_credentials_of(rita, lab.pk)
    assert "secret_value" in seen.get_deferred_fields()
    assert not registries_of(mallory, lab.pk).exists()
    with pytest.raises(Forbidden):
        registry_create(actor=rita, environment=lab, server_address="ghcr.io")
    with pytest.raises(Forbidden):
        registry_act(quay, "deactivate", actor=mallory)
    with pytest.raises(Forbidden):
        registry_credential_update(quay.credentials.get(), actor=rita, public_value="x")


def test_administrators_lend_registries_to_environments(lab: Environment, quay: Registry, actor_of: Any):
    root, bob = actor_of("root"), actor_of("bob")
    given: dict[str, Any] = {"public_value": "site", "secret_value": SECRET}
    with pytest.raises(Forbidden):
        shared_registry_create(actor=bob, server_address="ghcr.io", **given)
    with pytest.raises(Invalid, match="lentTo"):
        shared_registry_create(actor=root, server_address="ghcr.io", lent_to=[10**9], **given)
    lent = shared_registry_create(actor=root, server_address="ghcr.io", lent_to=[lab.pk], **given)
    everywhere = shared_registry_create(actor=root, server_address="quay.io", **given)
    reconcile_until_idle()
    assert login_for_image(lab.pk, "ghcr.io/acme/web").username == "site"  # type: ignore[union-attr]
    assert login_for_image(lab.pk + 1000, "ghcr.io/acme/web") is None
    assert login_for_image(lab.pk + 1000, "quay.io/acme/web").username == "site"  # type: ignore[union-attr]
    assert login_for_image(lab.pk, "quay.io/acme/web").username == "alice"  # type: ignore[union-attr]  # its own first
    assert {each.domain: each.username for each in logins_of(lab.pk)} == {"ghcr.io": "site", "quay.io": "alice"}
    assert [each.domain for each in logins_of(lab.pk + 1000)] == ["quay.io"]
    lent.refresh_from_db()
    shared_registry_update(lent, actor=root, lent_to=[])
    assert login_for_image(lab.pk, "ghcr.io/acme/web") is None
    everywhere.refresh_from_db()
    shared_registry_act(everywhere, "deactivate", actor=root)
    assert login_for_image(lab.pk + 1000, "quay.io/acme/web") is None
    assert [each.username for each in logins_of(lab.pk)] == ["alice"]
    reconcile_until_idle()
    everywhere.refresh_from_db()
    shared_registry_act(everywhere, "remove", actor=root)
    reconcile_until_idle()
    everywhere.refresh_from_db()
    assert (everywhere.state, everywhere.secret_value) == ("removed", "")
    assert SECRET not in _database()
    assert SharedRegistry.objects.filter(desired="active").count() == 1


def test_an_environment_s_registries_go_with_it(quay: Registry, lab: Environment, actor_of: Any):
    alice = actor_of("alice")
    environment_act(lab, "deactivate", actor=alice)
    reconcile_until_idle()
    lab.refresh_from_db()
    environment_act(lab, "remove", actor=alice)
    for _turn in range(3):
        reconcile_until_idle()
    quay.refresh_from_db()
    assert (quay.state, quay.credentials.get().state) == ("removed", "removed")
