"""Every page opens for everybody who may see it, and is not found for anybody else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.models import Operation
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack

READERS = ("alice", "bob", "rex", "rita", "root")
LISTS = (
    "stacks",
    "adopt",
    "topology",
    "containers",
    "hosts",
    "images",
    "image-builds",
    "volumes",
    "certificates",
    "registries",
    "catalog",
    "catalog-sources",
    "updates",
    "activity",
    "keys",
    "trust-rules",
    "network",
    "policy",
    "find",
)
OF_STACK = (
    "stack",
    "stack-compose",
    "stack-topology",
    "stack-revisions",
    "stack-activity",
    "stack-edit",
    "stack-remove",
    "stack-requests",
)
OF_SERVICE = ("service", "service-activity", "service-what-if", "service-edit", "service-remove", "service-requests")
OF_CONTAINER = (
    "container",
    "container-logs",
    "container-shell",
    "container-menu",
    "container-edit",
    "container-remove",
    "container-requests",
)
OF_HOST = ("host", "host-timeline", "host-images", "host-what-if", "host-edit", "host-remove", "host-requests")
MAKERS = ("stack-new", "container-new", "certificate-new", "registry-new", "trust-rule-new")
ADMIN = (
    "/admin/accounts",
    "/admin/accounts/new",
    "/admin/settings",
    "/admin/audit",
    "/admin/processes",
    "/admin/registries",
    "/admin/catalogs",
)

HTMX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}


@pytest.fixture
def addresses(at: Any, shop: Stack, web: Service, container: Container, host: Host) -> list[str]:
    """Every page of the lab that its readers may see."""
    named = [(OF_STACK, shop), (OF_SERVICE, web), (OF_CONTAINER, container), (OF_HOST, host)]
    found = [at(name) for name in LISTS]
    found += [at(name, pk=row.pk) for names, row in named for name in names]
    operation = Operation.all_objects.filter(environment=web.environment_id).first()
    assert operation is not None
    return [*found, at("operation", pk=operation.pk)]


@pytest.mark.parametrize("name", READERS)
def test_every_member_sees_every_page(name: str, addresses: list[str], browser_as: Any):
    client = browser_as(name)
    wrong = {path: code for path in addresses if (code := client.get(path).status_code) != 200}
    assert wrong == {}


def test_every_page_is_also_a_fragment_without_its_frame(addresses: list[str], browser_as: Any):
    client = browser_as("alice")
    for path in addresses:
        answer = client.get(path, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        assert b"<html" not in answer.content


def test_a_non_member_finds_no_page(addresses: list[str], browser_as: Any):
    client = browser_as("mallory")
    found = {path: code for path in addresses if (code := client.get(path).status_code) != 404}
    assert found == {}


def test_a_row_of_another_environment_is_not_found_through_ones_own(
    browser_as: Any, web: Service, container: Container, host: Host, shop: Stack, actor_of: Any
):
    from apps.environments.services import environment_create

    den = environment_create(actor=actor_of("mallory"), name="Den")
    client = browser_as("mallory")
    for path in (
        f"/env/{den.pk}/stacks/{shop.pk}",
        f"/env/{den.pk}/services/{web.pk}",
        f"/env/{den.pk}/containers/{container.pk}",
        f"/env/{den.pk}/containers/{container.pk}/logs",
        f"/env/{den.pk}/hosts/{host.pk}",
        f"/env/{den.pk}/stacks/{shop.pk}/services/new",
    ):
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize("name", ["alice", "bob", "rex", "root"])
def test_those_who_may_make_things_get_the_forms(name: str, at: Any, shop: Stack, web: Service, browser_as: Any):
    client = browser_as(name)
    for path in (*(at(each) for each in MAKERS), at("service-new", stack=shop.pk), at("service-clone", pk=web.pk)):
        assert client.get(path).status_code == 200


def test_a_reader_is_refused_the_forms_with_the_reason(at: Any, shop: Stack, browser_as: Any):
    client = browser_as("rita")
    for path in (*(at(each) for each in MAKERS), at("service-new", stack=shop.pk), at("key-new"), at("host-new")):
        answer = client.get(path)
        assert answer.status_code == 403
        assert b"Your role here (readonly) may not do this" in answer.content


def test_a_reader_sees_what_a_change_would_be_and_why_it_is_not_for_readers(addresses: list[str], browser_as: Any):
    client, found = browser_as("rita"), [each for each in addresses if each.endswith(("/edit", "/remove"))]
    assert len(found) == 8
    for path in found:
        form = client.get(path, headers=HTMX).content.decode()
        (submit,) = re.findall(r"<button[^>]*type=.submit.[^>]*>", form)
        assert 'aria-disabled="true"' in submit, path
        assert "Your role here (readonly) may not do this" in submit, path
        assert client.post(path, {"name": "other"}, headers=HTMX).status_code == 403, path


def test_a_restricted_member_cannot_add_hosts(at: Any, host: Host, browser_as: Any):
    assert browser_as("rex").get(at("host-new")).status_code == 403
    assert browser_as("bob").get(at("host-new")).status_code == 200


@pytest.mark.parametrize("path", ADMIN)
def test_the_admins_pages_are_there_for_admins_only(path: str, browser_as: Any):
    assert browser_as("root").get(path).status_code == 200
    assert browser_as("alice").get(path).status_code == 404


@pytest.mark.parametrize("path", ["/environments", "/environments/new", "/account/keys", "/account/keys/new"])
def test_the_pages_of_ones_own_are_there_for_everybody(path: str, browser_as: Any):
    for name in (*READERS, "mallory"):
        assert browser_as(name).get(path).status_code == 200


def test_the_audit_log_is_for_owners(at: Any, browser_as: Any):
    assert browser_as("alice").get(at("audit")).status_code == 200
    assert browser_as("bob").get(at("audit")).status_code == 403


def test_an_unknown_page_is_a_plain_404(browser_as: Any, at: Any):
    client = browser_as("alice")
    assert client.get("/nonsense").status_code == 404
    assert client.get("/env/999999999999999999/stacks").status_code == 404
    assert client.get(at("container", pk=99999999)).status_code == 404
    assert client.get("/env/" + "9" * 40 + "/stacks").status_code == 404


def test_an_inactive_environment_is_there_for_its_owner_only(
    browser_as: Any, lab: Environment, at: Any, actor_of: Any, run_loop: Any
):
    from apps.environments.services import environment_act

    environment_act(lab, "deactivate", actor=actor_of("alice"))
    run_loop()
    assert browser_as("alice").get(at("stacks")).status_code == 200
    assert browser_as("bob").get(at("stacks")).status_code == 404


def test_every_object_leads_to_itself_in_the_api(
    at: Any, lab: Environment, shop: Stack, web: Service, container: Container, host: Host, browser_as: Any
):
    client = browser_as("rita")
    base = f"/v1/projects/1a{lab.pk}"
    pages = {
        at("stack", pk=shop.pk): f"{base}/environments/1e{shop.pk}",
        at("service", pk=web.pk): f"{base}/services/1s{web.pk}",
        at("container", pk=container.pk): f"{base}/containers/1i{container.pk}",
        at("host", pk=host.pk): f"{base}/hosts/1h{host.pk}",
        f"/environments/{lab.pk}": f"/v1/projects/1a{lab.pk}",
    }
    for path, link in pages.items():
        assert f'href="{link}"' in client.get(path).content.decode()


def test_lists_that_are_empty_say_what_to_do_next(browser_as: Any, at: Any):
    client = browser_as("alice")
    for name, words in (("stacks", "No stacks yet"), ("containers", "No containers yet"), ("hosts", "No hosts yet")):
        page = client.get(at(name)).content.decode()
        assert words in page
        assert "is-primary" in page


def test_pages_without_an_environment_keep_the_last_one_in_their_frame(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("rita")
    client.get(at("stacks"))
    assert f'data-environment="{lab.pk}"' in client.get("/environments").content.decode()
    outsider = browser_as("mallory")
    outsider.cookies["corral_environment"] = str(lab.pk)
    page = outsider.get("/environments").content.decode()
    assert 'data-environment=""' in page
    assert lab.name not in page


def test_a_broken_cookie_harms_nothing(browser_as: Any):
    client = browser_as("alice")
    for text in ("x", "-1", "9" * 50, "²", ""):
        client.cookies["corral_environment"] = text
        assert client.get("/environments").status_code == 200
        assert client.get("/", headers=BROWSER).status_code == 200


def test_without_the_built_assets_pages_are_readable(browser_as: Any, at: Any, settings: Any, tmp_path: Any):
    settings.BASE_DIR = tmp_path
    page = browser_as("alice").get(at("stacks")).content.decode()
    assert "src/plain.css" in page
