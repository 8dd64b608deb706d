"""Buttons: an action is requested and confirmed by a toast; a refusal is shown and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.control.models import Operation
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack

HX = {"HX-Request": "true"}


def toast(answer: Any) -> dict[str, str]:
    """The text of the toast in a response."""
    toasts: dict[str, str] = json.loads(answer["HX-Trigger"])["corral:toast"]
    return toasts


def test_a_button_asks_and_stays_on_the_page(browser_as: Any, at: Any, container: Container):
    answer = browser_as("bob").post(at("container-do", pk=container.pk, action="restart"), headers=HX)
    assert answer.status_code == 204
    assert toast(answer) == {"text": f"Restarting {container.name}.", "tone": "good"}
    container.refresh_from_db()
    assert container.display_state == "restarting"
    operation = Operation.all_objects.filter(kind="container", target=container.pk).first()
    assert operation is not None
    assert (operation.via, operation.account.login) == ("console", "bob")


def test_without_scripts_the_same_button_leads_back(browser_as: Any, at: Any, container: Container):
    answer = browser_as("bob").post(
        at("container-do", pk=container.pk, action="stop"), headers={"Referer": f"http://testserver{at('containers')}"}
    )
    assert answer.status_code == 302
    assert answer["Location"] == f"http://testserver{at('containers')}"


def test_back_never_leads_out_of_the_portal(browser_as: Any, at: Any, container: Container):
    answer = browser_as("bob").post(
        at("container-do", pk=container.pk, action="stop"), headers={"Referer": "https://evil.example/x"}
    )
    assert answer["Location"] == "/"


def test_a_reader_who_posts_all_the_same_is_refused(
    browser_as: Any, at: Any, container: Container, web: Service, shop: Stack
):
    client = browser_as("rita")
    for path, data in (
        (at("container-do", pk=container.pk, action="stop"), {}),
        (at("container-remove", pk=container.pk), {}),
        (at("service-do", pk=web.pk, action="deactivate"), {}),
        (at("service-scale", pk=web.pk), {"scale": "9"}),
        (at("service-remove", pk=web.pk), {}),
        (at("stack-all", pk=shop.pk, action="deactivate"), {}),
        (at("stack-remove", pk=shop.pk), {}),
        (at("stack-new"), {"name": "mine"}),
    ):
        answer = client.post(path, data, headers=HX)
        assert answer.status_code == 403, path
        assert toast(answer)["tone"] == "bad"
    for row in (container, web, shop):
        before = row.generation
        row.refresh_from_db()
        assert row.generation == before


def test_an_action_that_the_state_forbids_says_why(browser_as: Any, at: Any, container: Container):
    answer = browser_as("bob").post(at("container-do", pk=container.pk, action="start"), headers=HX)
    assert answer.status_code == 422
    assert "Not possible while it is running" in toast(answer)["text"]


@pytest.mark.parametrize("action", ["purge", "nonsense", "create"])
def test_actions_that_the_console_does_not_offer_are_not_there(
    browser_as: Any, at: Any, container: Container, action: str
):
    assert browser_as("alice").post(at("container-do", pk=container.pk, action=action), headers=HX).status_code == 404


def test_opening_an_actions_address_does_nothing(browser_as: Any, at: Any, container: Container):
    answer = browser_as("alice").get(at("container-do", pk=container.pk, action="stop"))
    assert answer.status_code == 405
    container.refresh_from_db()
    assert container.display_state == "running"


def test_the_scale_goes_up_down_and_to_a_number(browser_as: Any, at: Any, web: Service, run_loop: Any):
    client = browser_as("rex")
    for data, wanted in (
        ({"by": "1"}, 3),
        ({"by": "-1"}, 2),
        ({"scale": "5"}, 5),
        ({"scale": "0"}, 0),
        ({"by": "-1"}, 0),
    ):
        client.post(at("service-scale", pk=web.pk), {**data, "confirmed": "on"}, headers=HX)
        web.refresh_from_db()
        assert web.scale == wanted
        run_loop()


@pytest.mark.parametrize("text", ["", "many", "-3", "1e3", "²", "99999999999999999999", "1001"])
def test_a_bad_scale_is_refused_in_words(browser_as: Any, at: Any, web: Service, text: str):
    answer = browser_as("alice").post(at("service-scale", pk=web.pk), {"scale": text}, headers=HX)
    assert answer.status_code == 422
    assert "scale" in toast(answer)["text"].lower()
    web.refresh_from_db()
    assert web.scale == 2


def test_a_service_is_stopped_and_started(browser_as: Any, at: Any, web: Service, run_loop: Any):
    client = browser_as("bob")
    for action, state in (("deactivate", "inactive"), ("activate", "active")):
        assert client.post(at("service-do", pk=web.pk, action=action), headers=HX).status_code == 204
        run_loop()
        web.refresh_from_db()
        assert web.display_state == state


def test_all_services_of_a_stack_are_stopped_at_once(browser_as: Any, at: Any, web: Service, run_loop: Any):
    browser_as("bob").post(at("stack-all", pk=web.stack_id, action="deactivate"), headers=HX)
    run_loop()
    web.refresh_from_db()
    assert web.display_state == "inactive"


def test_deleting_first_tells_what_goes_with_it(
    browser_as: Any, at: Any, web: Service, container: Container, shop: Stack
):
    client = browser_as("alice")
    assert container.name in client.get(at("service-remove", pk=web.pk)).content.decode()
    assert "service web with 2 containers" in client.get(at("stack-remove", pk=shop.pk)).content.decode()
    assert (
        "the service web, which will replace it" in client.get(at("container-remove", pk=container.pk)).content.decode()
    )


def test_deleting_a_stack_takes_everything_with_it(browser_as: Any, at: Any, web: Service, shop: Stack, run_loop: Any):
    answer = browser_as("alice").post(at("stack-remove", pk=shop.pk), headers=HX)
    assert answer["HX-Redirect"] == at("stacks")
    run_loop()
    assert Container.all_objects.filter(removed=None).count() == 2  # it can still be undone
    Stack.all_objects.update(undo_until=None, next_attempt_at=timezone.now())
    run_loop()
    assert browser_as("alice").get(at("stack", pk=shop.pk)).status_code == 404
    assert not Container.all_objects.filter(removed=None).exists()


def test_several_containers_are_asked_at_once(browser_as: Any, at: Any, web: Service):
    keys = list(Container.all_objects.filter(slot__service=web).values_list("pk", flat=True))
    answer = browser_as("bob").post(at("containers-bulk"), {"row": keys, "action": "restart"}, headers=HX)
    assert toast(answer)["text"] == "Requested the action for 2 containers."
    assert set(Container.all_objects.filter(pk__in=keys).values_list("display_state", flat=True)) == {"restarting"}


@pytest.mark.parametrize(
    "data", [{}, {"action": "restart"}, {"row": ["x"], "action": "stop"}, {"row": ["1"], "action": "purge"}]
)
def test_requesting_nothing_is_reported(browser_as: Any, at: Any, data: dict[str, Any]):
    answer = browser_as("bob").post(at("containers-bulk"), data, headers=HX)
    assert answer.status_code == 422


def test_ticked_containers_of_others_are_left_alone(browser_as: Any, web: Service, container: Container, actor_of: Any):
    from apps.environments.services import environment_create

    den = environment_create(actor=actor_of("mallory"), name="Den")
    browser_as("mallory").post(f"/env/{den.pk}/containers/bulk", {"row": [container.pk], "action": "stop"}, headers=HX)
    container.refresh_from_db()
    assert container.display_state == "running"


def test_names_and_descriptions_are_changed_where_they_stand(
    browser_as: Any, at: Any, web: Service, shop: Stack, host: Host
):
    client = browser_as("alice")
    client.post(at("stack-edit", pk=shop.pk), {"name": "store", "description": "what we sell"}, headers=HX)
    client.post(at("service-edit", pk=web.pk), {"name": "front", "description": "", "scale": "3"}, headers=HX)
    client.post(at("host-edit", pk=host.pk), {"name": "h-one", "labels": "disk=ssd\nzone=a"}, headers=HX)
    for row in (shop, web, host):
        row.refresh_from_db()
    assert (shop.name, shop.description) == ("store", "what we sell")
    assert (web.name, web.scale) == ("front", 3)
    assert (host.name, host.labels) == ("h-one", {"disk": "ssd", "zone": "a"})


def test_a_bad_name_comes_back_with_its_reason_and_what_was_typed(browser_as: Any, at: Any, shop: Stack):
    answer = browser_as("alice").post(
        at("stack-edit", pk=shop.pk), {"name": "not a name", "description": ""}, headers=HX
    )
    assert answer.status_code == 422
    assert b"such as web-1" in answer.content
    assert b'value="not a name"' in answer.content


def test_a_host_is_put_out_of_use_and_back(browser_as: Any, at: Any, host: Host, run_loop: Any):
    client = browser_as("bob")
    for action, state in (("deactivate", "inactive"), ("activate", "active")):
        assert client.post(at("host-do", pk=host.pk, action=action), headers=HX).status_code == 204
        run_loop()
        host.refresh_from_db()
        assert host.display_state == state


def test_an_operation_is_retried_on_request(browser_as: Any, at: Any, web: Service, lab: Environment):
    operation = Operation.all_objects.filter(environment=lab, kind="service").first()
    assert operation is not None
    Operation.all_objects.filter(pk=operation.pk).update(state="running")
    assert browser_as("bob").post(at("operation-retry", pk=operation.pk), headers=HX).status_code == 204
    assert browser_as("rita").post(at("operation-retry", pk=operation.pk), headers=HX).status_code == 403
