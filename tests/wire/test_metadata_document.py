"""Metadata of an environment: what containers read of it, by the agent's own service, and when it is made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.metadata.source import MetadataSource, facts_of
from corral_agent.engine_proxy.http_head import parse_request
from corral_agent.metadata.request import MetadataRequest, respond
from corral_agent.metadata.world import World

IMAGE = "docker:bb:local"
CHECK = {"port": 80, "requestLine": "GET / HTTP/1.0"}


@pytest.fixture
def api(api_of: Any, lab: Environment, host: Host) -> Any:
    return api_of("bob").inside(lab)


@pytest.fixture
def service(api: Any, run_loop: Callable[[], None]) -> Any:
    """`web` with a sidekick and a link to `db`, in the stack Shop."""
    stack = api.post("environments", {"name": "Shop"})
    made = {}
    for name, more in (
        ("db", {"metadata": {"shared": {"Deep": [1, "two"]}}}),
        ("web", {"secondaryLaunchConfigs": [{"name": "log", "imageUuid": IMAGE}], "scale": 2}),
    ):
        launch = {"imageUuid": IMAGE, "labels": {"tier": name}, "environment": {"SECRET": "hidden"}}
        launch |= {"ports": ["8080:80"], "expose": ["81"], "healthCheck": CHECK} if name == "db" else {}
        body = {"name": name, "environmentId": stack["id"], "launchConfig": launch, "startOnCreate": True, **more}
        made[name] = api.post("services", body)
    link = {"serviceLink": {"serviceId": made["db"]["id"], "name": "Store"}}
    assert api.post(f"services/{made['web']['id']}?action=addservicelink", link).status == 202
    run_loop()
    return made["web"]


def built(host: Host) -> dict[str, Any]:
    source = MetadataSource()
    return source.build(host.pk)


def read(document: dict[str, Any], path: str, client: str = "") -> Any:
    head = parse_request(f"GET /latest/{path} HTTP/1.1\r\nAccept: application/json".encode())
    found = respond(MetadataRequest.of(head), World(document), client)
    assert found.status == 200, path
    return json.loads(found.body)


def test_a_container_reads_who_it_is_and_what_it_is_linked_to(service: Any, host: Host):
    first = Container.all_objects.get(name="Shop_web_1")
    document = json.loads(json.dumps(built(host)))
    me = read(document, "self/container", first.address)
    assert (me["name"], me["service_name"], me["stack_name"], me["service_index"]) == ("shop_web_1", "web", "shop", "1")
    assert (me["uuid"], me["primary_ip"], me["host_uuid"]) == (str(first.uuid), first.address, str(host.uuid))
    assert me["labels"]["tier"] == "web"
    assert me["labels"]["io.rancher.stack_service.name"] == "Shop/web"
    assert me["state"] == "running"
    own = read(document, "self/service", first.address)
    assert own["links"] == {"store": "Shop/db"}
    assert own["sidekicks"] == ["log"]
    assert (own["scale"], own["kind"], len(own["containers"])) == (2, "service", 2)
    assert read(document, "self/stack/services/log/containers/0/name", first.address) == "shop_web_log_1"
    assert read(document, "self/stack/environment_name", first.address) == "Lab"
    assert read(document, "self/host/agent_ip", first.address) == "lab"


def test_services_say_what_they_were_made_with(service: Any, host: Host):
    found = read(built(host), "stacks/shop/services/db")
    assert found["metadata"] == {"shared": {"Deep": [1, "two"]}}
    assert found["ports"] == ["8080:80/tcp"]
    assert found["expose"] == ["81/tcp"]
    assert found["health_check"]["request_line"] == "GET / HTTP/1.0"
    assert found["labels"]["tier"] == "db"


def test_values_of_variables_are_no_metadata(service: Any, host: Host):
    assert "hidden" not in json.dumps(built(host))


def test_other_kinds_of_services(service: Any, api: Any, host: Host, run_loop: Callable[[], None]):
    stack = service["environmentId"]
    api.post("externalservices", {"name": "far", "environmentId": stack, "externalIpAddresses": ["192.0.2.1"]})
    api.post("dnsservices", {"name": "other", "environmentId": stack})
    run_loop()
    document = built(host)
    assert read(document, "services/far/external_ips") == ["192.0.2.1"]
    assert read(document, "services/far/kind") == "externalService"
    assert read(document, "services/other/kind") == "dnsService"


def test_another_environment_is_not_in_it(service: Any, foreign_environment: Environment):
    facts = facts_of(foreign_environment.pk)
    assert [*facts.hosts, *facts.stacks, *facts.services, *facts.containers] == []


@pytest.mark.parametrize("scale", [2, 6])
def test_the_number_of_queries_does_not_grow(
    service: Any, api: Any, host: Host, run_loop: Callable[[], None], django_assert_num_queries: Any, scale: int
):
    api.put(f"services/{service['id']}", {"scale": scale})
    run_loop()
    with django_assert_num_queries(10):
        built(host)


def test_it_is_made_anew_when_something_has_changed_and_only_then(
    service: Any, api: Any, host: Host, run_loop: Callable[[], None]
):
    source = MetadataSource()
    assert source.versions() == {}  # a host without an agent has no use for it
    Host.all_objects.filter(pk=host.pk).update(url="agent://one")
    seen = {source.versions()[host.pk]}
    first = source.build(host.pk)
    assert source.build(host.pk) == first

    def differs() -> bool:
        version = source.versions()[host.pk]
        known = version in seen
        seen.add(version)
        return not known

    assert not differs()
    api.put(f"services/{service['id']}", {"metadata": {"a": "b"}})
    assert differs()
    assert source.build(host.pk)["revision"] != first["revision"]
    api.put(f"hosts/1h{host.pk}", {"labels": {"zone": "a"}})
    assert differs()
    api.post("environments", {"name": "more"})
    assert differs()
    removed = api.post(f"services/{service['id']}?action=setservicelinks", {"serviceLinks": []})
    assert removed.status == 202
    assert differs()
    Container.all_objects.filter(name="Shop_web_1").update(generation=99)
    assert differs()
