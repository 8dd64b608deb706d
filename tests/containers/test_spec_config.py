"""A launch configuration is read whole or refused by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.unsupported import check_supported
from apps.containers.launch.values import HealthCheck, Port, RestartPolicy
from apps.core.errors import Invalid

FULL: dict[str, Any] = {
    "imageUuid": "docker:nginx:1",
    "command": ["sh", "-c", "sleep 1\nexit"],
    "entryPoint": ["/init"],
    "environment": {"A": "1", "B": "x=y"},
    "labels": {"io.rancher.container.pull_image": "always"},
    "ports": ["8080:80/tcp"],
    "expose": ["9000/tcp"],
    "publishAllPorts": True,
    "dataVolumes": ["/srv:/data:ro"],
    "dataVolumesFrom": ["1i7"],
    "dataVolumesFromLaunchConfigs": ["store"],
    "dataVolumeMounts": {"/data": "1v3"},
    "volumeDriver": "local",
    "tmpfs": {"/tmp": "size=1m"},
    "networkMode": "container",
    "networkContainerId": "1i8",
    "networkLaunchConfig": "web",
    "networkIds": ["1n1"],
    "requestedIpAddress": "10.42.0.9",
    "instanceLinks": {"db": "1i9"},
    "hostname": "web-1",
    "domainName": "example.org",
    "dns": ["10.0.0.1", "::1"],
    "dnsSearch": ["example.org"],
    "dnsOpt": ["ndots:1"],
    "extraHosts": ["db:10.0.0.2", "gate:host-gateway", "six:[::1]"],
    "restartPolicy": {"name": "on-failure", "maximumRetryCount": 3},
    "healthCheck": {
        "port": 80,
        "requestLine": 'GET "/ping" "HTTP/1.0"',
        "interval": 1000,
        "responseTimeout": 500,
        "healthyThreshold": 1,
        "unhealthyThreshold": 2,
        "initializingTimeout": 5000,
        "reinitializingTimeout": 6000,
        "strategy": "recreateOnQuorum",
        "recreateOnQuorumStrategyConfig": {"quorum": 2},
    },
    "dockerHealthCheck": {"test": ["CMD", "true"], "interval": 1, "timeout": 2, "startPeriod": 3, "retries": 4},
    "logConfig": {"driver": "json-file", "config": {"max-size": "1m"}},
    "memory": 64 << 20,
    "memorySwap": -1,
    "memoryReservation": 8 << 20,
    "milliCpuReservation": 250,
    "cpuShares": 512,
    "cpuSet": "0-1,3",
    "cpuPeriod": 1000,
    "cpuQuota": -1,
    "nanoCpus": 1500000000,
    "pidsLimit": 100,
    "oomScoreAdj": 500,
    "shmSize": 1 << 20,
    "blkioWeight": 300,
    "blkioDeviceOptions": {
        "/dev/sda": {"weight": 100, "readBps": 1, "writeBps": 2, "readIops": 3, "writeIops": 4},
    },
    "ulimits": [{"name": "nofile", "soft": 10, "hard": 20}],
    "sysctls": {"net.core.somaxconn": "1024"},
    "capAdd": ["NET_ADMIN"],
    "capDrop": ["ALL"],
    "devices": ["/dev/null:/dev/xnull:rwm", "/dev/fuse"],
    "groupAdd": ["video"],
    "securityOpt": ["no-new-privileges"],
    "privileged": True,
    "pidMode": "host",
    "ipcMode": "shareable",
    "uts": "host",
    "usernsMode": "host",
    "cgroupnsMode": "private",
    "cgroupParent": "batch.slice",
    "runtime": "nvidia",
    "platform": "linux/arm64",
    "annotations": {"a.b/c": "1"},
    "deviceCgroupRules": ["c 189:* rwm"],
    "storageOpt": {"size": "10G"},
    "cpuRealtimePeriod": 1000000,
    "cpuRealtimeRuntime": 950000,
    "readOnly": True,
    "stdinOpen": True,
    "tty": True,
    "runInit": False,
    "user": "1000:1000",
    "workingDir": "/srv",
    "stopSignal": "SIGTERM",
    "stopTimeout": 30,
    "drainTimeoutMs": 2500,
    "startOnCreate": False,
    "requestedHostId": "1h2",
    "registryCredentialId": "1c5",
}


def read(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:nginx"} | fields)


def test_everything_is_taken_and_given_back() -> None:
    config = LaunchConfig.from_wire(FULL)
    assert config.to_wire() == FULL
    assert config.to_json() == FULL
    assert LaunchConfig.from_json(config.to_json()) == config


def test_the_least_is_an_image() -> None:
    config = read(command=None, links=None, actions=None, unheard={"of": 1})
    assert config == LaunchConfig(image_uuid="docker:nginx")
    assert config.to_json() == {"imageUuid": "docker:nginx"}
    wire = config.to_wire()
    assert set(wire) == set(FULL)
    set_fields = {name: value for name, value in wire.items() if value is not None}
    assert set_fields == {
        "imageUuid": "docker:nginx",
        "environment": {},
        "labels": {},
        "networkMode": "managed",
        "startOnCreate": True,
    } | dict.fromkeys(["privileged", "publishAllPorts", "readOnly", "stdinOpen", "tty"], False)


def test_a_service_without_containers_of_its_own_needs_no_image() -> None:
    config = LaunchConfig.from_wire({"labels": {"a": "b"}}, image_required=False)
    assert (config.image_uuid, config.image) == (None, "")


def test_a_command_may_be_one_text() -> None:
    assert read(command="sleep 1").command == ("sleep 1",)


def test_capabilities_may_carry_their_prefix() -> None:
    assert read(capAdd=["CAP_NET_RAW"]).cap_add == ("NET_RAW",)


def test_a_health_check_fills_in_what_is_not_said() -> None:
    check = read(healthCheck={"port": 42, "interval": None}).health_check
    assert check == HealthCheck(port=42)
    assert (check.interval, check.unhealthy_threshold, check.strategy) == (2000, 3, "recreate")


def test_an_engine_check_given_as_text_is_run_by_the_shell() -> None:
    check = read(dockerHealthCheck={"test": "curl -f /"}).docker_health_check
    assert check is not None
    assert check.test == ("CMD-SHELL", "curl -f /")


def test_an_unnamed_restart_policy_is_the_engine_s_own() -> None:
    assert read(restartPolicy={}).restart_policy == RestartPolicy(name="")


@pytest.mark.parametrize(("mode", "count"), [("managed", 1), ("bridge", 1), ("host", 0), ("none", 0)])
def test_ports_take_effect_only_on_networks_of_one_s_own(mode: str, count: int) -> None:
    assert read(networkMode=mode, ports=["80:80"]).published == (Port(80, "tcp", 80),) * count


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"imageUuid": None}, "imageUuid", "MissingRequired"),
        ({"imageUuid": ["x"]}, "imageUuid", "InvalidFormat"),
        ({"build": {"remote": "x"}}, "build", "InvalidOption"),
        ({"kind": "virtualMachine"}, "kind", "InvalidOption"),
        ({"disks": [{"size": "10g"}]}, "disks", "InvalidOption"),
        ({"userdata": "#cloud-config"}, "userdata", "InvalidOption"),
        ({"build": {"remote": "https://git.example/a/b.git", "context": None}}, "build", "InvalidOption"),
        ({"build": "git@git.example:a/b.git"}, "build", "InvalidOption"),
        ({"networkMode": "overlay"}, "networkMode", "InvalidOption"),
        ({"networkMode": "container"}, "networkContainerId", "MissingRequired"),
        ({"environment": ["A=1"]}, "environment", "InvalidFormat"),
        ({"environment": {"A=B": "1"}}, "environment", "InvalidCharacters"),
        ({"environment": {"A": "x" * 140_000}}, "environment", "MaxLengthExceeded"),
        ({"environment": {"A": {"deep": 1}}}, "environment", "InvalidFormat"),
        ({"labels": {"": "x"}}, "labels", "MinLengthExceeded"),
        ({"expose": ["80:80"]}, "expose", "PortWrongFormat"),
        ({"ports": [80.5]}, "ports", "InvalidFormat"),
        ({"ports": {"80": 80}}, "ports", "InvalidFormat"),
        ({"dns": ["example.org"]}, "dns", "InvalidFormat"),
        ({"extraHosts": ["db"]}, "extraHosts", "InvalidFormat"),
        ({"devices": ["null"]}, "devices", "InvalidFormat"),
        ({"capAdd": ["FLY"]}, "capAdd", "InvalidOption"),
        ({"capAdd": [1]}, "capAdd", "InvalidOption"),
        ({"pidMode": "container:x"}, "pidMode", "InvalidOption"),
        ({"hostname": "a" * 64}, "hostname", "MaxLengthExceeded"),
        ({"hostname": "a b"}, "hostname", "InvalidCharacters"),
        ({"workingDir": "srv"}, "workingDir", "InvalidFormat"),
        ({"memory": -5}, "memory", "MinLimitExceeded"),
        ({"memory": "64m"}, "memory", "InvalidFormat"),
        ({"memory": (6 << 20) - 1}, "memory", "MinLimitExceeded"),
        ({"memoryReservation": 4 << 20}, "memoryReservation", "MinLimitExceeded"),
        ({"memory": 16 << 20, "memoryReservation": 32 << 20}, "memoryReservation", "MaxLimitExceeded"),
        ({"memory": 16 << 20, "memorySwap": 8 << 20}, "memorySwap", "MinLimitExceeded"),
        ({"memorySwap": 64 << 20}, "memorySwap", "InvalidOption"),
        ({"storageOpt": {"bar": "1"}}, "storageOpt.bar", "InvalidOption"),
        ({"storageOpt": {"size": "foo"}}, "storageOpt.size", "InvalidFormat"),
        ({"storageOpt": {"size": ""}}, "storageOpt.size", "InvalidFormat"),
        ({"storageOpt": {"size": "-1G"}}, "storageOpt.size", "InvalidFormat"),
        ({"storageOpt": ["size=1G"]}, "storageOpt", "InvalidFormat"),
        ({"cpuRealtimeRuntime": 20, "cpuRealtimePeriod": 10}, "cpuRealtimeRuntime", "MaxLimitExceeded"),
        ({"cpuRealtimeRuntime": 1_000_001}, "cpuRealtimeRuntime", "MaxLimitExceeded"),
        ({"platform": "linux/foo"}, "platform", "InvalidOption"),
        ({"platform": "linux/arm/v9"}, "platform", "InvalidOption"),
        ({"platform": "linux/arm64/v7"}, "platform", "InvalidOption"),
        ({"platform": "windows/amd64"}, "platform", "InvalidFormat"),
        ({"privileged": "perhaps"}, "privileged", "InvalidFormat"),
        ({"restartPolicy": {"name": "sometimes"}}, "restartPolicy.name", "InvalidOption"),
        ({"restartPolicy": "always"}, "restartPolicy", "InvalidFormat"),
        ({"healthCheck": {}}, "healthCheck.port", "MissingRequired"),
        ({"healthCheck": {"port": 0}}, "healthCheck.port", "MinLimitExceeded"),
        ({"healthCheck": {"port": 1, "requestLine": "GET /\x07"}}, "healthCheck.requestLine", "InvalidCharacters"),
        ({"healthCheck": {"port": 1, "requestLine": "WAT"}}, "healthCheck.requestLine", "InvalidFormat"),
        ({"healthCheck": {"port": 1, "requestLine": "GET up HTTP/1.0"}}, "healthCheck.requestLine", "InvalidFormat"),
        (
            {"healthCheck": {"port": 1, "strategy": "recreateOnQuorum"}},
            "healthCheck.recreateOnQuorumStrategyConfig",
            "MissingRequired",
        ),
        ({"dockerHealthCheck": {"test": ["sh"]}}, "dockerHealthCheck.test", "InvalidOption"),
        ({"dockerHealthCheck": 1}, "dockerHealthCheck", "InvalidFormat"),
        ({"ulimits": [{"name": "nofile"}]}, "ulimits.soft", "MissingRequired"),
        ({"labels": {str(number): "x" * 100_000 for number in range(11)}}, "launchConfig", "MaxLimitExceeded"),
    ],
)
def test_a_wrong_field_is_refused_by_name(fields: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(**fields)
    assert (refusal.value.field, refusal.value.code, refusal.value.status) == (field, code, 422)
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize(
    "fields",
    [
        *({"platform": f"linux/{each}"} for each in ("amd64", "x86_64", "aarch64", "arm/v7", "arm64/v8", "riscv64")),
        *({"platform": f"linux/{each}"} for each in ("386", "ppc64le", "s390x", "mips64le", "loong64", "amd64/v3")),
        *({"storageOpt": {"size": each}} for each in ("10G", "500m", "1.5 GiB", "1024", "2tb")),
        {"cpuRealtimeRuntime": 1_000_000},
        {"cpuRealtimeRuntime": 1_500_000, "cpuRealtimePeriod": 2_000_000},
        {"cpuRealtimeRuntime": 0, "cpuRealtimePeriod": 10},
    ],
)
def test_what_engines_take_is_taken(fields: dict[str, Any]) -> None:
    wire = read(**fields).to_wire()
    assert {name: wire[name] for name in fields} == fields


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(FULL)), JSON, max_size=6))
@settings(max_examples=100, deadline=None)
def test_no_input_is_worse_than_refused(fields: dict[str, Any]) -> None:
    try:
        config = read(**fields)
    except Invalid:
        return
    assert LaunchConfig.from_json(config.to_json()) == config
    assert LaunchConfig.from_wire(config.to_wire()) == config


@pytest.mark.parametrize(
    ("ports", "twice"),
    [
        (["8081:80", "8081:81"], True),
        (["8400:80", "8400:80"], True),
        (["8081:80", "127.0.0.1:8081:81"], True),
        (["127.0.0.1:8081:80", "0.0.0.0:8081:81"], True),
        (["127.0.0.1:8081:80", "127.0.0.1:8081:81"], True),
        (["127.0.0.1:8081:80", "127.0.0.2:8081:81"], False),
        (["8081:80/tcp", "8081:80/udp"], False),
        (["80", "80", "8081:80", "8082:80"], False),
    ],
)
def test_a_host_port_is_published_once(ports: list[str], *, twice: bool) -> None:
    wire = {"imageUuid": "docker:bb:local", "ports": ports}
    if not twice:
        assert len(LaunchConfig.from_wire(wire).ports) == len(ports)
        return
    with pytest.raises(Invalid) as refused:
        LaunchConfig.from_wire(wire, at="launchConfig.")
    assert (refused.value.field, refused.value.code) == ("launchConfig.ports", "NotUnique")


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ({"hostname": "web"}, "hostname"),
        ({"labels": {"io.rancher.container.hostname_override": "container_name"}}, "labels"),
    ],
)
def test_a_container_has_its_host_s_name_or_one_of_its_own(own: dict[str, Any], field: str) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", "uts": "host", **own})
    with pytest.raises(Invalid, match="leave out its own, or `uts`") as refused:
        check_supported(config, "launchConfig.", in_service=True)
    assert refused.value.field == f"launchConfig.{field}"
