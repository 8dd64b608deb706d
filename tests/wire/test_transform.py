"""An engine's description of a container as the launch configuration that rancher-compose hashes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.resources.transform import transform
from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from tests.wire.api_client import ApiClient


def transformed(
    config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """The transformed description of a container of `nginx`."""
    return transform({"Config": {"Image": "nginx", **(config or {})}, "HostConfig": host or {}, **more})


def test_the_smallest_description_is_an_image():
    assert transform({"Config": {"Image": "nginx"}}) == {
        "type": "container",
        "imageUuid": "docker:nginx",
        "logConfig": {"driver": "", "config": {}},  # clients in Go read logConfig.config unasked
        "networkMode": "bridge",
    }


@pytest.mark.parametrize(
    ("image", "uuid"),
    [
        ("nginx", "docker:nginx"),
        ("docker:nginx", "docker:nginx"),
        ("sim:x", "sim:x"),
        ("a.b:5/c:1", "docker:a.b:5/c:1"),
    ],
)
def test_an_image_gets_its_prefix_once(image: str, uuid: str):
    assert transformed({"Image": image})["imageUuid"] == uuid


@pytest.mark.parametrize("image", [None, "", 7, ["nginx"], {}])
def test_a_description_without_an_image_is_refused(image: Any):
    with pytest.raises(Invalid) as refusal:
        transformed({"Image": image})
    assert refusal.value.field == "Config.Image"


@pytest.mark.parametrize("body", [[], "nginx", 3, None])
def test_a_description_must_be_an_object(body: Any):
    with pytest.raises(Invalid) as refusal:
        transform(body)
    assert refusal.value.field == "body"


@pytest.mark.parametrize("part", ["Config", "HostConfig"])
@pytest.mark.parametrize("value", ["text", [1], 5])
def test_its_sections_must_be_objects(part: str, value: Any):
    with pytest.raises(Invalid) as refusal:
        transform({"Config": {"Image": "nginx"}, part: value})
    assert refusal.value.field == part


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        ({"Hostname": "web"}, "hostname", "web"),
        ({"Domainname": "example.org"}, "domainName", "example.org"),
        ({"User": "1000:1000"}, "user", "1000:1000"),
        ({"WorkingDir": "/srv"}, "workingDir", "/srv"),
        ({"Cmd": ["sh", "-c", "true"]}, "command", ["sh", "-c", "true"]),
        ({"Entrypoint": ["/init"]}, "entryPoint", ["/init"]),
        ({"Labels": {"a": "b"}}, "labels", {"a": "b"}),
        ({"Tty": True}, "tty", True),
        ({"OpenStdin": True}, "stdinOpen", True),
        ({"StopSignal": "SIGINT"}, "stopSignal", "SIGINT"),
        ({"Env": ["A=1", "B=x=y", "C"]}, "environment", {"A": "1", "B": "x=y", "C": ""}),
        ({"Volumes": {"/b": {}, "/a": {}}}, "dataVolumes", ["/a", "/b"]),
        ({"ExposedPorts": {"53/udp": {}, "443/tcp": {}}}, "expose", ["443/tcp", "53/udp"]),
    ],
)
def test_the_config_section_is_converted(config: dict[str, Any], name: str, value: Any):
    assert transformed(config)[name] == value


@pytest.mark.parametrize(
    ("host", "name", "value"),
    [
        ({"Memory": 64}, "memory", 64),
        ({"MemorySwap": -1}, "memorySwap", -1),
        ({"CpuShares": 512}, "cpuShares", 512),
        ({"CpusetCpus": "0-1"}, "cpuSet", "0-1"),
        ({"CapAdd": ["NET_ADMIN"]}, "capAdd", ["NET_ADMIN"]),
        ({"CapDrop": ["ALL"]}, "capDrop", ["ALL"]),
        ({"Dns": ["10.0.0.2"]}, "dns", ["10.0.0.2"]),
        ({"ExtraHosts": ["db:10.0.0.3"]}, "extraHosts", ["db:10.0.0.3"]),
        ({"Privileged": True}, "privileged", True),
        ({"ReadonlyRootfs": True}, "readOnly", True),
        ({"PidMode": "host"}, "pidMode", "host"),
        ({"Binds": ["/srv:/x:ro"]}, "dataVolumes", ["/srv:/x:ro"]),
        ({"NetworkMode": "host"}, "networkMode", "host"),
        ({"NetworkMode": "default"}, "networkMode", "bridge"),
        ({"RestartPolicy": {"Name": "always"}}, "restartPolicy", {"name": "always", "maximumRetryCount": 0}),
        ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}, "logConfig",
         {"driver": "json-file", "config": {"max-size": "1m"}}),
        ({"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}]}, "devices",
         ["/dev/a:/dev/b:rwm"]),
        ({"Devices": [{"PathOnHost": "/dev/a"}, "odd"]}, "devices", ["/dev/a"]),
        ({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}, "ports", ["8080:80/tcp"]),
        ({"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}]}}, "ports", ["127.0.0.1:1:80/tcp"]),
        ({"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]}}, "ports", ["127.0.0.1::80/tcp"]),
        ({"PortBindings": {"80/tcp": None, "53/udp": []}}, "ports", ["53/udp", "80/tcp"]),
        ({"PortBindings": {"80/tcp": [{"HostPort": "1"}, {"HostPort": "2"}]}}, "ports", ["1:80/tcp", "2:80/tcp"]),
    ],
)  # fmt: skip
def test_the_host_config_section_is_converted(host: dict[str, Any], name: str, value: Any):
    assert transformed(host=host)[name] == value


@pytest.mark.parametrize("name", ["Memory", "CpuShares"])
def test_a_limit_in_the_host_config_overrides_the_one_in_config(name: str):
    found = transformed({name: 1}, {name: 2})
    assert found["memory" if name == "Memory" else "cpuShares"] == 2
    assert transformed({name: 1})["memory" if name == "Memory" else "cpuShares"] == 1


def test_a_published_port_is_not_exposed_as_well():
    found = transformed(
        {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}}, {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    )
    assert (found["ports"], found["expose"]) == (["8080:80/tcp"], ["81/tcp"])


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({"Hostname": "", "Cmd": None, "Env": [], "Labels": {}, "Tty": False}, {}),
        ({}, {"Memory": 0, "CapAdd": None, "Binds": None, "PortBindings": None, "Devices": None}),
        ({}, {"RestartPolicy": {"Name": ""}, "LogConfig": {"Type": ""}, "NetworkMode": ""}),
        ({"Volumes": None, "ExposedPorts": None, "Env": "A=1"}, {"PortBindings": [], "Devices": {}}),
    ],
)
def test_empty_values_are_left_out(config: dict[str, Any], host: dict[str, Any]):
    assert set(transformed(config, host)) == {"type", "imageUuid", "logConfig", "networkMode"}


@pytest.mark.parametrize(("name", "expected"), [("/web", "web"), ("web", "web"), ("//odd", "/odd")])
def test_a_name_loses_the_engines_leading_slash(name: str, expected: str):
    assert transformed(Name=name)["name"] == expected


@pytest.mark.parametrize("name", ["", "/", None])
def test_a_missing_name_is_left_out(name: Any):
    assert "name" not in transformed(Name=name)


def test_the_network_of_another_container_is_refused():
    with pytest.raises(Invalid) as refusal:
        transformed(host={"NetworkMode": "container:abc"})
    assert refusal.value.field == "HostConfig.NetworkMode"


@pytest.mark.parametrize("part", ["RestartPolicy", "LogConfig"])
def test_a_restart_policy_that_is_not_an_object_is_refused_by_name(part: str):
    with pytest.raises(Invalid) as refusal:
        transformed(host={part: "always"})
    assert refusal.value.field == part


BROKEN = [
    {"PortBindings": {"80/tcp": ["8080"]}},
    {"PortBindings": {"80/tcp": {"HostPort": "8080"}}},
    {"PortBindings": {"80/tcp": 5}},
    {"LogConfig": {"Type": "json-file", "Config": "text"}},
    {"LogConfig": {"Type": "json-file", "Config": [1]}},
]


@pytest.mark.parametrize("host", BROKEN)
def test_a_malformed_description_is_refused_and_no_internal_error(host: dict[str, Any]):
    with pytest.raises(Invalid):
        transformed(host=host)


def test_a_malformed_description_is_a_422(api: ApiClient):
    for host in BROKEN:
        answer = api.post("/v1/scripts/transform", {"Config": {"Image": "nginx"}, "HostConfig": host})
        assert (answer.status, answer["type"]) == (422, "error"), host


@given(st.permutations(["80/tcp", "443/tcp", "53/udp", "8/tcp"]))
def test_equal_descriptions_get_equal_bytes(order: list[str]):
    host = {"PortBindings": {port: [{"HostPort": "1" + port.partition("/")[0]}] for port in order}}
    first = {"PortBindings": dict(sorted(host["PortBindings"].items()))}
    config: dict[str, Any] = {
        "Volumes": {f"/{port}": {} for port in order},
        "ExposedPorts": {port: {} for port in order},
    }
    assert json.dumps(transformed(config, host)) == json.dumps(
        transformed({name: dict(sorted(each.items())) for name, each in config.items()}, first)
    )


def test_what_the_transformed_description_says_can_be_created_from():
    config = LaunchConfig.from_wire(transform({"Config": {"Image": "nginx"}}))
    assert config.log_config is None


@pytest.mark.parametrize(
    ("binding", "port"),
    [
        ({"HostPort": "0"}, "80/tcp"),
        ({"HostPort": "8080-8083"}, "8080-8083:80/tcp"),
        ({"HostIp": "::1", "HostPort": "8080"}, "[::1]:8080:80/tcp"),
    ],
)
def test_a_transformed_port_can_be_created_from(binding: dict[str, str], port: str):
    found = transform({"Config": {"Image": "a"}, "HostConfig": {"PortBindings": {"80/tcp": [binding]}}})
    assert found["ports"] == [port]
    assert [str(each) for each in LaunchConfig.from_wire(found).ports] == [port]
