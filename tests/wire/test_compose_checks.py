"""Compose files are read as a new stack's would be, and nothing is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import Operation
from apps.stacks.models import Service, Stack

DOCKER = """
web:
  image: nginx
  labels: {io.rancher.sidekicks: logs}
  external_links: [other/db]
logs:
  image: logs
balancer:
  image: rancher/lb-service-haproxy
  ports: [443:443]
"""
RANCHER = """
web:
  scale: 3
  fqdn: x
balancer:
  lb_config:
    default_cert: shop
    certs: [more]
    port_rules: [{source_port: 443, protocol: https, service: web, target_port: 80}]
"""


def check(api: Any, **more: Any) -> Any:
    return api.post("composechecks", {"name": "shop", "dockerCompose": DOCKER, "rancherCompose": RANCHER, **more})


def test_what_files_would_become_is_said_and_not_made(lab: Any, api_of: Any) -> None:
    api = api_of("bob").inside(lab)
    before = Operation.all_objects.count()
    found = check(api)
    assert (found.status, found["type"]) == (201, "composeCheck")
    assert [(each["name"], each["kind"], each["scale"], each["sidekicks"]) for each in found["services"]] == [
        ("web", "service", 3, ["logs"]),
        ("balancer", "loadBalancerService", 1, []),
    ]
    assert found["missingCertificates"] == ["more", "shop"]
    assert found["servicesElsewhere"] == ["other/db"]
    assert any("fqdn" in each for each in found["warnings"])
    assert found["dockerCompose"] is None
    assert (Stack.all_objects.count(), Service.all_objects.count(), Operation.all_objects.count()) == (0, 0, before)
    assert api.get("composechecks")["data"] == []


def test_volumes_that_would_be_made_for_the_stack_are_named(lab: Any, api_of: Any) -> None:
    file = "version: '2'\nservices:\n  db:\n    image: postgres\n    volumes: ['data:/data']\n"
    assert check(api_of("bob").inside(lab), dockerCompose=file, rancherCompose="")["undeclaredVolumes"] == ["data"]
    declared = file + "volumes:\n  data:\n    external: true\n"
    assert check(api_of("bob").inside(lab), dockerCompose=declared, rancherCompose="")["undeclaredVolumes"] == []


def test_an_account_may_ask_before_there_is_an_environment(api_of: Any) -> None:
    found = check(api_of("bob"))
    assert (found.status, found["accountId"], len(found["services"])) == (201, None, 2)


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"dockerCompose": "web:\n  image: nginx\n  links: [nobody]\n"}, "dockerCompose", "line 3"),
        ({"rancherCompose": "web:\n  scale: many\n"}, "rancherCompose", "line 2"),
        ({"dockerCompose": "web: ["}, "dockerCompose", "line"),
        ({"name": "not a name"}, "name", "letters"),
        ({"dockerCompose": ""}, "dockerCompose", ""),
    ],
)
def test_what_would_be_refused_is_refused_in_the_same_words(
    lab: Any, api_of: Any, sent: dict[str, str], field: str, words: str
) -> None:
    api = api_of("bob").inside(lab)
    refused = check(api, **sent)
    assert (refused.status, refused["fieldName"]) == (422, field)
    assert words in str(refused["message"])
    made = {"name": "shop", "dockerCompose": DOCKER, "rancherCompose": RANCHER, **sent}
    if made["dockerCompose"]:
        assert api.post("environments", made)["message"] == refused["message"]


def test_the_host_policy_of_the_environment_counts(lab: Any, api_of: Any) -> None:
    file = "web:\n  image: nginx\n  privileged: true\n"
    refused = check(api_of("bob").inside(lab), dockerCompose=file, rancherCompose="")
    assert (refused.status, "privileged" in refused["message"]) == (422, True)
    assert check(api_of("bob"), dockerCompose=file, rancherCompose="").status == 201


def test_who_only_reads_may_not_ask(lab: Any, api_of: Any) -> None:
    assert check(api_of("rita").inside(lab)).status in {403, 405}
    assert check(api_of("mallory").inside(lab)).status in {403, 404}
