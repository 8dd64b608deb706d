"""Upgrades by people who may change services and not see values: what they read as null stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.environments.services import members_set, role_create
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient

LOG = {"driver": "json-file", "config": {"max-size": "1m"}}
LAUNCH = {"imageUuid": "docker:sim/web:1", "environment": {"A": "1"}, "logConfig": LOG}
SIDEKICK = {"name": "cron", "imageUuid": "docker:sim/cron:1", "environment": {"B": "2"}}


@pytest.fixture
def web(api: ApiClient, host: Host, run_loop: Callable[[], None]) -> Service:
    stack = api.post("environments", {"name": "shop"})
    body = {"name": "web", "environmentId": stack["id"], "startOnCreate": True}
    made = api.post("services", {**body, "launchConfig": LAUNCH, "secondaryLaunchConfigs": [SIDEKICK]})
    assert made.status == 201, made.body
    run_loop()
    return Service.all_objects.get()


@pytest.fixture
def deployer(lab: Environment, people: Any, actor_of: Any, api_of: Any, web: Service) -> ApiClient:
    """Bob, who may operate and not see values."""
    role_create(actor=actor_of("root"), name="deployer", permissions=["view", "operate"])
    listed = [{"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "deployer"}]
    listed += [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]
    members_set(lab, listed, actor=actor_of("root"))
    client: ApiClient = api_of("bob")
    return client


def upgrade(client: ApiClient, row: Service, **strategy: Any) -> Service:
    body = {"inServiceStrategy": {"intervalMillis": 100, **strategy}}
    answer = client.post(f"services/1s{row.pk}?action=upgrade", body)
    assert answer.status == 202, answer.body
    return Service.all_objects.get()


def test_what_was_hidden_comes_back_as_null_and_stays(deployer: ApiClient, web: Service) -> None:
    read = deployer.get(f"services/1s{web.pk}")
    launch, (sidekick,) = read["launchConfig"], read["secondaryLaunchConfigs"]
    assert (launch["environment"], launch["logConfig"]["config"], sidekick["environment"]) == (None, None, None)
    row = upgrade(
        deployer,
        web,
        launchConfig={**launch, "imageUuid": "docker:sim/web:2"},
        secondaryLaunchConfigs=[{**sidekick, "imageUuid": "docker:sim/cron:2"}],
    )
    assert (row.config.image, dict(row.config.environment)) == ("sim/web:2", {"A": "1"})
    assert row.config.to_wire()["logConfig"] == LOG
    assert (row.sidekicks[0].config.image, dict(row.sidekicks[0].config.environment)) == ("sim/cron:2", {"B": "2"})


@pytest.mark.parametrize("environment", [{}, {"C": "3"}])
def test_what_is_sent_counts(deployer: ApiClient, web: Service, environment: dict[str, str]) -> None:
    launch = {**LAUNCH, "environment": environment, "logConfig": {"driver": "local", "config": None}}
    row = upgrade(deployer, web, launchConfig=launch)
    assert dict(row.config.environment) == environment
    assert not row.config.to_wire()["logConfig"]["config"]


def test_who_sees_values_empties_them_by_null(api: ApiClient, web: Service) -> None:
    row = upgrade(api, web, launchConfig={**LAUNCH, "environment": None})
    assert dict(row.config.environment) == {}
