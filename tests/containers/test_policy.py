"""The one check of what is sent to an engine: what opens the host is refused, whichever field asks for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import engine_body
from apps.containers.policy import (
    CLOSED,
    PERMISSIVE,
    RESTRICTED,
    Policy,
    SharedResources,
    check,
)
from apps.containers.policy.check import KNOWN_KEYS
from apps.core.errors import Invalid

PLAIN = {"Image": "nginx:1", "HostConfig": {"NetworkMode": "bridge"}}


def body(**host: Any) -> dict[str, Any]:
    return {"Image": "nginx:1", "HostConfig": host}


def options(found: Any) -> set[str]:
    return {each.option for each in found}


# Each way in: what is asked, the v1 field that is named, and the one rule that opens it.
WAYS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("a folder", {"Binds": ["/:/host"]}, "dataVolumes", {"bindMounts": True}),
    ("a folder to read", {"Binds": ["/etc:/etc:ro"]}, "dataVolumes", {"bindMounts": True}),
    ("the engine's socket", {"Binds": ["/var/run/docker.sock:/s"]}, "dataVolumes", {"bindFolders": ["/var/run"]}),
    ("a relative folder", {"Binds": ["./x:/x"]}, "dataVolumes", {"bindMounts": True}),
    (
        "a mount",
        {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/h"}]},
        "dataVolumes",
        {"bindMounts": True},
    ),
    (
        "a volume that is a folder",
        {"Mounts": [{"Type": "volume", "Source": "/", "Target": "/h"}]},
        "dataVolumes",
        {"bindMounts": True},
    ),
    (
        "a volume's options",
        {"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind", "device": "/"}}}}]},
        "dataVolumes",
        {"bindMounts": True},
    ),
    (
        "a volume's device alone",
        {"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"device": "/etc"}}}}]},
        "dataVolumes",
        {"bindMounts": True},
    ),
    (
        "a volume that is a bind of an open folder",
        {
            "Mounts": [
                {
                    "Type": "volume",
                    "VolumeOptions": {"DriverConfig": {"Options": {"type": "none", "o": "bind,ro", "device": "/etc"}}},
                }
            ]
        },
        "dataVolumes",
        {"bindFolders": ["/etc"]},
    ),
    (
        "a volume's other options",
        {"Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"type": "nfs"}}}}]},
        "dataVolumes",
        {"bindMounts": True},
    ),
    ("a volume plugin", {"VolumeDriver": "rexray"}, "volumeDriver", {"volumeDrivers": ["rex*"]}),
    ("privileged", {"Privileged": True}, "privileged", {"privileged": True}),
    ("the host's network", {"NetworkMode": "host"}, "networkMode", {"hostNetwork": True}),
    ("the host's processes", {"PidMode": "host"}, "pidMode", {"hostPid": True}),
    ("the host's memory", {"IpcMode": "host"}, "ipcMode", {"hostIpc": True}),
    ("the host's name", {"UTSMode": "host"}, "uts", {"hostUts": True}),
    ("the host's users", {"UsernsMode": "host"}, "usernsMode", {"hostUserns": True}),
    ("the host's control groups", {"CgroupnsMode": "host"}, "cgroupnsMode", {"privileged": True}),
    ("another parent cgroup", {"CgroupParent": "/"}, "cgroupParent", {"privileged": True}),
    ("another runtime", {"Runtime": "runc"}, "runtime", {"privileged": True}),
    ("orders to the runtime", {"Annotations": {"a": "b"}}, "annotations", {"privileged": True}),
    ("a real-time period", {"CpuRealtimePeriod": 1000000}, "cpuRealtimePeriod", {"privileged": True}),
    ("real-time scheduling", {"CpuRealtimeRuntime": 950000}, "cpuRealtimeRuntime", {"privileged": True}),
    ("a kind of devices", {"DeviceCgroupRules": ["c *:* rwm"]}, "deviceCgroupRules", {"devices": True}),
    ("a device", {"Devices": [{"PathOnHost": "/dev/sda"}]}, "devices", {"devices": True}),
    ("a capability", {"CapAdd": ["SYS_ADMIN"]}, "capAdd", {"capAdd": ["SYS_ADMIN"]}),
    ("a capability by its long name", {"CapAdd": ["CAP_NET_ADMIN"]}, "capAdd", {"capAdd": ["NET_ADMIN"]}),
    ("all capabilities", {"CapAdd": ["ALL"]}, "capAdd", {"capAdd": ["ALL"]}),
    ("to outlive the host's processes", {"OomScoreAdj": -1}, "oomScoreAdj", {"privileged": True}),
    ("a sysctl", {"Sysctls": {"kernel.shmmax": "1"}}, "sysctls", {"sysctls": ["kernel.*"]}),
    ("no seccomp", {"SecurityOpt": ["seccomp=unconfined"]}, "securityOpt", {"securityOpt": True}),
    ("no AppArmor", {"SecurityOpt": ["apparmor:unconfined"]}, "securityOpt", {"securityOpt": True}),
    (
        "a file through the log driver",
        {"LogConfig": {"Type": "syslog", "Config": {"syslog-tls-ca-cert": "/etc/shadow"}}},
        "logConfig",
        {"bindFolders": ["/etc"], "logDrivers": ["syslog"]},
    ),
    (
        "a socket through the log driver",
        {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "unix:///var/run/docker.sock"}}},
        "logConfig",
        {"bindMounts": True, "logDrivers": ["*"]},
    ),
]


@pytest.mark.parametrize(("host", "option", "opens"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_each_way_to_the_host_is_closed_until_its_own_rule_opens_it(
    host: dict[str, Any], option: str, opens: dict[str, Any]
):
    assert options(check(body(**host), RESTRICTED)) == {option}
    assert check(body(**host), Policy.from_wire(opens)) == ()
    assert check(body(**host), PERMISSIVE) == ()


@pytest.mark.parametrize(("host", "option", "opens"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_every_other_rule_may_be_open_without_opening_this_one(
    host: dict[str, Any], option: str, opens: dict[str, Any]
):
    everything = PERMISSIVE.to_json()
    closed = {**everything, **{name: RESTRICTED.to_json()[name] for name in opens}}
    closed |= {"bindMounts": False} if option in {"dataVolumes", "logConfig"} else {}
    assert options(check(body(**host), Policy.from_wire(closed))) == {option}


@pytest.mark.parametrize(
    "host",
    [
        {},
        {"OomScoreAdj": 500},
        {"Binds": ["data:/data", "data:/d:ro"]},
        {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/d"}, {"Type": "tmpfs", "Target": "/t"}]},
        {"VolumeDriver": "local"},
        {"NetworkMode": "none"},
        {"NetworkMode": "own"},
        {"IpcMode": "private"},
        {"PidMode": ""},
        {"CgroupnsMode": "private"},
        {"StorageOpt": {"size": "10G"}},
        {"Privileged": False},
        {"CapAdd": ["NET_BIND_SERVICE", "CAP_CHOWN"], "CapDrop": ["ALL"]},
        {"SecurityOpt": ["no-new-privileges"]},
        {"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "tag": "a/b"}}},
        {"Memory": 1, "PortBindings": {"80/tcp": [{"HostPort": "80"}]}, "ReadonlyRootfs": True, "Tmpfs": {"/t": ""}},
    ],
)
def test_what_opens_nothing_is_allowed_to_everybody(host: dict[str, Any]):
    assert check(body(**host), RESTRICTED, network="own") == ()


POLICIES = st.builds(
    lambda switches, lists: Policy.from_wire({**dict.fromkeys(switches, True), **lists}),
    st.sets(st.sampled_from([name for name, value in PERMISSIVE.to_json().items() if value is True])),
    st.fixed_dictionaries(
        {},
        optional={
            "bindFolders": st.lists(st.sampled_from(["/", "/srv", "/var/run"])),
            "capAdd": st.lists(st.sampled_from(["ALL", "CHOWN", "NET_ADMIN"])),
            "sysctls": st.lists(st.sampled_from(["*", "kernel.*"])),
            "volumeDrivers": st.lists(st.sampled_from(["*", "local", "rex*"])),
            "logDrivers": st.lists(st.sampled_from(["*", "json-file", "s*"])),
        },
    ),
)
ASKED = [way[1] for way in WAYS] + [
    {"CapAdd": ["CHOWN"]},
    {"VolumeDriver": "local"},
    {"Binds": ["data:/data"]},
    {"NetworkMode": "none"},
    {"VolumesFrom": ["a"]},
    {"LogConfig": {"Type": "json-file"}},
]


@given(POLICIES, st.lists(st.sampled_from(ASKED), max_size=4))
def test_no_policy_refuses_what_the_closed_one_allows(policy: Policy, requested: list[dict[str, Any]]):
    wanted = body(**{name: value for each in requested for name, value in each.items()})
    shared = {"a": SharedResources(("/srv",))}
    assert set(check(wanted, policy, shared=shared)) <= set(check(wanted, CLOSED, shared=shared))


UNLISTED = (
    "DeviceRequests Isolation OomKillDisable MemorySwappiness MaskedPaths ReadonlyPaths ContainerIDFile privileged "
    "binds Anything"
)


@pytest.mark.parametrize("name", UNLISTED.split())
def test_a_field_of_the_host_config_that_nobody_listed_is_refused(name: str):
    assert options(check(body(**{name: "x"}), PERMISSIVE)) == {name}


@pytest.mark.parametrize("name", ["hostconfig", "Macaddress", "Shell", "Platform", "HostConfig2"])
def test_a_field_of_the_body_that_nobody_listed_is_refused(name: str):
    assert options(check({**PLAIN, name: "x"}, PERMISSIVE)) == {name}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/srv/data", True),
        ("/srv/data/", True),
        ("/srv/data/a/b", True),
        ("//srv/data", True),
        ("/srv/database", False),
        ("/srv", False),
        ("/", False),
        ("/srv/data/../../etc", False),
        ("/srv/data/..", False),
        ("/etc/../srv/data", False),
        ("srv/data", True),
    ],
)
def test_an_open_folder_opens_itself_and_what_is_below_and_nothing_beside(path: str, allowed: bool):
    assert Policy(bind_folders=("/srv/data",)).allows_bind(path) is allowed


@given(st.lists(st.sampled_from(["..", ".", "", "srv", "data", "etc"]), min_size=1, max_size=8))
def test_no_spelling_of_a_path_leads_out_of_an_open_folder(parts: list[str]):
    import posixpath

    path = "/" + "/".join(parts)
    if Policy(bind_folders=("/srv/data",)).allows_bind(path):
        real = posixpath.normpath("/" + path.lstrip("/"))  # two slashes at the front would be kept
        assert real == "/srv/data" or real.startswith("/srv/data/")


def test_the_root_as_an_open_folder_opens_everything():
    assert Policy.from_wire({"bindFolders": ["/"]}).allows_bind("/etc/passwd")


@pytest.mark.parametrize(
    ("value", "shared", "refused"),
    [
        ({"VolumesFrom": ["a"]}, {}, True),
        ({"VolumesFrom": ["a:ro"]}, {"a": SharedResources()}, False),
        ({"VolumesFrom": ["a"]}, {"a": SharedResources(folders=("/etc",))}, True),
        ({"VolumesFrom": ["a", "b"]}, {"a": SharedResources(), "b": SharedResources(folders=("/etc",))}, True),
        ({"NetworkMode": "container:a"}, {}, True),
        ({"NetworkMode": "container:a"}, {"a": SharedResources()}, False),
        ({"NetworkMode": "container:a"}, {"a": SharedResources(host_network=True)}, True),
    ],
)
def test_no_rule_is_bypassed_through_another_container(
    value: dict[str, Any], shared: dict[str, SharedResources], refused: bool
):
    assert bool(check(body(**value), RESTRICTED, shared=shared)) is refused
    if shared:
        assert check(body(**value), PERMISSIVE, shared=shared) == ()


def test_only_the_environments_own_network_has_a_name():
    assert check(body(NetworkMode="own"), RESTRICTED, network="own") == ()
    assert options(check(body(NetworkMode="other"), PERMISSIVE, network="own")) == {"networkMode"}
    joined = {**PLAIN, "NetworkingConfig": {"EndpointsConfig": {"own": {}, "other": {}}}}
    assert [each.why for each in check(joined, PERMISSIVE, network="own")] == ["other is not its network"]


def test_everything_that_a_launch_configuration_can_say_is_known_to_the_check():
    full = LaunchConfig.from_wire(
        {
            "imageUuid": "docker:nginx",
            "dataVolumes": ["/srv:/srv"],
            "volumeDriver": "local",
            "tmpfs": {"/t": ""},
            "privileged": True,
            "capAdd": ["ALL"],
            "devices": ["/dev/fuse"],
            "pidMode": "host",
            "ipcMode": "host",
            "sysctls": {"net.core.somaxconn": "1"},
            "securityOpt": ["no-new-privileges"],
            "logConfig": {"driver": "json-file"},
            "blkioDeviceOptions": {"/dev/sda": {"weight": 10, "readBps": 1, "writeBps": 1, "readIops": 1}},
            "ulimits": [{"name": "nofile", "soft": 1}],
            "memory": 1 << 26,
            "dns": ["10.0.0.1"],
            "runInit": True,
            "stopSignal": "SIGQUIT",
        }
    )
    made = engine_body(full, labels={"a": "b"}, network="own", aliases=["x"], links=["c:d"], volumes_from=["e"])
    assert set(made) <= KNOWN_KEYS.body
    assert set(made["HostConfig"]) <= KNOWN_KEYS.harmless | KNOWN_KEYS.ruled.keys()
    assert check(made, PERMISSIVE, network="own", shared={"e": SharedResources()}) == ()


def test_every_refusal_is_reported_and_not_only_the_first():
    found = check(body(Privileged=True, Binds=["/:/h", "/etc:/e"], CapAdd=["BPF"]), RESTRICTED)
    assert sorted(each.option for each in found) == ["capAdd", "dataVolumes", "dataVolumes", "privileged"]
    assert all(each.why for each in found)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"bindMonts": True}, "bindMonts"),
        ({"privileged": "maybe"}, "privileged"),
        ({"bindFolders": ["srv"]}, "bindFolders"),
        ({"bindFolders": ["/srv/../etc"]}, "bindFolders"),
        ({"capAdd": ["FLY"]}, "capAdd"),
        ({"sysctls": ["*net"]}, "sysctls"),
        ({"sysctls": ["net.*; rm"]}, "sysctls"),
        ({"volumeDrivers": [""]}, "volumeDrivers"),
        ("all", "body"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(rules: Any, field: str):
    with pytest.raises(Invalid) as refused:
        Policy.from_wire(rules)
    assert refused.value.field == field


@pytest.mark.parametrize("policy", [RESTRICTED, PERMISSIVE, Policy(cap_add=(), volume_drivers=(), sysctls=("a.*",))])
def test_a_policy_is_stored_whole_and_read_back_the_same(policy: Policy):
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert set(policy.to_json()) == set(RESTRICTED.to_json())


def test_an_empty_list_of_capabilities_stays_empty():
    policy = Policy.from_wire({"capAdd": []})
    assert options(check(body(CapAdd=["CHOWN"]), policy)) == {"capAdd"}
