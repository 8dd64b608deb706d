"""Mirrors of registries: which addresses they may have, what images are called there, and which one counts."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.vault.models import Registry, SharedRegistry
from apps.vault.registries.mirrors import mirrored_name, parse_mirror
from apps.vault.registries.selectors import access_changed_at, login_for_image, logins_of, mirror_for_image
from apps.vault.registries.services import registry_act, registry_add, registry_create, registry_update
from apps.vault.registries.shared_services import shared_registry_create, shared_registry_update

pytestmark = pytest.mark.django_db
MIRROR, SECRET = "mirror.example.org:5000", "s3cret-w0rd"
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("nginx", f"{MIRROR}/library/nginx:latest"),
        ("nginx:1.27", f"{MIRROR}/library/nginx:1.27"),
        ("docker.io/library/nginx:1", f"{MIRROR}/library/nginx:1"),
        ("index.docker.io/nginx", f"{MIRROR}/library/nginx:latest"),
        ("acme/web:1", f"{MIRROR}/acme/web:1"),
        ("quay.io/acme/web", f"{MIRROR}/acme/web:latest"),
        ("localhost:5000/web:2", f"{MIRROR}/web:2"),
        (f"nginx@{DIGEST}", f"{MIRROR}/library/nginx@{DIGEST}"),
        (f"quay.io/acme/web:1@{DIGEST}", f"{MIRROR}/acme/web@{DIGEST}"),
        (DIGEST, ""),
        ("quay.io/Acme/web", ""),
    ],
)
def test_an_image_is_called_at_the_mirror_as_in_its_registry(image: str, found: str):
    assert mirrored_name(MIRROR, image) == found


def test_a_path_stands_before_the_image_s_name():
    assert mirrored_name("harbor.example.org/hub", "nginx:1") == "harbor.example.org/hub/library/nginx:1"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("", ""),
        ("  ", ""),
        ("Mirror.Example.org:5000", MIRROR),
        (f"https://{MIRROR}/", MIRROR),
        (f"http://{MIRROR}/v2/", MIRROR),
        ("harbor.example.org/hub/", "harbor.example.org/hub"),
        ("index.docker.io", "docker.io"),
        ("[fd00::5]:5000", "[fd00::5]:5000"),
    ],
)
def test_an_address_is_kept_in_one_spelling(typed: str, stored: str):
    assert parse_mirror("mirror", typed, "quay.io") == stored


@pytest.mark.parametrize(
    "typed",
    [
        "mirror", "mirror example.org", "https://", "mirror.example.org:99999", "mirror.example.org/Hub",
        "mirror.example.org/a//b", "mirror.example.org/../a", "mirror.example.org/a:1", "u:p@mirror.example.org",
        "mirror.example.org?x=1", "x" * 256, "quay.io", "https://QUAY.io/v2", "quay.io/proxy", None, 5,
    ],
)  # fmt: skip
def test_what_is_no_other_registry_s_address_is_refused_at_its_field(typed: Any):
    with pytest.raises(Invalid) as refused:
        parse_mirror("mirror", typed, "quay.io")
    assert refused.value.field == "mirror"


def test_an_account_in_an_address_is_refused_without_being_repeated():
    with pytest.raises(Invalid, match="add the mirror as a registry of its own") as refused:
        parse_mirror("mirror", f"https://robot:{SECRET}@mirror.example.org", "quay.io")
    assert SECRET not in str(refused.value)
    assert SECRET not in refused.value.message


def _settled(row: Any) -> Any:
    reconcile_until_idle()
    return type(row).all_objects.get(pk=row.pk)


def test_a_mirror_is_set_changed_and_taken_away(lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    row = registry_create(actor=bob, environment=lab, server_address="docker.io", mirror=f"https://{MIRROR}")
    found = mirror_for_image(lab.pk, "nginx:1")
    assert found is not None
    assert (found.address, found.domain, found.login, found.is_lent) == (MIRROR, MIRROR, None, False)
    assert mirror_for_image(lab.pk, "quay.io/acme/web") is None
    assert mirror_for_image(lab.pk + 1000, "nginx:1") is None
    first = access_changed_at(lab.pk, "nginx:1")
    assert first is not None
    row = _settled(row)
    registry_update(row, actor=bob, mirror="harbor.example.org/hub", name="hub")
    row = _settled(row)
    assert (row.mirror, row.name) == ("harbor.example.org/hub", "hub")
    second = access_changed_at(lab.pk, "nginx:1")
    assert second is not None
    assert second > first
    assert "harbor.example.org/hub" in str([each.request for each in AuditEntry.all_objects.filter(kind="registry")])
    registry_update(row, actor=bob, name="main")
    row = _settled(row)
    assert access_changed_at(lab.pk, "nginx:1") == second
    registry_update(row, actor=bob, mirror="")
    assert mirror_for_image(lab.pk, "nginx:1") is None


def test_the_account_at_the_mirror_is_the_one_of_the_mirror_s_address(lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    origin = {"public_value": "alice", "secret_value": SECRET}
    registry_add(actor=bob, environment=lab, server_address="docker.io", mirror=MIRROR, **origin)
    found = mirror_for_image(lab.pk, "nginx")
    assert found is not None
    assert found.login is None
    registry_add(actor=bob, environment=lab, server_address=MIRROR, public_value="robot", secret_value="other-w0rd")
    found = mirror_for_image(lab.pk, "nginx")
    assert found is not None
    assert found.login is not None
    assert (found.login.username, found.login.auth["serveraddress"]) == ("robot", MIRROR)
    assert "w0rd" not in repr(found)


def test_a_chain_of_mirrors_is_refused_at_either_end(lab: Environment, actor_of: Any):
    bob = actor_of("bob")
    registry_create(actor=bob, environment=lab, server_address="docker.io", mirror=MIRROR)
    with pytest.raises(Invalid, match="is the mirror of Docker Hub, and mirrors are not followed"):
        registry_create(actor=bob, environment=lab, server_address=MIRROR, mirror="quay.io")
    with pytest.raises(Invalid, match="Docker Hub has the mirror mirror"):
        registry_create(actor=bob, environment=lab, server_address="quay.io", mirror="index.docker.io")
    row = registry_create(actor=bob, environment=lab, server_address="quay.io")
    with pytest.raises(Invalid) as refused:
        registry_update(row, actor=bob, mirror="docker.io")
    assert refused.value.field == "mirror"
    assert set(Registry.all_objects.values_list("domain", "mirror")) == {("docker.io", MIRROR), ("quay.io", "")}


def test_a_mirror_of_the_environment_s_own_goes_before_the_administrators(lab: Environment, actor_of: Any):
    bob, root = actor_of("bob"), actor_of("root")
    nobody: dict[str, Any] = {"public_value": "", "secret_value": ""}
    lent = shared_registry_create(actor=root, server_address="docker.io", mirror="site.example.org", **nobody)
    found = mirror_for_image(lab.pk, "nginx")
    assert found is not None
    assert (found.address, found.is_lent) == ("site.example.org", True)
    assert login_for_image(lab.pk, "nginx") is None  # a registry that is lent without an account opens nothing
    assert logins_of(lab.pk) == []
    own = registry_create(actor=bob, environment=lab, server_address="docker.io")
    assert mirror_for_image(lab.pk, "nginx") == found
    own = _settled(own)
    registry_update(own, actor=bob, mirror=MIRROR)
    assert mirror_for_image(lab.pk, "nginx").address == MIRROR  # type: ignore[union-attr]
    registry_act(_settled(own), "deactivate", actor=bob)
    assert mirror_for_image(lab.pk, "nginx") == found
    shared_registry_update(_settled(lent), actor=root, lent_to=[])
    assert mirror_for_image(lab.pk, "nginx") is None


def test_a_mirror_that_is_lent_makes_no_chain_with_one_of_the_environment_s_own(lab: Environment, actor_of: Any):
    bob, nobody = actor_of("bob"), dict[str, Any](public_value="", secret_value="")
    shared_registry_create(actor=actor_of("root"), server_address="docker.io", mirror="site.example.org", **nobody)
    registry_create(actor=bob, environment=lab, server_address="docker.io")
    with pytest.raises(Invalid, match="Docker Hub has the mirror site"):
        registry_create(actor=bob, environment=lab, server_address="quay.io", mirror="docker.io")
    with pytest.raises(Invalid, match="is the mirror of Docker Hub"):
        registry_create(actor=bob, environment=lab, server_address="site.example.org", mirror="quay.io")


def test_lent_registries_have_no_chains_either(people: Any, actor_of: Any):
    root = actor_of("root")
    nobody: dict[str, Any] = {"public_value": "", "secret_value": ""}
    row = shared_registry_create(actor=root, server_address="docker.io", mirror="site.example.org", **nobody)
    row = _settled(row)
    with pytest.raises(Invalid, match="mirrors are not followed"):
        shared_registry_create(actor=root, server_address="site.example.org", mirror="quay.io", **nobody)
    with pytest.raises(Invalid, match="is the registry itself"):
        shared_registry_update(row, actor=root, mirror="docker.io")
    shared_registry_update(row, actor=root, mirror="other.example.org")
    assert SharedRegistry.objects.get().mirror == "other.example.org"
