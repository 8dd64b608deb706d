"""The simulated engine refuses what Docker refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulated_engine.commands import run_command
from simulated_engine.errors import EngineApiError
from simulated_engine.images import tagged_name
from simulated_engine.validation import ports_conflict, validate_body, validate_name

MIB = 1024 * 1024


def check(name: str, body: dict[str, Any]) -> None:
    validate_name(name)
    validate_body(body)


def host(**config: Any) -> dict[str, Any]:
    return {"HostConfig": config}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"HostConfig": None, "Env": None, "WorkingDir": None},
        {"Env": ["A=b", "EMPTY=", "BARE"]},
        {"WorkingDir": "/srv"},
        host(PortBindings={"80/tcp": [{"HostPort": "65535"}], "53/udp": None, "1": []}),
        host(PortBindings={"80/tcp": [{"HostIp": "10.0.0.1", "HostPort": ""}]}),
        host(Binds=["/a:/b", "/a:/c:ro", "data:/d:rw,z", "my.vol-1:/e:nocopy"]),
        host(Memory=6 * MIB, MemorySwap=6 * MIB),
        host(Memory=6 * MIB, MemorySwap=-1),
        host(MemorySwap=1),
        host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 3}),
        host(RestartPolicy=None, AutoRemove=True),
        host(RestartPolicy={"Name": "no"}, AutoRemove=True),
    ],
)
def test_what_docker_takes_is_taken(body: dict[str, Any]) -> None:
    check("web-1", {"Image": "sim/app", **body})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Image": ""}, "No command specified"),
        ({"Image": None}, "No command specified"),
        ({"Env": [""]}, "invalid environment variable: "),
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"WorkingDir": "srv"}, "needs to be an absolute path"),
        (host(PortBindings={"http/tcp": None}), 'invalid port specification: "http"'),
        (host(PortBindings={"65536/tcp": None}), 'invalid port specification: "65536"'),
        (host(PortBindings={"-1/tcp": None}), 'invalid port specification: "-1"'),
        (host(PortBindings={"/tcp": None}), 'invalid port specification: ""'),
        (host(PortBindings={"²/tcp": None}), 'invalid port specification: "²"'),
        (host(PortBindings={"80/tcp": [{"HostPort": "eighty"}]}), 'invalid port specification: "eighty"'),
        (host(PortBindings={"80/tcp": [{"HostPort": "99999"}]}), 'invalid port specification: "99999"'),
        (host(PortBindings={"80/tcp": [{"HostPort": "8080-x"}]}), "invalid port specification"),
        (host(Binds=["/a"]), "mount path must be absolute"),
        (host(Binds=["/a:b"]), "mount path must be absolute"),
        (host(Binds=["./a:/b"]), "invalid characters for a local volume name"),
        (host(Binds=[":/b"]), "invalid characters for a local volume name"),
        (host(Binds=["/a:/b:wx"]), "invalid mode: wx"),
        (host(Binds=["/a:/b:ro,none"]), "invalid mode: ro,none"),
        (host(Binds=["/a:/b", "data:/b"]), "Duplicate mount point: /b"),
        (host(Memory=6 * MIB - 1), "Minimum memory limit allowed is 6MB"),
        (host(Memory=8 * MIB, MemorySwap=7 * MIB), "memoryswap limit should be larger"),
        (host(RestartPolicy={"Name": "sometimes"}), "invalid restart policy 'sometimes'"),
        (host(RestartPolicy={"Name": "always"}, AutoRemove=True), "with restart policy"),
    ],
)
def test_what_docker_refuses_is_refused_in_its_words(body: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineApiError) as error:
        check("web-1", {"Image": "sim/app", **body})
    assert words in str(error.value)
    assert error.value.status == 400


@pytest.mark.parametrize("name", ["web", "/web", "Web_1.a-b", "00", "a" * 200])
def test_a_name_may_be_so(name: str) -> None:
    check(name, {"Image": "sim/app"})


@pytest.mark.parametrize(
    "name", ["", "/", "a", "-web", "_web", ".web", "we b", "//web", "we/b", "wéb", "web\n", "web;rm"]
)
def test_a_name_may_not_be_so(name: str) -> None:
    with pytest.raises(EngineApiError, match="Invalid container name"):
        check(name, {"Image": "sim/app"})


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("app", "app:latest"),
        ("app:1", "app:1"),
        ("team/app", "team/app:latest"),
        ("host:5000/app", "host:5000/app:latest"),
        ("host:5000/app:1", "host:5000/app:1"),
        ("app@sha256:abc", "app@sha256:abc"),
        ("host:5000/app@sha256:abc", "host:5000/app@sha256:abc"),
    ],
)
def test_an_image_has_a_tag(image: str, whole: str) -> None:
    assert tagged_name(image) == whole
    assert tagged_name(whole) == whole


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (("", 80, "tcp"), ("", 80, "tcp"), True),
        (("0.0.0.0", 80, "tcp"), ("10.0.0.1", 80, "tcp"), True),  # noqa: S104  # nothing listens
        (("::", 80, "tcp"), ("10.0.0.1", 80, "tcp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.1", 80, "tcp"), True),
        (("10.0.0.1", 80, "tcp"), ("10.0.0.2", 80, "tcp"), False),
        (("", 80, "tcp"), ("", 80, "udp"), False),
        (("", 80, "tcp"), ("", 81, "tcp"), False),
    ],
)
def test_ports_clash_on_the_same_or_on_every_address(
    one: tuple[str, int, str], other: tuple[str, int, str], *, clash: bool
) -> None:
    assert ports_conflict(one, other) is clash
    assert ports_conflict(other, one) is clash


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["true"], ("", 0)),
        (["false"], ("", 1)),
        (["/bin/echo", "a  b", "c"], ("a  b c\n", 0)),
        (["echo"], ("\n", 0)),
        (["exit", "7"], ("", 7)),
        (["exit"], ("", 0)),
        (["exit", "²"], ("", 0)),
        (["exit", "-1"], ("", 0)),
        (["hostname"], ("box\n", 0)),
        (["stty", "size"], ("50 100\n", 0)),
        (["sh", "-c", ""], ("", 0)),
        (["sh", "-c", "echo a; echo b"], ("a\nb\n", 0)),
        (["/bin/bash", "-c", "false; true"], ("", 0)),
        (["ash", "-c", "echo 'a b'; false"], ("a b\n", 1)),
        (["sh", "-c", "echo a; nginx"], None),
        (["sh"], None),
        (["cat"], None),
        (["sleep", "5"], None),
        (["serve"], None),
    ],
)
def test_a_command_ends_by_itself_or_stays(command: list[str], found: tuple[str, int] | None) -> None:
    assert run_command(command, (100, 50), "box") == found


@given(words=st.lists(st.text(max_size=12), max_size=4))
def test_echo_prints_its_arguments(words: list[str]) -> None:
    assert run_command(["echo", *words]) == (" ".join(words) + "\n", 0)


@given(script=st.text(alphabet="abc;'\" \\echotrue", max_size=30))
def test_no_script_breaks_a_shell(script: str) -> None:
    found = run_command(["sh", "-c", script])
    assert found is None or 0 <= found[1] <= 255
