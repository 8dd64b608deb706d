"""Images built over v1: created, sent a context, followed by the log, stopped; and refused where that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from tests.drivers.build_contexts import context_of
from tests.wire.api_client import ApiClient

TAR = {"Content-Type": "application/x-tar"}
CONTEXT = b"".join(context_of("FROM bb:local\nARG WORD\nRUN echo $WORD\n"))


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def host_id(api: ApiClient, host: Host) -> str:
    found: str = api.get("hosts")["data"][0]["id"]
    return found


def test_an_image_is_built_from_a_context_that_is_sent(api: ApiClient, host_id: str, sim: SimulatedDriver):
    body = {"hostId": host_id, "imageName": "shop:2", "buildArgs": {"WORD": "hello"}}
    made = api.post("imagebuilds", body)
    assert (made.status, made["type"], made["imageName"], made["dockerfile"]) == (
        201,
        "imageBuild",
        "shop:2",
        "Dockerfile",
    )
    sent = api.call("POST", made["actions"]["sendcontext"], CONTEXT, **TAR)
    assert (sent.status, sent["state"], sent["contextSize"]) == (202, "building", len(CONTEXT))
    reconcile_until_idle()
    done = api.get(made["links"]["self"])
    assert (done["state"], done["transitioning"], done["transitioningMessage"]) == ("built", "no", None)
    assert sim.find_image("shop:2")
    log = api.get(done["links"]["log"])
    assert "hello\n" in log["text"]
    rest = api.get(f"{done['links']['log']}?offset={log['next']}")
    assert (rest["text"], rest["complete"]) == ("", True)
    assert api.get(f"{done['links']['log']}?offset=x").status == 422


def test_values_of_arguments_and_secrets_are_in_no_answer_and_no_log(api: ApiClient, host_id: str):
    body = {"hostId": host_id, "imageName": "shop:2", "buildArgs": {"WORD": "h1dden"}, "gitUrl": "https://127.0.0.1/x"}
    made = api.post("imagebuilds", {**body, "secretValue": "t0ken"})
    assert made["argNames"] == ["WORD"]
    assert "t0ken" not in made.text
    assert "h1dden" not in made.text
    refused = api.post("imagebuilds", {**body, "imageName": "Shop", "secretValue": "t0ken"})
    assert refused.status == 422
    for entry in AuditEntry.all_objects.filter(event__startswith="imageBuild"):
        assert "h1dden" not in f"{entry.request}{entry.response}"
        assert "t0ken" not in f"{entry.request}{entry.response}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"imageName": "Shop"}, "imageName"),
        ({"imageName": "shop", "hostId": "1h999999"}, "hostId"),
        ({"imageName": "shop", "gitUrl": "file://x/y z"}, "gitUrl"),
        ({"imageName": "shop", "dockerfile": "../x"}, "dockerfile"),
        ({"imageName": "shop", "buildArgs": {"1": "x"}}, "buildArgs"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field(api: ApiClient, host_id: str, body: dict[str, Any], field: str):
    answer = api.post("imagebuilds", {"hostId": host_id, **body})
    assert (answer.status, answer["fieldName"]) == (422, field)
    assert api.get("imagebuilds")["data"] == []


def test_a_context_that_is_no_archive_is_refused_and_the_build_waits_on(api: ApiClient, host_id: str):
    made = api.post("imagebuilds", {"hostId": host_id, "imageName": "shop:2"})
    answer = api.call("POST", made["actions"]["sendcontext"], b"no archive", **TAR)
    assert (answer.status, answer["code"]) == (422, "InvalidFormat")
    assert "sendcontext" in api.get(made["links"]["self"])["actions"]


def test_a_build_is_stopped_and_removed(api: ApiClient, host_id: str):
    made = api.post("imagebuilds", {"hostId": host_id, "imageName": "shop:2"})
    assert api.post(made["actions"]["cancel"]).status == 202
    reconcile_until_idle()
    row = api.get(made["links"]["self"])
    assert (row["state"], row["transitioningMessage"]) == ("error", "Cancelled.")
    assert api.post(row["actions"]["remove"]).status == 202
    reconcile_until_idle()


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_build_is_refused(api: ApiClient, api_of: Any, lab: Environment, host_id: str, who: str):
    caller = api_of(who).inside(lab)
    assert caller.post("imagebuilds", {"hostId": host_id, "imageName": "shop"}).status == 405
    made = api.post("imagebuilds", {"hostId": host_id, "imageName": "shop:2"})
    assert caller.get(made["links"]["self"])["actions"] == {}
    answer = caller.call("POST", made["links"]["self"] + "?action=sendcontext", CONTEXT, **TAR)
    assert answer.status == 422
