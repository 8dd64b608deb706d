"""Which calls of the Docker API are offered, and what is read of them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.docker_api.answers import rfc3339_of
from apps.containers.docker_api.calls import (
    ListFilters,
    parse_docker_request,
    parse_exec_request,
    parse_list_filters,
    parse_size,
    parse_tail,
)
from apps.core.errors import Forbidden, Invalid
from apps.drivers.base import EngineContainer

KEY = "c0ffee"
OFFERED = {
    "GET /_ping": ("ping", "view"),
    "HEAD /v1.24/_ping": ("ping", "view"),
    "GET /v1.41/version": ("version", "view"),
    "GET /info": ("info", "view"),
    "GET /v1.24/containers/json?all=1": ("list", "view"),
    f"GET /containers/{KEY}/json": ("inspect", "view"),
    f"GET /v1.44/containers/{KEY}/logs?stdout=1": ("logs", "logs"),
    f"POST /containers/{KEY}/wait": ("wait", "view"),
    f"POST /containers/{KEY}/attach?stream=1": ("attach", "exec"),
    f"POST /containers/{KEY}/resize?h=1&w=1": ("resize", "exec"),
    f"POST /containers/{KEY}/exec": ("exec_create", "exec"),
    f"POST /exec/{KEY}/start": ("exec_start", "exec"),
    f"POST /exec/{KEY}/resize?h=1&w=1": ("exec_resize", "exec"),
    f"GET /exec/{KEY}/json": ("exec_inspect", "exec"),
}
REFUSED = f"""
POST /containers/create
POST /containers/create?name=x
POST /v1.41/containers/create
POST /containers/{KEY}/start
POST /containers/{KEY}/stop
POST /containers/{KEY}/restart
POST /containers/{KEY}/kill
POST /containers/{KEY}/update
POST /containers/{KEY}/rename
DELETE /containers/{KEY}
GET /containers/{KEY}/archive?path=/
PUT /containers/{KEY}/archive?path=/
HEAD /containers/{KEY}/archive?path=/
GET /containers/{KEY}/export
GET /containers/{KEY}/top
GET /containers/{KEY}/changes
POST /containers/{KEY}/copy
POST /commit?container={KEY}
GET /images/json
POST /images/create?fromImage=x
POST /images/load
POST /build
POST /session
POST /grpc
GET /events
GET /networks
POST /networks/create
POST /volumes/create
GET /volumes
GET /system/df
POST /auth
GET /secrets
GET /plugins
POST /swarm/init
GET /containers/{KEY}/attach/ws
POST /containers/json
PUT /_ping
GET /
GET //containers/json
GET /containers//json
GET /containers/../json
GET /containers/%63/json
GET /v1.41/v1.41/info
GET /v1.41/../info
GET /containers/{KEY}/json/
GET /info;x
GET /exec/{KEY}/json/x
GET /containers/{"a" * 300}/json
"""


@pytest.mark.parametrize("line", OFFERED)
def test_what_is_offered_is_found_with_its_permission(line: str):
    method, target = line.split(" ")
    found = parse_docker_request(method, target, b"")
    assert (found.call.name, found.call.permission) == OFFERED[line]
    assert found.key in {"", KEY}


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_everything_else_is_refused_with_words(line: str):
    method, target = line.split(" ")
    with pytest.raises(Forbidden, match="Corral does not offer") as refused:
        parse_docker_request(method, target, b"")
    assert "it offers list, inspect, logs, exec" in str(refused.value)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    target=st.text("/abcxyz019.%-_~?&=:;@ v", max_size=80),
    body=st.binary(max_size=60),
)
def test_whatever_is_sent_is_a_call_that_is_offered_or_a_refusal(method: str, target: str, body: bytes):
    with contextlib.suppress(Forbidden, Invalid):
        found = parse_docker_request(method, target, body)
        assert found.call.name in {name for name, _permission in OFFERED.values()}


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"{", b'"x"', b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(body: bytes):
    with pytest.raises(Invalid, match="not a JSON object"):
        parse_docker_request("POST", f"/containers/{KEY}/exec", body)


def test_a_command_is_read_with_its_options():
    body = {"Cmd": ["ls", "-l"], "Tty": True, "AttachStdin": True, "User": "app", "WorkingDir": "/srv", "Env": ["A=1"]}
    found = parse_exec_request(body)
    assert (found.command, found.tty, found.stdin) == (("ls", "-l"), True, True)
    assert (found.user, found.folder, found.environment) == ("app", "/srv", ("A=1",))
    plain = parse_exec_request({"Cmd": ["ls"], "Env": None, "User": None})
    assert (plain.tty, plain.stdin, plain.user, plain.environment) == (False, False, "", ())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "Cmd"),
        ({"Cmd": []}, "Cmd"),
        ({"Cmd": "ls"}, "Cmd"),
        ({"Cmd": [1]}, "Cmd"),
        ({"Cmd": ["ls"], "Env": "A=1"}, "Env"),
        ({"Cmd": ["ls"], "Env": [None]}, "Env"),
        ({"Cmd": ["ls"], "User": 1}, "User"),
        ({"Cmd": ["ls"], "WorkingDir": ["/"]}, "WorkingDir"),
        ({"Cmd": ["ls"], "User": "x" * 1001}, "User"),
    ],
)
def test_a_command_that_is_none_is_refused(body: dict[str, Any], field: str):
    with pytest.raises(Invalid) as refused:
        parse_exec_request(body)
    assert refused.value.field == field


@pytest.mark.parametrize("privileged", [True, 1, "true"])
def test_a_command_with_all_rights_is_refused(privileged: Any):
    with pytest.raises(Forbidden, match="--privileged"):
        parse_exec_request({"Cmd": ["ls"], "Privileged": privileged})


def test_the_size_of_a_terminal_has_bounds():
    assert parse_size({"w": "80", "h": "24"}) == (80, 24)
    for query in ({}, {"w": "0", "h": "24"}, {"w": "1001", "h": "24"}, {"w": "²", "h": "1"}, {"w": "80", "h": "-1"}):
        with pytest.raises(Invalid):
            parse_size(query)


@pytest.mark.parametrize(("tail", "expected"), [("all", None), ("", None), ("-1", None), ("0", 0), ("12", 12)])
def test_how_many_lines_are_wanted_is_read_as_clients_write_it(tail: str, expected: int | None):
    assert parse_tail({"tail": tail}) == expected
    assert parse_tail({}) is None
    with pytest.raises(Invalid):
        parse_tail({"tail": "many"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("0", ""),
        ("1700000000", "2023-11-14T22:13:20.0Z"),
        ("1700000000.000000005", "2023-11-14T22:13:20.000000005Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
    ],
)
def test_a_moment_is_read_in_seconds_and_as_rfc_3339(text: str, expected: str):
    assert rfc3339_of(text) == expected


@pytest.mark.parametrize("text", ["1.x", "9" * 12, "1.²"])
def test_a_moment_that_is_none_is_refused(text: str):
    with pytest.raises(ValueError, match=text[:3]):
        rfc3339_of(text)


def seen(name: str, state: str = "running", **labels: str) -> EngineContainer:
    return EngineContainer(f"{name}00", name, "bb", "", state, labels)


ALL = [seen("web", team="red"), seen("db", "exited", team="blue"), seen("web2", "paused"), seen("new", "created")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "web web2"),
        ("all=1", "web db web2 new"),
        ("all=true&limit=2", "web db"),
        ("limit=3", "web db web2"),
        ("limit=0", "web web2"),
        ('filters={"name":["web"]}', "web web2"),
        ('filters={"name":["/web2"]}', "web2"),
        ('filters={"status":["exited","paused"]}', "db web2"),
        ('all=1&filters={"label":["team"]}', "web db"),
        ('all=1&filters={"label":["team=blue"]}', "db"),
        ('all=1&filters={"label":["team","team=red"]}', "web"),
        ('all=1&filters={"id":["db0"]}', "db"),
        ('filters={"status":{"exited":true}}', "db"),
        ("filters={}", "web web2"),
    ],
)
def test_lists_are_filtered_as_docker_does(query: str, expected: str):
    request = parse_docker_request("GET", f"/containers/json?{query}", b"")
    assert " ".join(each.name for each in parse_list_filters(request).select(ALL)) == expected


@pytest.mark.parametrize(
    "query", ['filters={"network":["x"]}', "filters=[]", "filters=x", 'filters={"name":1}', "limit=x", "limit=-5"]
)
def test_filters_that_are_not_offered_are_refused(query: str):
    request = parse_docker_request("GET", f"/containers/json?{query}", b"")
    with pytest.raises(Invalid):
        parse_list_filters(request)


def test_without_filters_everything_that_runs_is_listed():
    assert ListFilters().select(ALL) == [ALL[0], ALL[2]]
