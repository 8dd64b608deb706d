"""The pages of adoption: what is found, what would become of it, adopting it and giving it back."""

from __future__ import annotations

from typing import Any

import pytest

from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create
from tests.adoption.projects import look, make, make_shop
from tests.adoption.rancher_host import make_rancher

HX = {"HX-Request": "true"}


@pytest.fixture
def shop(host: Host, sim: SimulatedDriver) -> dict[str, str]:
    made = make_shop(sim)
    make(sim, "root", "shell", HostConfig={"Privileged": True})
    look(host)
    return made


def query(project: str, **more: str) -> dict[str, str]:
    return {"kind": "compose", "project": project, **more}


def test_projects_are_listed_and_filtered(shop: Any, browser_as: Any, at: Any) -> None:
    page = browser_as("rita").get(at("adopt"))
    assert [each.project for each in page.context["projects"]] == ["root", "shop"]
    assert 'aria-disabled="true"' in page.content.decode()
    page = browser_as("bob").get(at("adopt"), {"q": "CACHE"})
    assert [each.project for each in page.context["projects"]] == ["shop"]
    assert "Nothing matches" in browser_as("bob").get(at("adopt"), {"q": "xyz"}).content.decode()


def test_nothing_to_adopt_says_what_to_do(browser_as: Any, at: Any) -> None:
    assert "Nothing to adopt" in browser_as("bob").get(at("adopt")).content.decode()


def test_a_project_is_previewed_downloaded_and_adopted(
    shop: Any, host: Host, browser_as: Any, at: Any, run_loop: Any
) -> None:
    client, path = browser_as("bob"), at("adopt-project", pk=host.pk)
    page = client.get(path, query("shop"))
    text = page.content.decode()
    assert "4 services, 5 containers" in text
    assert "Nothing: containers made later are made exactly as these are." in text
    file = client.get(path, query("shop", file="docker-compose.yml"))
    assert (file["Content-Type"].split(";")[0], b"shop_default" in file.content) == ("application/yaml", True)
    basis = page.context["plan"].basis
    refused = client.post(path, query("shop", name="a b", basis=basis), headers=HX)
    assert (refused.status_code, "letters, digits" in refused.content.decode()) == (422, True)
    stale = client.post(path, query("shop", name="shop", basis="0"), headers=HX)
    assert (stale.status_code, "look at the preview again" in stale.content.decode()) == (422, True)
    done = client.post(path, query("shop", name="shop", basis=basis), headers=HX)
    stack = Stack.all_objects.get(name="shop")
    assert done["HX-Redirect"] == at("stack", pk=stack.pk)
    run_loop()
    assert "Give back" in client.get(at("stack", pk=stack.pk)).content.decode()
    asked = client.get(at("stack-giveback", pk=stack.pk)).content.decode()
    assert "shop_web_1" in asked
    gone = client.post(at("stack-giveback", pk=stack.pk), headers=HX)
    assert gone["HX-Redirect"] == at("adopt")
    run_loop()
    assert not Stack.all_objects.filter(removed=None).exists()
    assert [each.project for each in client.get(at("adopt")).context["projects"]] == ["root", "shop"]


def test_what_the_policy_forbids_is_said_before(shop: Any, host: Host, browser_as: Any, at: Any) -> None:
    page = browser_as("bob").get(at("adopt-project", pk=host.pk), query("root"))
    assert "privileged containers may not be made" in page.content.decode()


def test_who_may_not_finds_no_preview(shop: Any, host: Host, browser_as: Any, at: Any) -> None:
    path = at("adopt-project", pk=host.pk)
    assert browser_as("rita").get(path, query("shop")).status_code == 403
    assert browser_as("mallory").get(path, query("shop")).status_code == 404
    assert browser_as("bob").get(path, query("nothing")).status_code == 404
    assert browser_as("bob").get(path, {"kind": "x" * 999, "project": "\0"}).status_code == 404
    assert browser_as("rita").post(path, query("shop", name="x"), headers=HX).status_code == 403
    assert not Stack.all_objects.exists()


def test_a_host_that_does_not_answer_is_said(
    shop: Any, host: Host, sim: SimulatedDriver, browser_as: Any, at: Any
) -> None:
    sim.down = True
    page = browser_as("bob").get(at("adopt-project", pk=host.pk), query("shop"))
    assert (page.status_code, "does not answer" in page.content.decode()) == (503, True)


def test_an_imported_stack_is_named_as_what_takes_the_containers_over(
    host: Host, sim: SimulatedDriver, lab: Any, actor_of: Any, browser_as: Any, at: Any, run_loop: Any
) -> None:
    file = "web:\n  image: bb:local\n"
    stack = stack_create(
        actor=actor_of("bob"), environment=lab, name="Old", docker_compose=file, external_id="rancher:1"
    )
    run_loop()
    make_rancher(sim, "Old", "web")
    look(host)
    client, path = browser_as("bob"), at("adopt-project", pk=host.pk)
    sent = {"kind": "rancher", "project": "Old"}
    page = client.get(path, sent)
    text = page.content.decode()
    assert "Goes to the imported stack" in text
    assert at("stack", pk=stack.pk) in text
    assert "Name of the stack" not in text
    assert client.get(path, {**sent, "file": "docker-compose.yml"}).content.decode() == file
    done = client.post(path, {**sent, "basis": page.context["plan"].basis}, headers=HX)
    assert done["HX-Redirect"] == at("stack", pk=stack.pk)
    run_loop()
    assert Service.all_objects.get(stack=stack).display_state == "active"
