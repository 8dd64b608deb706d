"""The engine's JSON is read leniently and means the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.drivers.base import EngineMount, EnginePort, EngineRefused
from apps.drivers.docker import container_stats, parsing
from apps.drivers.docker.sdk import _negotiate_version
from apps.drivers.docker.timestamps import to_nanoseconds, to_query_time, to_rfc3339

ROW: dict[str, Any] = {
    "Id": "f" * 64,
    "Names": ["/other/alias", "/web"],
    "Image": "bb:local",
    "ImageID": "sha256:1",
    "Command": "serve",
    "Created": 1_700_000_000,
    "State": "running",
    "Status": "Up 2 minutes (unhealthy)",
    "Labels": {"a": "b"},
    "Ports": [
        {"PrivatePort": 80, "Type": "tcp", "PublicPort": 8080, "IP": "10.0.0.1"},
        {"PrivatePort": 53, "Type": "udp"},
    ],
    "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    "Mounts": [{"Type": "volume", "Name": "data", "Source": "/v/data", "Destination": "/data", "RW": True}],
}


def test_a_row_of_the_list_is_read() -> None:
    seen = parsing.parse_container_summary(ROW)
    assert (seen.name, seen.state, seen.health) == ("web", "running", "unhealthy")
    assert seen.ports == (EnginePort(80, "tcp", 8080, "10.0.0.1"), EnginePort(53, "udp"))
    assert seen.mounts == (EngineMount("volume", "/v/data", "/data", writable=True, name="data"),)
    assert seen.networks == {"bridge": "172.17.0.2"}
    assert seen.created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("status", "health"),
    [("Up 1 second", ""), ("Up 1 second (health: starting)", "starting"), ("Up (healthy)", "healthy"), ("", "")],
)
def test_the_list_tells_health_in_its_status(status: str, health: str) -> None:
    assert parsing.parse_container_summary({**ROW, "Status": status}).health == health


def test_what_an_engine_leaves_out_is_empty() -> None:
    for seen in (parsing.parse_container_summary({"Id": "1"}), parsing.parse_container({"Id": "1"})):
        assert (seen.id, seen.name, seen.labels, seen.ports, seen.networks, seen.mounts) == ("1", "", {}, (), {}, ())


def test_an_inspection_is_read() -> None:
    seen = parsing.parse_container(
        {
            "Id": "1",
            "Name": "/web",
            "Path": "sh",
            "Args": ["-c", "echo 'a b'"],
            "State": {
                "Status": "exited",
                "ExitCode": 137,
                "OOMKilled": True,
                "StartedAt": "2026-01-01T00:00:00.5Z",
                "FinishedAt": "0001-01-01T00:00:00Z",
                "Health": {"Status": "none"},
            },
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "::", "HostPort": "8080"}], "53/udp": None}},
        }
    )
    assert (seen.state, seen.exit_code, seen.oom_killed, seen.health) == ("exited", 137, True, "")
    assert (seen.started_at, seen.finished_at) == ("2026-01-01T00:00:00.5Z", "")
    assert seen.command == """sh -c 'echo '"'"'a b'"'"''"""
    assert seen.ports == (EnginePort(80, "tcp", 8080, "::"), EnginePort(53, "udp"))


def test_a_running_container_has_no_exit_code() -> None:
    assert parsing.parse_container({"Id": "1", "State": {"Running": True, "ExitCode": 0}}).exit_code is None


def test_an_event_is_read() -> None:
    found = {
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "1", "Attributes": {"exitCode": "3"}},
        "time": 5,
        "timeNano": 5_500_000_000,
    }
    event = parsing.parse_event(found)
    assert (event.at, event.kind, event.action, event.id, event.attributes) == (
        *(5.5, "container", "die", "1"),
        {"exitCode": "3"},
    )
    assert parsing.parse_event({"time": 5}).at == 5.0


def stats(memory: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "read": "2026-01-01T00:00:00.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 7}, "system_cpu_usage": 9, "online_cpus": 2},
        "memory_stats": {"usage": 1000, "limit": 5000, "stats": memory},
        **more,
    }


@pytest.mark.parametrize(
    ("memory", "used"),
    [
        ({"total_inactive_file": 300, "inactive_file": 1}, 700),
        ({"inactive_file": 200}, 800),
        ({"inactive_file": 2000}, 1000),
        ({}, 1000),
    ],
)
def test_memory_is_counted_without_the_cache(memory: dict[str, int], used: int) -> None:
    sample = container_stats.parse_stats(stats(memory))
    assert sample is not None
    assert sample.memory == used


def test_counters_are_added_up() -> None:
    disk = [
        {"op": "Read", "value": 5},
        {"op": "read", "value": 6},
        {"op": "write", "value": 7},
        {"op": "Total", "value": 99},
    ]
    networks = {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}}
    sample = container_stats.parse_stats(stats({}, networks=networks, blkio_stats={"io_service_bytes_recursive": disk}))
    assert sample is not None
    assert (sample.disk_read, sample.disk_write, sample.net_rx, sample.net_tx) == (11, 7, 11, 22)
    assert (sample.cpu_ns, sample.cpus) == (7, 2)


@pytest.mark.parametrize(
    "found", [{}, {"read": "0001-01-01T00:00:00Z"}, {"read": "2026-01-01T00:00:00Z", "cpu_stats": {}}]
)
def test_a_stopped_container_has_no_sample(found: dict[str, Any]) -> None:
    assert container_stats.parse_stats(found) is None


@given(st.integers(0, 2**33 * 10**9))
def test_times_keep_their_nanoseconds(moment: int) -> None:
    assert to_nanoseconds(to_rfc3339(moment)) == moment
    seconds, _, rest = to_query_time(moment).partition(".")
    assert int(seconds) * 10**9 + int(rest) == moment


def test_times_have_zones() -> None:
    noon = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()) * 10**9
    assert to_nanoseconds("2026-01-31T13:30:00+01:30") == noon
    assert to_nanoseconds("2026-01-31t12:00:00.25z") == noon + 250_000_000


@pytest.mark.parametrize("text", ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-31T12:00:00Z", "12:00Z"])
def test_what_is_no_time_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(EngineRefused, match="is not a time"):
        to_nanoseconds(text)


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.52", "1.24", "1.44"), ("1.60", "1.50", "1.50"), ("1.9", "", "1.9")],
)
def test_both_sides_speak_an_api_that_both_know(newest: str, oldest: str, spoken: str) -> None:
    assert _negotiate_version(newest, oldest) == spoken
