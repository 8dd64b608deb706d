"""The engine's create body, and what is read back from an inspect answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import config_from_inspect, engine_body

FULL = LaunchConfig.from_wire(
    {
        "imageUuid": "docker:nginx:1",
        "command": ["nginx", "-g", "daemon off;"],
        "entryPoint": ["/init"],
        "environment": {"A": "x=y", "EMPTY": ""},
        "labels": {"mine": "1", "both": "mine"},
        "ports": ["8080:80", "81", "10.0.0.1::81", "53:53/udp"],
        "expose": ["9000"],
        "publishAllPorts": True,
        "dataVolumes": ["/srv:/data:ro", "named:/named", "/anonymous"],
        "volumeDriver": "local",
        "tmpfs": {"/tmp": "size=1m"},
        "hostname": "web",
        "domainName": "example.org",
        "dns": ["10.0.0.1"],
        "dnsSearch": ["example.org"],
        "dnsOpt": ["ndots:1"],
        "extraHosts": ["db:10.0.0.2"],
        "restartPolicy": {"name": "on-failure", "maximumRetryCount": 3},
        "dockerHealthCheck": {"test": ["CMD", "true"], "interval": 1000, "retries": 4},
        "logConfig": {"driver": "json-file", "config": {"max-size": "1m"}},
        "memory": 64 << 20,
        "memorySwap": -1,
        "cpuShares": 512,
        "cpuSet": "0-1",
        "nanoCpus": 1500000000,
        "pidsLimit": 100,
        "oomScoreAdj": 500,
        "shmSize": 1 << 20,
        "blkioWeight": 300,
        "blkioDeviceOptions": {"/dev/sda": {"weight": 100, "readBps": 1}, "/dev/sdb": {"writeIops": 4}},
        "ulimits": [{"name": "nofile", "soft": 10, "hard": 20}, {"name": "core", "soft": 0}],
        "sysctls": {"net.core.somaxconn": "1024"},
        "capAdd": ["NET_ADMIN"],
        "capDrop": ["ALL"],
        "devices": ["/dev/null:/dev/xnull:r", "/dev/fuse", "/dev/zero:rw"],
        "groupAdd": ["video"],
        "securityOpt": ["no-new-privileges"],
        "pidMode": "host",
        "ipcMode": "host",
        "usernsMode": "host",
        "cgroupParent": "/batch",
        "deviceCgroupRules": ["c 189:* rwm"],
        "annotations": {"a.b/c": "1"},
        "storageOpt": {"size": "10G"},
        "cpuRealtimePeriod": 1000000,
        "cpuRealtimeRuntime": 950000,
        "readOnly": True,
        "stdinOpen": True,
        "tty": True,
        "runInit": True,
        "user": "1000",
        "workingDir": "/srv",
        "stopSignal": "SIGQUIT",
        "stopTimeout": 30,
    }
)


def test_everything_said_reaches_the_engine() -> None:
    body = engine_body(
        FULL,
        labels={"both": "corral's"},
        network="corral-1a5",
        aliases=["web", "web.shop"],
        links=["abc:db"],
        volumes_from=["def"],
    )
    host = body.pop("HostConfig")
    assert body == {
        "Image": "nginx:1",
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Entrypoint": ["/init"],
        "Env": ["A=x=y", "EMPTY="],
        "Labels": {"mine": "1", "both": "corral's"},
        "Hostname": "web",
        "Domainname": "example.org",
        "User": "1000",
        "WorkingDir": "/srv",
        "Tty": True,
        "OpenStdin": True,
        "StopSignal": "SIGQUIT",
        "StopTimeout": 30,
        "Healthcheck": {
            "Test": ["CMD", "true"],
            "Interval": 1_000_000_000,
            "Timeout": 0,
            "StartPeriod": 0,
            "Retries": 4,
        },
        "Volumes": {"/anonymous": {}},
        "ExposedPorts": {"9000/tcp": {}, "80/tcp": {}, "81/tcp": {}, "53/udp": {}},
        "NetworkingConfig": {"EndpointsConfig": {"corral-1a5": {"Aliases": ["web", "web.shop"], "Links": ["abc:db"]}}},
    }
    assert host == {
        "NetworkMode": "corral-1a5",
        "PortBindings": {
            "80/tcp": [{"HostPort": "8080"}],
            "81/tcp": [{"HostPort": ""}, {"HostPort": "", "HostIp": "10.0.0.1"}],
            "53/udp": [{"HostPort": "53"}],
        },
        "PublishAllPorts": True,
        "Dns": ["10.0.0.1"],
        "DnsSearch": ["example.org"],
        "DnsOptions": ["ndots:1"],
        "ExtraHosts": ["db:10.0.0.2"],
        "Binds": ["/srv:/data:ro", "named:/named"],
        "VolumesFrom": ["def"],
        "VolumeDriver": "local",
        "Tmpfs": {"/tmp": "size=1m"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "Memory": 64 << 20,
        "MemorySwap": -1,
        "CpuShares": 512,
        "CpusetCpus": "0-1",
        "NanoCpus": 1500000000,
        "PidsLimit": 100,
        "OomScoreAdj": 500,
        "ShmSize": 1 << 20,
        "BlkioWeight": 300,
        "BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 100}],
        "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1}],
        "BlkioDeviceWriteIOps": [{"Path": "/dev/sdb", "Rate": 4}],
        "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}, {"Name": "core", "Soft": 0, "Hard": 0}],
        "Privileged": False,
        "CapAdd": ["NET_ADMIN"],
        "CapDrop": ["ALL"],
        "Devices": [
            {"PathOnHost": "/dev/null", "PathInContainer": "/dev/xnull", "CgroupPermissions": "r"},
            {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
            {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "rw"},
        ],
        "GroupAdd": ["video"],
        "SecurityOpt": ["no-new-privileges"],
        "PidMode": "host",
        "IpcMode": "host",
        "UsernsMode": "host",
        "CgroupParent": "/batch",
        "DeviceCgroupRules": ["c 189:* rwm"],
        "Annotations": {"a.b/c": "1"},
        "StorageOpt": {"size": "10G"},
        "CpuRealtimePeriod": 1000000,
        "CpuRealtimeRuntime": 950000,
        "ReadonlyRootfs": True,
        "Sysctls": {"net.core.somaxconn": "1024"},
        "Init": True,
    }


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:a", **fields})


def test_what_is_not_said_is_left_to_the_engine() -> None:
    assert engine_body(config(), labels={}) == {
        "Image": "a",
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": {
            "NetworkMode": "bridge",
            "Privileged": False,
            "ReadonlyRootfs": False,
            "PublishAllPorts": False,
        },
    }


@pytest.mark.parametrize(
    ("mode", "result"), [("managed", "net"), ("bridge", "bridge"), ("host", "host"), ("none", "none")]
)
def test_each_network_mode_is_sent_to_the_engine(mode: str, result: str) -> None:
    body = engine_body(config(networkMode=mode), labels={}, network="net", aliases=["a"], links=["x:y"])
    assert body["HostConfig"]["NetworkMode"] == result
    assert ("NetworkingConfig" in body) == (mode == "managed")
    assert body["HostConfig"].get("Links") == (None if mode == "managed" else ["x:y"])


def test_a_shared_network_brings_its_own_names_and_ports() -> None:
    shared = config(
        networkMode="container", networkContainerId="1i1", hostname="x", domainName="y", dns=["1.1.1.1"], expose=["1"]
    )
    body = engine_body(shared, labels={}, peer="abc", hostname="z")
    assert body["HostConfig"] == {"NetworkMode": "container:abc", "Privileged": False, "ReadonlyRootfs": False}
    assert not {"Hostname", "Domainname", "ExposedPorts"} & set(body)


def test_the_host_s_network_publishes_nothing() -> None:
    body = engine_body(config(networkMode="host", ports=["80:80"]), labels={})
    assert "PortBindings" not in body["HostConfig"]


def test_a_given_hostname_wins() -> None:
    assert engine_body(config(hostname="own"), labels={}, hostname="given")["Hostname"] == "given"


ONCE_MORE = (
    {"name": "on-failure", "maximumRetryCount": 1},
    {"Name": "on-failure", "MaximumRetryCount": 1},
)


def test_retries_are_sent_only_to_the_policy_that_knows_them() -> None:
    for policy, sent in (({"name": "always", "maximumRetryCount": 0}, {"Name": "always"}), ONCE_MORE):
        assert engine_body(config(restartPolicy=policy), labels={})["HostConfig"]["RestartPolicy"] == sent


def test_a_log_driver_needs_no_options() -> None:
    assert engine_body(config(logConfig={"driver": "none"}), labels={})["HostConfig"]["LogConfig"] == {"Type": "none"}


def test_a_container_made_outside_is_read_back() -> None:
    body = engine_body(FULL, labels={})
    raw = {"Id": "0123456789abcdef", "Config": body, "HostConfig": body["HostConfig"]}
    seen = config_from_inspect(raw)
    expected = FULL.to_wire() | {
        "networkMode": "bridge",
        "ports": ["53:53/udp", "8080:80/tcp", "81/tcp", "10.0.0.1::81/tcp"],
        "devices": ["/dev/null:/dev/xnull:r", "/dev/fuse:/dev/fuse:rwm", "/dev/zero:/dev/zero:rw"],
        "ulimits": [{"name": "nofile", "soft": 10, "hard": 20}, {"name": "core", "soft": 0, "hard": 0}],
    }
    assert seen.to_wire() == expected
    assert LaunchConfig.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_engine_defaults_are_not_taken_for_a_request() -> None:
    raw = {
        "Id": "0123456789abcdef",
        "Config": {"Image": "a", "Hostname": "0123456789ab", "Cmd": None, "Env": ["PATH=/bin", 7], "Labels": {}},
        "HostConfig": {
            "NetworkMode": "default",
            "ShmSize": 64 << 20,
            "IpcMode": "private",
            "Memory": 0,
            "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "", "Config": {}},
        },
    }
    assert config_from_inspect(raw).to_json() == {
        "imageUuid": "docker:a",
        "environment": {"PATH": "/bin"},
        "networkMode": "bridge",
    }


def test_what_engines_show_of_every_container_is_written_and_not_read_back() -> None:
    asked = {"imageUuid": "docker:a", "uts": "host", "cgroupnsMode": "host", "runtime": "nvidia"}
    host = engine_body(LaunchConfig.from_wire(asked), labels={})["HostConfig"]
    assert (host["UTSMode"], host["CgroupnsMode"], host["Runtime"]) == ("host", "host", "nvidia")
    seen = config_from_inspect({"Id": "abc", "Config": {"Image": "a"}, "HostConfig": host})
    assert (seen.uts, seen.cgroupns_mode, seen.runtime) == ("host", None, None)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("", {"networkMode": "bridge"}),
        ("some-network", {"networkMode": "bridge"}),
        ("host", {"networkMode": "host"}),
        ("none", {"networkMode": "none"}),
        ("container:abc", {"networkMode": "container", "networkContainerId": "abc"}),
        ("container:", {"networkMode": "container"}),
    ],
)
def test_networks_made_outside_are_read(mode: str, expected: dict[str, str]) -> None:
    seen = config_from_inspect({"Config": {"Image": "sim:a"}, "HostConfig": {"NetworkMode": mode}})
    assert seen.to_json() == {"imageUuid": "sim:a"} | expected


def test_ports_and_mounts_made_outside_are_read() -> None:
    raw = {
        "Config": {"ExposedPorts": {"80/tcp": {}, "90/tcp": {}}, "Volumes": {"/a": {}, "/b": {}}},
        "HostConfig": {
            "PortBindings": {
                "80/tcp": [
                    {"HostIp": "0.0.0.0", "HostPort": "8080"},  # noqa: S104
                    {"HostIp": "::", "HostPort": "8080"},
                    {"HostIp": "::1", "HostPort": "1"},
                ],
                "70/sctp": [{"HostPort": "7"}],
                "60/tcp": None,
            },
            "Binds": ["/x:/a"],
            "Mounts": [
                {"Type": "bind", "Source": "/y", "Target": "/c", "ReadOnly": True},
                {"Type": "volume", "Source": "v", "Target": "/d"},
                {"Type": "tmpfs", "Target": "/e"},
                {"Type": ["odd"]},
            ],
        },
    }
    seen = config_from_inspect(raw).to_json()
    assert seen["ports"] == ["60/tcp", "7:70/sctp", "8080:80/tcp", "[::1]:1:80/tcp"]
    assert seen["expose"] == ["90/tcp"]
    assert seen["dataVolumes"] == ["/x:/a", "/y:/c:ro", "v:/d", "/b"]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BODY = engine_body(FULL, labels={})
PROCESS = st.dictionaries(st.sampled_from(sorted(BODY)), ANY, max_size=5)
HOST = st.dictionaries(st.sampled_from([*sorted(BODY["HostConfig"]), "Mounts"]), ANY, max_size=5)


@given(ANY | PROCESS, ANY | HOST)
@settings(max_examples=100, deadline=None)
def test_any_inspect_answer_can_be_read(process: Any, host: Any) -> None:
    seen = config_from_inspect({"Config": process, "HostConfig": host})
    assert LaunchConfig.from_json(seen.to_json()) == seen


def test_a_network_of_the_engine_has_the_place_of_its_default_bridge():
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "networkMode": "bridge"})
    body = engine_body(config, labels={}, network="net", bridge="shop_default", aliases=["web"])
    assert body["HostConfig"]["NetworkMode"] == "shop_default"
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"shop_default": {"Aliases": ["web"]}}}
    plain = engine_body(config, labels={}, bridge="bridge", aliases=["web"])
    assert (plain["HostConfig"]["NetworkMode"], "NetworkingConfig" in plain) == ("bridge", False)
    managed = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    assert engine_body(managed, labels={}, network="net", bridge="x")["HostConfig"]["NetworkMode"] == "net"
