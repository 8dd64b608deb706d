"""The pages of registries: of an environment, and those that administrators lend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.selectors import login_for_image
from apps.vault.registries.services import registry_add, registry_create

SECRET = "s3cret-w0rd"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def bob(browser_as: Callable[[str], Client]) -> Client:
    return browser_as("bob")


@pytest.fixture
def engine(host: Any, sim: SimulatedDriver) -> SimulatedDriver:
    """The lab's host reaches quay.io, which knows alice."""
    sim.registry.accounts["quay.io"] = ("alice", SECRET)
    return sim


@pytest.fixture
def quay(lab: Environment, actor_of: Any, run_loop: Callable[[], None]) -> Registry:
    account = {"public_value": "alice", "secret_value": SECRET, "email": "alice@example.org"}
    row = registry_add(actor=actor_of("bob"), environment=lab, server_address="quay.io", **account)
    run_loop()
    row.refresh_from_db()
    return row


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def _form(**more: str) -> dict[str, str]:
    return {"serverAddress": "quay.io", "publicValue": "alice", "secretValue": SECRET, "email": "", "name": "", **more}


def test_an_empty_list_says_what_registries_are_for(bob: Client, at: Any):
    page = _text(bob.get(at("registries")))
    assert "No registries yet" in page
    assert at("registry-new") in page


def test_registries_in_use_are_offered_an_account(bob: Client, at: Any, web: Service):
    page = _text(bob.get(at("registries")))
    assert "In use without an account" in page
    assert "Docker Hub" in page
    assert "2 containers" in page
    assert f"{at('registry-new')}?serverAddress=docker.io" in page
    assert 'value="docker.io"' in _text(bob.get(f"{at('registry-new')}?serverAddress=docker.io"))


def test_a_registry_is_tested_added_and_listed_without_its_password(
    bob: Client, at: Any, engine: SimulatedDriver, lab: Environment
):
    tested = bob.post(at("registry-test"), _form(), headers=HTMX)
    assert "quay.io accepts alice" in tested["HX-Trigger"]
    assert not Registry.all_objects.exists()
    added = bob.post(at("registry-new"), _form(), headers=HTMX)
    assert added["HX-Redirect"] == at("registries")
    page = _text(bob.get(at("registries")))
    assert "alice" in page
    assert SECRET not in page
    assert login_for_image(lab.pk, "quay.io/a").password == SECRET  # type: ignore[union-attr]


def test_a_wrong_password_is_stored_only_when_that_is_confirmed(bob: Client, at: Any, engine: SimulatedDriver):
    wrong = _form(secretValue="wrong-w0rd")
    tested = bob.post(at("registry-test"), wrong, headers=HTMX)
    assert (tested.status_code, "does not accept" in tested["HX-Trigger"]) == (422, True)
    refused = bob.post(at("registry-new"), wrong, headers=HTMX)
    assert refused.status_code == 422
    assert "quay.io does not accept this user and password." in _text(refused)
    assert "wrong-w0rd" not in _text(refused)
    assert not Registry.all_objects.exists()
    assert bob.post(at("registry-new"), {**wrong, "untested": "1"}, headers=HTMX).status_code == 204
    assert RegistryCredential.all_objects.get().secret_value == "wrong-w0rd"


@pytest.mark.parametrize(
    ("field", "value"), [("serverAddress", "quay.io/acme"), ("publicValue", "a:b"), ("secretValue", "a\nb")]
)
def test_a_refusal_stands_at_its_field(field: str, value: str, bob: Client, at: Any, engine: SimulatedDriver):
    refused = bob.post(at("registry-new"), _form(**{field: value}), headers=HTMX)
    assert refused.status_code == 422
    assert field in refused.context["errors"]
    assert bob.post(at("registry-test"), _form(**{field: value}), headers=HTMX).status_code == 422


def test_an_account_is_changed_and_an_empty_password_kept(
    bob: Client, at: Any, engine: SimulatedDriver, quay: Registry, lab: Environment
):
    address = at("registry-edit", pk=quay.pk)
    assert 'value="alice"' in _text(bob.get(address))
    sent = {"publicValue": "alice", "secretValue": "", "email": "", "name": "main", "description": ""}
    assert bob.post(address, sent, headers=HTMX).status_code == 204
    quay.refresh_from_db()
    login = login_for_image(lab.pk, "quay.io/a")
    assert login is not None
    assert (quay.name, login.password, login.email) == ("main", SECRET, "")
    engine.registry.accounts["quay.io"] = ("robot", SECRET)
    assert (
        bob.post(at("registry-test"), {"registry": str(quay.pk), "publicValue": "robot"}, headers=HTMX).status_code
        == 204
    )
    assert bob.post(address, {**sent, "publicValue": "robot"}, headers=HTMX).status_code == 204
    assert (
        bob.post(address, {**sent, "publicValue": "robot", "secretValue": "wrong-w0rd"}, headers=HTMX).status_code
        == 422
    )
    assert login_for_image(lab.pk, "quay.io/a").username == "robot"  # type: ignore[union-attr]


def test_a_registry_is_switched_off_and_deleted(bob: Client, at: Any, quay: Registry, run_loop: Callable[[], None]):
    assert bob.post(at("registry-do", pk=quay.pk, action="deactivate"), headers=HTMX).status_code == 204
    run_loop()
    assert "Its account, with the password." in _text(bob.get(at("registry-remove", pk=quay.pk)))
    bob.post(at("registry-remove", pk=quay.pk), headers=HTMX)
    run_loop()
    quay.refresh_from_db()
    assert quay.state == "removed"


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_operate_changes_nothing(
    who: str, browser_as: Any, at: Any, quay: Registry, engine: SimulatedDriver
):
    client = browser_as(who)
    for name in ("registry-new", "registry-test"):
        assert client.post(at(name), _form(), headers=HTMX).status_code in {403, 404}
    assert client.post(at("registry-edit", pk=quay.pk), _form(), headers=HTMX).status_code in {403, 404}
    assert engine.calls["log_in"] == 0
    assert RegistryCredential.all_objects.get().secret_value == SECRET


def test_administrators_lend_registries(
    browser_as: Any, bob: Client, at: Any, lab: Environment, run_loop: Callable[[], None]
):
    root, index = browser_as("root"), reverse("console:shared-registries")
    assert "No registries yet" in _text(root.get(index))
    assert bob.get(index).status_code in {403, 404}
    new = reverse("console:shared-registry-new")
    sent = {**_form(serverAddress="ghcr.io"), "lending": "some", "environments": str(lab.pk)}
    assert root.post(new, {**sent, "serverAddress": "x/y"}, headers=HTMX).status_code == 422
    assert root.post(new, sent, headers=HTMX)["HX-Redirect"] == index
    run_loop()
    row = SharedRegistry.objects.get()
    assert row.lent_to == [lab.pk]
    assert lab.name in _text(root.get(index))
    lent = _text(bob.get(at("registries")))
    assert "Lent by the administrators" in lent
    assert "alice" not in lent.partition("Lent by the administrators")[2]
    edit = reverse("console:shared-registry-edit", kwargs={"pk": row.pk})
    assert 'value="alice"' in _text(root.get(edit))
    kept = {"publicValue": "alice", "secretValue": "", "email": "", "name": "", "lending": "all"}
    assert root.post(edit, kept, headers=HTMX).status_code == 204
    row.refresh_from_db()
    assert (row.lent_to, row.secret_value) == (None, SECRET)
    run_loop()
    do = {"pk": row.pk, "action": "deactivate"}
    assert root.post(reverse("console:shared-registry-do", kwargs=do), headers=HTMX).status_code == 204
    run_loop()
    remove = reverse("console:shared-registry-remove", kwargs={"pk": row.pk})
    assert "Its account" in _text(root.get(remove))
    root.post(remove, headers=HTMX)
    run_loop()
    assert not SharedRegistry.objects.filter(removed=None).exists()


def test_a_mirror_is_typed_shown_changed_and_refused_at_its_field(
    bob: Client, at: Any, engine: SimulatedDriver, run_loop: Callable[[], None]
):
    nobody = {"publicValue": "", "secretValue": ""}
    refused = bob.post(at("registry-new"), _form(mirror="quay.io", **nobody), headers=HTMX)
    assert refused.status_code == 422
    assert "quay.io is the registry itself" in _text(refused)
    assert not Registry.all_objects.exists()
    added = bob.post(at("registry-new"), _form(mirror="https://mirror.example.org:5000", **nobody), headers=HTMX)
    assert added["HX-Redirect"] == at("registries")
    run_loop()
    assert "mirror: mirror.example.org:5000" in _text(bob.get(at("registries")))
    row = Registry.all_objects.get()
    address = at("registry-edit", pk=row.pk)
    assert 'value="mirror.example.org:5000"' in _text(bob.get(address))
    sent = {**nobody, "email": "", "name": "", "description": "", "mirror": "Not a mirror"}
    refused = bob.post(address, sent, headers=HTMX)
    assert (refused.status_code, "mirror" in refused.context["errors"]) == (422, True)
    assert bob.post(address, {**sent, "mirror": "harbor.example.org/quay"}, headers=HTMX).status_code == 204
    row.refresh_from_db()
    assert row.mirror == "harbor.example.org/quay"
    assert "Its mirror: images are pulled from the registry itself." in _text(bob.get(at("registry-remove", pk=row.pk)))


def test_administrators_give_registries_of_all_environments_a_mirror(
    browser_as: Callable[[str], Client], bob: Client, at: Any, run_loop: Callable[[], None]
):
    root = browser_as("root")
    form = {"serverAddress": "docker.io", "mirror": "site.example.org", "lending": "all"}
    assert root.post(reverse("console:shared-registry-new"), form, headers=HTMX).status_code == 204
    run_loop()
    row = SharedRegistry.objects.get()
    assert row.mirror == "site.example.org"
    assert "mirror: site.example.org" in _text(root.get(reverse("console:shared-registries")))
    assert "mirror: site.example.org" in _text(bob.get(at("registries")))
    edit = reverse("console:shared-registry-edit", kwargs={"pk": row.pk})
    assert root.post(edit, {"mirror": "docker.io", "lending": "all"}, headers=HTMX).status_code == 422
    assert root.post(edit, {"mirror": "", "lending": "all"}, headers=HTMX).status_code == 204
    row.refresh_from_db()
    assert row.mirror == ""


def test_an_image_that_its_mirror_did_not_have_is_said_for_a_while(
    browser_as: Any, at: Any, lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any
):
    registry_create(actor=actor_of("bob"), environment=lab, server_address="docker.io", mirror="mirror.example.org")
    sim.registry.add("new:1")
    browser_as("rex").post(at("images-pull"), {"image": "new:1"}, headers=HTMX)
    reconcile_until_idle()
    page = " ".join(browser_as("rita").get(at("images")).content.decode().split())
    assert "Pulled from Docker Hub: the mirror mirror.example.org failed: There is no such repository" in page
    assert "<progress" not in page
