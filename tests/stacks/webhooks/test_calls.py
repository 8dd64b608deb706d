"""Calls of deploy webhooks: what each task does to the service, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.core.errors import Invalid, Problem, Unauthorized
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.stacks.models import Service
from apps.stacks.restore import service_restore
from apps.stacks.services import service_act
from apps.stacks.upgrade_services import service_upgrade_step
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall
from apps.stacks.webhooks.tasks import with_tag
from tests.stacks.webhooks.deploying import call, let_upgrade_end

Make = Callable[..., Any]


def images() -> list[str]:
    return sorted(Container.all_objects.filter(display_state="running").values_list("image", flat=True))


def test_an_upgrade_replaces_the_containers_by_ones_of_the_tag(web: Service, webhook: Make, run_loop: Any):
    answer = call(webhook(), {"tag": "2"})
    assert (answer.result.service.image, answer.result.replaces_upgrade) == ("bb:2", False)
    assert answer.result.operation is not None
    assert answer.result.operation.via == "webhook"
    let_upgrade_end(run_loop)
    web.refresh_from_db()
    assert (web.display_state, images()) == ("active", ["bb:2", "bb:2"]), "nobody has to finish it by hand"
    assert (web.revision, web.config.environment) == (2, {"TOKEN": "s3cret-value"})
    assert web.revisions.get(number=2).note == "Deploy webhook upgrade"


def test_a_redeploy_has_the_same_image_pulled_again(web: Service, webhook: Make, run_loop: Any):
    before = set(Container.all_objects.filter(display_state="running").values_list("pk", flat=True))
    answer = call(webhook("redeploy"))
    found = answer.result.service
    assert (found.image, found.revision, found.display_state) == ("bb:local", 2, "upgrading")
    assert found.config.labels["io.rancher.container.pull_image"] == "always"
    let_upgrade_end(run_loop)
    running = Container.all_objects.filter(display_state="running")
    assert images() == ["bb:local", "bb:local"]
    assert not before & set(running.values_list("pk", flat=True))
    assert Pull.all_objects.filter(image="bb:local", state="pulled").exists()


def test_a_service_keeps_how_it_was_upgraded_last(web: Service, webhook: Make):
    Service.all_objects.filter(pk=web.pk).update(upgrade={"batchSize": 2, "intervalMillis": 200, "startFirst": True})
    found = call(webhook(), {"tag": "2"}).result.service
    assert (found.upgrade["batchSize"], found.upgrade["startFirst"]) == (2, True)


def test_a_service_that_says_how_it_is_judged_is_judged_like_that(web: Service, webhook: Make):
    kept = {"minutes": 3, "onGood": "ask", "onBad": "ask", "errorPattern": ""}
    Service.all_objects.filter(pk=web.pk).update(verdict_settings=kept)
    assert call(webhook(), {"tag": "2"}).result.service.upgrade["verdict"] == kept


def test_scaling_goes_to_a_number_or_by_steps_within_the_limits(web: Service, webhook: Make, run_loop: Any):
    made = webhook("scale", min_scale=1, max_scale=5, step=2)
    found = []
    steps = ({"scale": 1}, {"direction": "up"}, {"direction": "up"}, {"scale": 5}, {"direction": "down"})
    for second, sent in enumerate(steps):  # the same step twice in one second would be the same call
        found.append(call(made, sent, at=time.time() + second).result.service.scale)
        run_loop()
    assert found == [1, 3, 5, 5, 3]
    assert len(images()) == 3


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"scale": 6}, "scale", "MaxLimitExceeded"),
        ({"scale": 1}, "scale", "MinLimitExceeded"),
        ({"direction": "down"}, "direction", "MinLimitExceeded"),
        ({"direction": "sideways"}, "direction", "InvalidOption"),
        ({"scale": "3"}, "scale", "InvalidFormat"),
        ({"scale": True}, "scale", "InvalidFormat"),
        ({"scale": 3, "direction": "up"}, "scale", "InvalidOption"),
        ({}, "scale", "MissingRequired"),
        ({"tag": "2"}, "body", "InvalidOption"),
        ([], "body", "InvalidFormat"),
        (b"{", "body", "InvalidBodyContent"),
        (b"\xff", "body", "InvalidBodyContent"),
        (b"[" * 60_000, "body", "InvalidBodyContent"),
    ],
)
def test_a_wrong_body_is_refused_at_its_field(web: Service, webhook: Make, sent: Any, field: str, code: str):
    made = webhook("scale", min_scale=2, max_scale=5)
    with pytest.raises(Invalid) as refused:
        call(made, sent)
    assert (refused.value.field, refused.value.code) == (field, code)
    web.refresh_from_db()
    assert web.scale == 2
    assert DeployWebhookCall.objects.get().outcome == "refused"


@pytest.mark.parametrize(
    "sent",
    [{}, {"tag": "latest"}, {"tag": "3.1"}, {"tag": 2}, {"tag": "a b"}, {"tag": "x\0"}, {"\ud800": 1, "tag": "\udfff"}],
)
def test_a_tag_that_is_not_allowed_is_refused(web: Service, webhook: Make, sent: Any):
    with pytest.raises(Invalid):
        call(webhook(tag_patterns=["2", "2.*"]), sent)
    web.refresh_from_db()
    assert web.revision == 1


def test_an_unfinished_upgrade_makes_way_and_the_answer_says_so(web: Service, webhook: Make, run_loop: Any):
    made = webhook()
    call(made, {"tag": "2"})
    answer = call(made, {"tag": "local"})
    assert answer.result.replaces_upgrade
    assert "was not finished: this one takes its place" in answer.result.text
    assert answer.result.service.revision == 3
    with pytest.raises(Problem, match="Not possible while it is upgrading"):
        call(webhook("scale", max_scale=9), {"scale": 4})


def test_nothing_begins_while_an_upgrade_is_rolled_back(web: Service, webhook: Make, actor_of: Any, run_loop: Any):
    made = webhook()
    call(made, {"tag": "2"})
    for action in ("cancelupgrade", "rollback"):
        run_loop()
        service_upgrade_step(Service.all_objects.get(pk=web.pk), action, actor=actor_of("bob"))
        Service.all_objects.update(next_attempt_at=timezone.now())
    with pytest.raises(Problem, match="Not possible while it is rolling-back"):
        call(made, {"tag": "local"})


def test_a_stopped_service_is_not_started(web: Service, webhook: Make, actor_of: Any, run_loop: Any):
    service_act(web, "deactivate", actor=actor_of("bob"))
    run_loop()
    with pytest.raises(Problem, match="is stopped: start it first"):
        call(webhook(), {"tag": "2"})


def test_webhooks_of_a_deleted_service_are_unknown_and_come_back_with_it(
    web: Service, webhook: Make, actor_of: Any, run_loop: Any
):
    made = webhook("scale", max_scale=9)
    service_act(web, "remove", actor=actor_of("bob"))
    with pytest.raises(Unauthorized):
        call(made, {"scale": 3})
    run_loop()
    service_restore(Service.all_objects.get(pk=web.pk), actor=actor_of("bob"))
    run_loop()
    assert call(made, {"scale": 3}, at=time.time() - 1).result.service.scale == 3


def test_a_balancer_is_scaled_and_never_upgraded(web: Service, webhook: Make):
    made, config = webhook(), web.config
    Service.all_objects.filter(pk=web.pk).update(kind="loadBalancerService")
    with pytest.raises(Problem, match="is a balancer, whose image belongs to the portal"):
        call(made, {"tag": "2"})
    web.refresh_from_db()
    assert (web.config, web.revision) == (config, 1)


def test_a_service_that_became_global_is_scaled_no_more(web: Service, webhook: Make):
    made = webhook("scale", max_scale=9)
    web.spec = {**web.spec, "labels": {"io.rancher.scheduler.global": "true"}}
    Service.all_objects.filter(pk=web.pk).update(spec=web.spec)
    with pytest.raises(Problem, match="it has one container on each host"):
        call(made, {"scale": 3})


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker:bb", "docker:bb:2"),
        ("docker:bb:local", "docker:bb:2"),
        ("docker:registry.test:5000/bb", "docker:registry.test:5000/bb:2"),
        ("docker:registry.test:5000/a/bb:1", "docker:registry.test:5000/a/bb:2"),
        (f"docker:bb:1@sha256:{'a' * 64}", "docker:bb:2"),
        (f"docker:bb@sha256:{'a' * 64}", "docker:bb:2"),
    ],
)
def test_the_repository_stays_and_the_tag_changes(image: str, expected: str):
    assert with_tag(LaunchConfig.from_wire({"imageUuid": image}), "2").image_uuid == expected


def test_an_image_that_is_an_id_has_no_tags():
    config = LaunchConfig.from_wire({"imageUuid": f"docker:sha256:{'a' * 64}"})
    with pytest.raises(Problem, match="an id, which has no tags"):
        with_tag(config, "2")


def test_a_digest_that_an_image_was_held_to_is_let_go_of(web: Service, webhook: Make):
    Service.all_objects.filter(pk=web.pk).update(image_pins={"bb:local": f"sha256:{'a' * 64}"})
    assert call(webhook("redeploy")).result.service.image_pins == {}


def test_webhooks_are_removed_with_the_row_of_their_service(web: Service, webhook: Make):
    call(webhook("scale", max_scale=9), {"scale": 3})
    Service.all_objects.filter(pk=web.pk).delete()
    assert not DeployWebhook.all_objects.exists()
    assert not DeployWebhookCall.objects.exists()


def test_webhooks_of_an_environment_that_is_removed_are_unknown(
    web: Service, webhook: Make, lab: Environment, actor_of: Any, run_loop: Any
):
    made = webhook("scale", max_scale=9)
    for action in ("deactivate", "remove"):
        lab.refresh_from_db()
        environment_act(lab, action, actor=actor_of("alice"))
        run_loop()
    with pytest.raises(Unauthorized):
        call(made, {"scale": 3})
