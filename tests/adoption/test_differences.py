"""What would differ in a container made later: named exactly, and nothing silently."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apps.adoption.differences import FieldDifference
from apps.adoption.member import ProjectMember
from apps.adoption.plan import AdoptionPlan, plan_adoption
from tests.adoption.projects import compose_labels

IMAGE = {
    "Env": ["PATH=/bin", "LANG=C"],
    "Cmd": ["serve"],
    "Entrypoint": ["/entry"],
    "Labels": {"vendor": "x"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "WorkingDir": "/srv",
    "User": "app",
    "StopSignal": "SIGQUIT",
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
}
# As an engine of version 20.10 answers for a container that asked for nothing.
PLAIN: dict[str, Any] = {
    "Id": "c0ffee" * 10 + "abcd",
    "Name": "/shop_web_1",
    "Image": "sha256:1",
    "State": {"Status": "running"},
    "Config": {
        "Hostname": "c0ffeec0ffee",
        "Domainname": "",
        "User": "app",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": ["A=1", "PATH=/bin", "LANG=C"],
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "Image": "nginx:1",
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "OnBuild": None,
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"vendor": "x", "team": "red", **compose_labels("shop", "web", 1)},
        "StopSignal": "SIGQUIT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
    },
    "HostConfig": {
        "Binds": ["shop_data:/data:rw"],
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "shop_default",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        "AutoRemove": False,
        "VolumeDriver": "",
        "VolumesFrom": [],
        "CapAdd": None,
        "CapDrop": None,
        "CgroupnsMode": "private",
        "Dns": None,
        "DnsOptions": None,
        "DnsSearch": None,
        "ExtraHosts": None,
        "GroupAdd": None,
        "IpcMode": "private",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": False,
        "SecurityOpt": None,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 67108864,
        "Runtime": "runc",
        "ConsoleSize": [0, 0],
        "Isolation": "",
        "CpuShares": 0,
        "Memory": 0,
        "NanoCpus": 0,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": None,
        "Devices": None,
        "DeviceCgroupRules": None,
        "DeviceRequests": None,
        "KernelMemory": 0,
        "MemoryReservation": 0,
        "MemorySwap": 0,
        "MemorySwappiness": None,
        "OomKillDisable": False,
        "PidsLimit": None,
        "Ulimits": None,
        "MaskedPaths": ["/proc/asound", "/proc/acpi"],
        "ReadonlyPaths": ["/proc/bus"],
    },
    "NetworkSettings": {
        "Networks": {"shop_default": {"Aliases": ["web", "c0ffeec0ffee"], "IPAMConfig": None, "NetworkID": "n1"}}
    },
    "Mounts": [{"Type": "volume", "Name": "shop_data", "Destination": "/data", "RW": True}],
}


def seen(host: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The plain container with some keys changed."""
    raw = copy.deepcopy(PLAIN)
    raw["HostConfig"] |= host or {}
    raw["Config"] |= config or {}
    return raw | more


def plan(*raws: dict[str, Any], image: Any = IMAGE, image_now: str = "sha256:1", keys: Any = None) -> AdoptionPlan:
    members = [ProjectMember(number, raw, image, image_now) for number, raw in enumerate(raws, 1)]
    return plan_adoption("compose", "shop", members, host=7, keys=keys)


def test_what_asks_for_nothing_special_is_rebuilt_without_a_difference() -> None:
    found = plan(seen())
    assert (found.differences, found.obstacles, found.notes, found.naming) == ((), (), (), "_")
    (service,) = found.services
    config = service.config
    assert (dict(config.environment), config.command, config.entry_point) == ({"A": "1"}, (), ())
    assert (config.labels, config.user, config.working_dir, config.image) == ({"team": "red"}, None, None, "nginx:1")
    assert ([str(each) for each in config.data_volumes], config.docker_health_check) == (["shop_data:/data:rw"], None)
    assert (config.requested_host_id, config.network_mode) == ("1h7", "bridge")
    assert service.networks == ({"name": "shop_default", "aliases": ["web"]},)
    assert (service.labels["com.docker.compose.config-hash"], service.is_active) == ("web-hash", True)
    assert "com.docker.compose.container-number" not in service.labels


@pytest.mark.parametrize(
    ("host", "config", "field", "now"),
    [
        ({"AutoRemove": True}, {}, "AutoRemove", "true"),
        ({"Runtime": "runsc"}, {}, "Runtime", "runsc"),
        ({"DeviceRequests": [{"Count": -1}]}, {}, "DeviceRequests", '[{"Count": -1}]'),
        ({"MaskedPaths": []}, {}, "MaskedPaths", "nothing is masked"),
        ({"SomethingNew": 5}, {}, "SomethingNew", "5"),
        ({}, {"MacAddress": "02:42:ac:11:00:02"}, "MacAddress", "02:42:ac:11:00:02"),
        ({}, {"Shell": ["/bin/bash"]}, "Shell", '["/bin/bash"]'),
        ({}, {"NetworkDisabled": True}, "NetworkDisabled", "true"),
        (
            {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 9}}]},
            {},
            "Mounts /t",
            '{"TmpfsOptions": {"SizeBytes": 9}, "Type": "tmpfs"}',
        ),
        (
            {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": True}}]},
            {},
            "Mounts /v",
            '{"VolumeOptions": {"NoCopy": true}}',
        ),
    ],
)
def test_what_cannot_be_said_is_named(host: Any, config: Any, field: str, now: str) -> None:
    assert plan(seen(host, config)).differences == (FieldDifference("shop_web_1", field, now, ""),)


@pytest.mark.parametrize(
    "host",
    [
        {"UsernsMode": "host"},
        {"UTSMode": "host"},
        {"CgroupParent": "/x"},
        {"DeviceCgroupRules": ["c 1:3 r"]},
        {"StorageOpt": {"size": "1G"}},
    ],
)
def test_how_a_container_stands_to_its_host_is_kept(host: Any) -> None:
    found = plan(seen(host, {}))
    assert found.differences == ()


@pytest.mark.parametrize(
    ("host", "config"),
    [
        ({"Memory": 9 * 2**20, "MemorySwap": 18 * 2**20}, {}),
        ({"NanoCpus": 1_500_000_000, "PidsLimit": 100, "OomScoreAdj": 5}, {}),
        ({"CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["mknod"]}, {}),
        ({"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}]}, {}),
        ({"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}]}, {}),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "1"}, {"HostIp": "::", "HostPort": "1"}]}}, {}),
        ({"Mounts": [{"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {}}]}, {}),
        ({"Mounts": [{"Type": "bind", "Source": "/srv/x", "Target": "/x", "ReadOnly": True}]}, {}),
        ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}, {}),
        ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}, {}),
        ({"Privileged": True, "MaskedPaths": None, "ReadonlyPaths": None, "SecurityOpt": ["label=disable"]}, {}),
        ({"ExtraHosts": ["a:10.0.0.1"], "Dns": ["10.0.0.2"], "DnsSearch": ["example.com"]}, {}),
        ({"Tmpfs": {"/run": "size=1m"}, "ShmSize": 2**20, "ReadonlyRootfs": True, "Init": True}, {}),
        ({"Sysctls": {"net.core.somaxconn": "1"}, "GroupAdd": ["5"], "PidMode": "host", "IpcMode": "host"}, {}),
        ({}, {"Cmd": ["other", "words"], "Tty": True, "OpenStdin": True}),
        ({}, {"Entrypoint": ["/x"], "Cmd": None}),
        ({}, {"Entrypoint": None, "Cmd": ["run"]}),
        ({}, {"Hostname": "web", "Domainname": "example.com", "StopTimeout": 3, "StopSignal": "SIGINT"}),
        ({}, {"Healthcheck": {"Test": ["NONE"]}}),
        ({}, {"ExposedPorts": {"80/tcp": {}, "9/udp": {}}, "User": "root", "WorkingDir": "/"}),
    ],
)
def test_what_can_be_said_is_no_difference(host: Any, config: Any) -> None:
    assert plan(seen(host, config)).differences == ()


def test_what_the_engine_adds_by_itself_is_not_asked_for() -> None:
    raw = seen({"PidMode": "host", "SecurityOpt": ["label=disable"], "Memory": 9 * 2**20, "MemorySwap": 18 * 2**20})
    config = plan(raw).services[0].config
    assert (config.security_opt, config.memory, config.memory_swap) == ((), 9 * 2**20, None)
    config = plan(seen({"SecurityOpt": ["label=disable"]})).services[0].config
    assert config.security_opt == ("label=disable",)


def test_values_of_variables_are_not_shown() -> None:
    changed = seen({}, {"Env": ["A=1", "PATH=/bin", "LANG=C", "=secret"]})
    shown = str(plan(changed).differences)
    assert "secret" not in shown


def test_options_of_log_drivers_are_named_without_their_values() -> None:
    changed = seen({"LogConfig": {"Type": "nobody-knows/this:1!", "Config": {"splunk-token": "secret"}}})
    shown = str(plan(changed).differences)
    assert "splunk-token" in shown
    assert "secret" not in shown


def test_what_a_network_has_beyond_names_is_said() -> None:
    raw = seen()
    raw["NetworkSettings"]["Networks"]["shop_default"]["IPAMConfig"] = {"IPv4Address": "172.20.0.9"}
    (found,) = plan(raw).differences
    assert (found.field, found.now) == ("Networks shop_default IPAMConfig", '{"IPv4Address": "172.20.0.9"}')


def test_several_networks_come_in_order() -> None:
    raw = seen()
    raw["NetworkSettings"]["Networks"] = {
        "back": {"Aliases": ["web", "db-client"]},
        "shop_default": {"Aliases": ["web"]},
        "bridge": {"Aliases": None},
    }
    (service,) = plan(raw).services
    assert [each["name"] for each in service.networks] == ["shop_default", "back"]
    assert service.networks[1]["aliases"] == ["web", "db-client"]


def test_the_volume_of_a_single_container_is_kept_by_its_name() -> None:
    name = "ab" * 32
    raw = seen({"Binds": []}, Mounts=[{"Type": "volume", "Name": name, "Destination": "/data"}])
    found = plan(raw)
    assert [str(each) for each in found.services[0].config.data_volumes] == [f"{name}:/data"]
    second = seen(
        {"Binds": []},
        Name="/shop_web_2",
        Id="d" * 64,
        Mounts=[{"Type": "volume", "Name": name, "Destination": "/data"}],
    )
    second["Config"] |= {"Hostname": "d" * 12, "Labels": compose_labels("shop", "web", 2) | {"team": "red"}}
    both = plan(raw, second)
    assert {(each.container, each.field, each.later) for each in both.differences} == {
        ("shop_web_1", "Volumes /data", "a new, empty volume"),
        ("shop_web_2", "Volumes /data", "a new, empty volume"),
    }


def test_containers_of_a_service_that_differ_are_named() -> None:
    second = seen({}, Name="/shop_web_2", Id="d" * 64)
    second["Config"] |= {
        "Hostname": "d" * 12,
        "Labels": compose_labels("shop", "web", 2) | {"team": "red"},
        "Env": ["A=2"],
    }
    (found,) = plan(seen(), second).differences
    assert (found.container, found.field) == ("shop_web_2", "environment")


def test_numbers_are_kept_and_filled() -> None:
    raws = []
    for position, number in enumerate((3, 3, 1)):
        raw = seen({}, Name=f"/shop_web_x{position}", Id=f"{position}" * 64)
        raw["Config"] = {
            **raw["Config"],
            "Hostname": f"{position}" * 12,
            "Labels": compose_labels("shop", "web", number),
        }
        raws.append(raw)
    (service,) = plan(*raws).services
    assert [each.number for each in service.containers] == [1, 2, 3]


def test_what_runs_beside_a_service_stays_as_it_is() -> None:
    once = seen({}, Name="/shop_web_run_1", Id="e" * 64)
    once["Config"]["Labels"] = compose_labels("shop", "web", 1) | {"com.docker.compose.oneoff": "True"}
    found = plan(seen(), once)
    assert [each.name for each in found.containers] == ["shop_web_1"]
    assert "shop_web_run_1" in found.notes[0]


@pytest.mark.parametrize("state", ["paused", "dead", "removing"])
def test_what_is_in_between_is_not_adopted(state: str) -> None:
    assert state in plan(seen(State={"Status": state})).obstacles[0]


def test_a_tag_that_means_another_image_by_now_is_said() -> None:
    (found,) = plan(seen(), image_now="sha256:2").differences
    assert (found.field, found.later) == ("Image", "another image by now (2)")
    assert "pulled" in plan(seen(), image_now="").notes[0]
    gone = plan(seen(), image=None)
    assert "is gone from its host" in gone.notes[0]
    assert dict(gone.services[0].config.environment) == {"A": "1", "PATH": "/bin", "LANG": "C"}


def test_links_lead_to_services_and_others_are_named() -> None:
    web = seen()
    web["NetworkSettings"]["Networks"]["shop_default"]["Links"] = [
        "shop_db_1:db_1",
        "shop_db_1:database",
        "shop_db_1:shop_db_1",
        "elsewhere:x",
    ]
    db = seen({}, Name="/shop_db_1", Id="d" * 64)
    db["Config"] |= {"Hostname": "d" * 12, "Labels": compose_labels("shop", "db", 1)}
    found = plan(web, db)
    assert [(each.name, each.links) for each in found.services] == [("db", ()), ("web", (("db", "database"),))]
    assert [(each.field, each.now) for each in found.differences] == [("Links", "elsewhere:x")]


def test_a_shared_network_is_taken_of_the_very_same_container() -> None:
    peer = "d" * 64
    raw = seen({"NetworkMode": f"container:{peer}", "PortBindings": {}}, {"Hostname": "", "ExposedPorts": {}})
    raw["NetworkSettings"] = {"Networks": {}}
    found = plan(raw, keys={peer: 12})
    assert (found.services[0].config.network_mode, found.services[0].config.network_container_id) == (
        "container",
        "1i12",
    )
    assert (found.differences, "the very same" in found.notes[0]) == ((), True)
    assert "not known here" in plan(raw).obstacles[0]


def test_names_that_services_cannot_have_are_changed_and_said() -> None:
    one, other = seen(), seen({}, Name="/shop_x", Id="d" * 64)
    one["Config"]["Labels"] = compose_labels("shop", "my_db", 1)
    other["Config"] |= {"Hostname": "d" * 12, "Labels": compose_labels("shop", "my.db", 1)}
    found = plan(one, other)
    assert sorted(each.name for each in found.services) == ["my-db", "my-db-2"]
    assert len([each for each in found.notes if "is called" in each]) == 2
