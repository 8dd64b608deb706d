"""The pages of newer images: the list, its buttons, the policies, and what services and containers say of them."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.environments.models import Environment
from apps.stacks.models import Service
from apps.stacks.updates.models import ImageUpdate, ImageUpgrade, RegistryHold, RegistryTag
from apps.stacks.updates.policies import environment_policy

HTMX = {"HX-Request": "true"}
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@pytest.fixture
def update(web: Service) -> ImageUpdate:
    """A newer image of the service `web`."""
    now = timezone.now()
    tag = RegistryTag.objects.create(
        domain="docker.io",
        repository="library/bb",
        tag="local",
        digest=NEW,
        digest_since=now - timedelta(hours=5),
        checked_at=now - timedelta(minutes=20),
        next_at=now + timedelta(minutes=40),
    )
    found: ImageUpdate = ImageUpdate.objects.create(
        environment=web.environment,
        service=web,
        image=web.image,
        tag=tag,
        state="newer",
        running=OLD,
        digest=NEW,
        since=tag.digest_since,
    )
    return found


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_the_list_says_what_is_newer_where_and_since_when(browser_as: Any, at: Any, update: ImageUpdate):
    page = text(browser_as("rita").get(at("updates")))
    for shown in ("newer image", update.image, "shop / web", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "notify"):
        assert shown in page
    assert "notify only" in page


def test_without_anything_that_runs_the_list_says_what_to_do(browser_as: Any, at: Any, lab: Environment):
    page = text(browser_as("bob").get(at("updates")))
    assert "Nothing runs here yet" in page
    assert at("stacks") in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [("?state=newer", True), ("?state=current", False), ("?q=web", True), ("?q=nothing", False), ("?q=shop", True)],
)
def test_the_list_is_filtered_by_state_and_name(browser_as: Any, at: Any, update: ImageUpdate, query: str, shown: bool):
    page = text(browser_as("bob").get(at("updates") + query))
    assert (f'id="update-{update.pk}"' in page) is shown
    assert ("No image matches" in page) is not shown


def test_a_registry_that_sets_a_limit_is_named_with_the_next_check(browser_as: Any, at: Any, update: ImageUpdate):
    until = timezone.now() + timedelta(hours=3)
    RegistryHold.objects.create(domain="docker.io", until=until, reason="The registry limits how often.")
    response = browser_as("bob").get(at("updates"))
    assert "The registry limits how often." in text(response)
    assert response.context["views"][0][0].next_check == until


def test_the_service_and_its_container_say_so_and_lead_there(browser_as: Any, at: Any, update: ImageUpdate):
    assert update.service is not None
    bob = browser_as("bob")
    page = text(bob.get(at("service", pk=update.service_id)))
    assert f"A newer {update.image} is in its registry." in page
    assert "Update now" in page
    container = Container.all_objects.filter(spread_key=str(update.service.uuid)).first()
    assert container is not None
    assert "newer image" in text(bob.get(at("container", pk=container.pk)))
    assert "newer image" in text(bob.get(at("stacks")))
    ImageUpdate.objects.update(state="current")
    assert "newer image" not in text(bob.get(at("stacks")))


def test_a_click_upgrades_the_service_to_the_newer_image(browser_as: Any, at: Any, update: ImageUpdate):
    answer = browser_as("bob").post(at("updates-apply", pk=update.service_id), headers=HTMX)
    assert answer.status_code == 204
    row = Service.all_objects.get(pk=update.service_id)
    assert (row.revision, row.image_pins) == (2, {update.image: NEW})
    assert browser_as("rita").post(at("updates-apply", pk=update.service_id), headers=HTMX).status_code == 403


def test_looking_now_is_limited_and_noted(browser_as: Any, at: Any, update: ImageUpdate):
    bob = browser_as("bob")
    assert bob.post(at("updates-check"), headers=HTMX).status_code == 204
    tag = RegistryTag.objects.get()
    assert tag.requested_at is not None
    refused = bob.post(at("updates-check"), headers=HTMX)
    assert refused.status_code == 429
    assert "5 minutes" in refused["HX-Trigger"]
    assert AuditEntry.all_objects.filter(event="imageUpdate.check").count() == 1
    assert browser_as("rita").post(at("updates-check"), headers=HTMX).status_code == 403


def test_where_no_registry_is_asked_looking_now_says_so(browser_as: Any, at: Any, update: ImageUpdate):
    ImageUpdate.objects.update(tag=None, state="unknown", reason="It came from no registry.")
    refused = browser_as("bob").post(at("updates-check"), headers=HTMX)
    assert refused.status_code in {409, 422}
    assert "No registry is asked" in refused["HX-Trigger"]


def test_a_service_gets_a_policy_with_a_window_and_back_to_that_of_the_environment(
    browser_as: Any, at: Any, web: Service
):
    bob, url = browser_as("bob"), at("service-update-policy", pk=web.pk)
    assert "as in the environment: notify only" in text(bob.get(url))
    window = {"mode": "upgrade", "when": "window", "days": "MON-FRI", "from": "02:00", "to": "05:00"}
    bob.post(url, {**window, "timeZone": "Europe/Berlin"}, headers=HTMX)
    web.refresh_from_db()
    assert web.update_policy == {
        "mode": "upgrade",
        "days": "MON-FRI",
        "from": "02:00",
        "to": "05:00",
        "timeZone": "Europe/Berlin",
    }
    assert str(web.update_policy_by) == "Bob"
    page = text(bob.get(at("service", pk=web.pk)))
    assert "upgrade MON-FRI from 02:00 to 05:00 (Europe/Berlin)" in page
    bob.post(url, {"mode": ""}, headers=HTMX)
    web.refresh_from_db()
    assert web.update_policy == {}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"mode": "explode"}, "mode is notify, upgrade or never"),
        ({"mode": "upgrade", "when": "window", "from": "25:00", "to": "05:00"}, "is no time of day"),
        ({"mode": "upgrade", "when": "window", "from": "02:00", "to": "05:00", "days": "MOON"}, "days"),
        ({"mode": "upgrade", "when": "window", "from": "02:00", "to": "05:00", "timeZone": "Mars"}, "is no time zone"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_in_the_form(
    browser_as: Any, at: Any, web: Service, sent: dict[str, str], said: str
):
    answer = browser_as("bob").post(at("service-update-policy", pk=web.pk), sent, headers=HTMX)
    assert answer.status_code == 422
    assert said in text(answer)
    web.refresh_from_db()
    assert web.update_policy == {}


def test_the_environments_policy_is_changed_by_those_who_operate_it(browser_as: Any, at: Any, lab: Environment):
    bob, url = browser_as("bob"), at("updates-default")
    assert bob.get(url).status_code == 200
    bob.post(url, {"mode": "upgrade", "when": "always"}, headers=HTMX)
    assert environment_policy(lab.pk).to_json() == {"mode": "upgrade"}
    assert "upgrade at any time" in text(bob.get(at("updates")))
    assert browser_as("rita").post(url, {"mode": "never"}, headers=HTMX).status_code == 403
    assert environment_policy(lab.pk).mode == "upgrade"


@pytest.mark.parametrize(
    ("outcome", "message", "shown"),
    [
        ("going", "", "An upgrade by the policy goes on."),
        ("rolled-back", "It was rolled back.", "It was rolled back."),
        ("asked", "Finish it.", "Finish it."),
    ],
)
def test_what_came_of_the_policys_upgrade_is_shown(
    browser_as: Any, at: Any, update: ImageUpdate, outcome: str, message: str, shown: str
):
    assert update.service is not None
    ImageUpgrade.objects.create(
        environment=update.environment, service=update.service, outcome=outcome, message=message
    )
    assert shown in text(browser_as("bob").get(at("updates")))


def test_others_see_none_of_it(browser_as: Any, at: Any, update: ImageUpdate):
    mallory: Client = browser_as("mallory")
    for name in ("updates", "updates-default"):
        assert mallory.get(at(name)).status_code == 404
    assert mallory.post(at("updates-apply", pk=update.service_id), headers=HTMX).status_code == 404
