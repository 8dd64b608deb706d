"""The launch form: what people type is read into v1's values, and shown again."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from apps.console.containers.launch_form import (
    config_to_form,
    form_errors,
    form_sections,
    form_to_config,
    form_to_wire,
    parse_key_values,
    parse_ports,
    submitted_values,
)
from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Conflict, Invalid


def form(**fields: Any) -> QueryDict:
    """A posted form; lists are repeated fields."""
    sent = QueryDict(mutable=True)
    for name, value in ({"image": "nginx"} | fields).items():
        sent.setlist(name, value if isinstance(value, list) else [value])
    return sent


def refused(**fields: Any) -> Invalid:
    """The refusal of a form."""
    with pytest.raises(Invalid) as refusal:
        form_to_wire(form(**fields))
    return refusal.value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1\r\nB=2", {"A": "1", "B": "2"}),
        ("  A = 1  ", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=x=y", {"A": "x=y"}),
        ("# A=1\nB=2", {"B": "2"}),
        ("export A=1", {"A": "1"}),
        ('A="two words"', {"A": "two words"}),
        ("A='x'", {"A": "x"}),
        ("A='x\"", {"A": "'x\""}),
        ('A="', {"A": '"'}),
        ('A=""', {"A": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ("\n\nA=1\n\n", {"A": "1"}),
    ],
)
def test_pairs_are_read_as_people_paste_them(text: str, found: dict[str, str]):
    assert parse_key_values("env", text) == found


@pytest.mark.parametrize("text", ["word", "=1", " = 1", "A=1\nword", "export =1"])
def test_a_line_without_a_pair_is_quoted_back(text: str):
    with pytest.raises(Invalid, match="write KEY=value") as refusal:
        parse_key_values("labels", text)
    assert refusal.value.field == "labels"


def test_a_long_line_is_not_quoted_whole():
    with pytest.raises(Invalid) as refusal:
        parse_key_values("env", "x" * 5000)
    assert len(refusal.value.message) < 200


_KEYS = st.text("ABC_xyz", min_size=1, max_size=5)
_VALUES = st.text("abc =:/#$", max_size=8).map(str.strip)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_pairs_written_out_are_read_back(wanted: dict[str, str]):
    assert parse_key_values("env", "\n".join(f"{key}={value}" for key, value in wanted.items())) == wanted


def rows(*each: tuple[str, str, str]) -> QueryDict:
    """A table of ports."""
    return form(
        portPublic=[row[0] for row in each], portPrivate=[row[1] for row in each], portProtocol=[row[2] for row in each]
    )


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (("", "80", "tcp"), ["80/tcp"]),
        (("8080", "80", "tcp"), ["8080:80/tcp"]),
        ((" 8080 ", " 80 ", " udp "), ["8080:80/udp"]),
        (("", "80", ""), ["80/tcp"]),
        (("127.0.0.1:8080", "80", "tcp"), ["127.0.0.1:8080:80/tcp"]),
        (("", "", "tcp"), []),
        (("  ", "  ", "udp"), []),
    ],
)
def test_a_row_of_ports_is_written_as_v1_does(row: tuple[str, str, str], found: list[str]):
    assert parse_ports(rows(row)) == found


def test_rows_of_ports_keep_their_order_and_empty_ones_drop_out():
    assert parse_ports(rows(("2", "20", "tcp"), ("", "", ""), ("1", "10", "udp"))) == ["2:20/tcp", "1:10/udp"]


def test_a_public_port_leads_somewhere():
    with pytest.raises(Invalid, match="container port that 8080 maps to") as refusal:
        parse_ports(rows(("8080", " ", "tcp")))
    assert refusal.value.field == "ports"


def test_a_table_with_a_column_cut_short_is_read_as_far_as_it_goes():
    assert parse_ports(form(portPublic=["1", "2"], portPrivate=["80"], portProtocol=["tcp"])) == ["1:80/tcp"]


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"command": "sh -c 'echo hi'"}, "command", ["sh", "-c", "echo hi"]),
        ({"entryPoint": "/init --x"}, "entryPoint", ["/init", "--x"]),
        ({"env": "A=1"}, "environment", {"A": "1"}),
        ({"volumes": "data:/x\n\n /srv:/y "}, "dataVolumes", ["data:/x", "/srv:/y"]),
        ({"dns": "10.0.0.1, 10.0.0.2\n10.0.0.3"}, "dns", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ({"capAdd": "NET_ADMIN,SYS_TIME"}, "capAdd", ["NET_ADMIN", "SYS_TIME"]),
        ({"memory": "64"}, "memory", 64 * 1024 * 1024),
        ({"memory": "0.5"}, "memory", 512 * 1024),
        ({"drainTimeoutMs": "2.5"}, "drainTimeoutMs", 2500),
        ({"memory": "0,5"}, "memory", 512 * 1024),
        ({"cpus": "1.5"}, "nanoCpus", 1_500_000_000),
        ({"cpus": "0,25"}, "nanoCpus", 250_000_000),
        ({"cpuShares": "512"}, "cpuShares", 512),
        ({"shmSize": "1"}, "shmSize", 1024 * 1024),
        ({"oomScoreAdj": "-5"}, "oomScoreAdj", -5),
        ({"host": "1h7"}, "requestedHostId", "1h7"),
        ({"privileged": "on"}, "privileged", True),
        ({"stdin": "on"}, "stdinOpen", True),
        ({"init": "on"}, "runInit", True),
        ({"restart": "always"}, "restartPolicy", {"name": "always"}),
        (
            {"restart": "on-failure", "restartCount": "3"},
            "restartPolicy",
            {"name": "on-failure", "maximumRetryCount": "3"},
        ),
        ({"logDriver": " json-file "}, "logConfig", {"driver": "json-file", "config": {}}),
        ({"logDriver": "json-file", "logOptions": "max-size=10m\r\nmax-file=3"}, "logConfig",
         {"driver": "json-file", "config": {"max-size": "10m", "max-file": "3"}}),
        ({"logOptions": "max-size=10m"}, "logConfig", {"driver": None, "config": {"max-size": "10m"}}),
        ({"memorySwap": "128"}, "memorySwap", 128 * 1024 * 1024),
        ({"memorySwap": "-1"}, "memorySwap", -1),
        ({"cpuSet": "0-3,6"}, "cpuSet", "0-3,6"),
        ({"pidMode": "host"}, "pidMode", "host"),
        ({"domainName": "example.com"}, "domainName", "example.com"),
        ({"volumeDriver": "rexray"}, "volumeDriver", "rexray"),
        ({"image": " nginx:1 "}, "imageUuid", "docker:nginx:1"),
    ],
)  # fmt: skip
def test_a_field_of_the_form_is_one_of_v1(fields: dict[str, Any], name: str, value: Any):
    assert form_to_wire(form(**fields))[name] == value


def test_a_form_without_anything_but_an_image_says_nothing_else():
    assert {name for name, value in form_to_wire(form()).items() if value} == {"imageUuid"}


@pytest.mark.parametrize("name", ["command", "env", "volumes", "memory", "cpus", "dns", "hostname", "host", "labels"])
def test_blanks_were_not_filled_in(name: str):
    assert form_to_wire(form(**{name: "  \n "})) == form_to_wire(form())


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"check": "none", "checkPort": "80"}, {}),
        ({"check": "command", "checkCommand": " "}, {}),
        ({"check": "odd", "checkPort": "80"}, {}),
        ({"check": "tcp", "checkPort": " 80 "}, {"healthCheck": {"port": "80"}}),
        ({"check": "http", "checkPort": "80"}, {"healthCheck": {"port": "80", "requestLine": "GET / HTTP/1.0"}}),
        ({"check": "http", "checkPort": "80", "checkPath": "/up"},
         {"healthCheck": {"port": "80", "requestLine": "GET /up HTTP/1.0"}}),
        ({"check": "http", "checkPort": "80", "checkPath": "HEAD /up HTTP/1.1"},
         {"healthCheck": {"port": "80", "requestLine": "HEAD /up HTTP/1.1"}}),
        ({"check": "http", "checkPort": "80", "checkMethod": "OPTIONS", "checkVersion": "HTTP/1.1"},
         {"healthCheck": {"port": "80", "requestLine": "OPTIONS / HTTP/1.1"}}),
        ({"check": "http", "checkPort": "80", "checkPath": "PURGE /up HTTP/1.0", "checkMethod": "POST"},
         {"healthCheck": {"port": "80", "requestLine": "PURGE /up HTTP/1.0"}}),
        ({"check": "tcp", "checkPort": "80", "checkEvery": "0.5", "checkUnhealthy": "4", "checkInitializing": "0"},
         {"healthCheck": {"port": "80", "interval": 500, "unhealthyThreshold": 4, "initializingTimeout": 0}}),
        ({"check": "tcp", "checkPort": "80", "checkStrategy": "recreateOnQuorum", "checkQuorum": "2"},
         {"healthCheck": {"port": "80", "strategy": "recreateOnQuorum",
                          "recreateOnQuorumStrategyConfig": {"quorum": 2}}}),
        ({"check": "command", "checkCommand": "true"}, {"dockerHealthCheck": {"test": ["CMD-SHELL", "true"]}}),
        ({"check": "command", "checkCommand": "true", "checkInterval": "2.5"},
         {"dockerHealthCheck": {"test": ["CMD-SHELL", "true"], "interval": 2500}}),
    ],
)  # fmt: skip
def test_how_health_is_checked(fields: dict[str, str], check: dict[str, Any]):
    found = form_to_wire(form(**fields))
    assert {name: found[name] for name in ("healthCheck", "dockerHealthCheck") if name in found} == check


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"image": " "}, "image"),
        ({"command": "sh 'open"}, "command"),
        ({"entryPoint": '"'}, "entryPoint"),
        ({"memory": "nan"}, "memory"),
        ({"memory": "inf"}, "memory"),
        ({"drainTimeoutMs": "2 s"}, "drainTimeoutMs"),
        ({"cpus": "two"}, "cpus"),
        ({"pidsLimit": "1 2"}, "pidsLimit"),
        ({"check": "command", "checkCommand": "true", "checkInterval": "soon"}, "checkCommand"),
        ({"check": "http", "checkPort": " "}, "checkPort"),
        ({"check": "http", "checkPort": "80", "checkMethod": "FETCH"}, "checkPath"),
        ({"check": "http", "checkPort": "80", "checkVersion": "HTTP/9"}, "checkPath"),
        ({"memorySwap": "much"}, "memorySwap"),
        ({"logOptions": "max-size"}, "logOptions"),
        ({"env": "word"}, "env"),
        ({"labels": "word"}, "labels"),
        ({"check": "tcp", "checkPort": "80", "checkEvery": "often"}, "checkPort"),
        ({"check": "tcp", "checkPort": "80", "checkStrategy": "recreateOnQuorum"}, "checkPort"),
        ({"check": "tcp", "checkPort": "80", "checkStrategy": "recreateOnQuorum", "checkQuorum": "x"}, "checkPort"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_field(fields: dict[str, str], where: str):
    assert refused(**fields).field == where


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"checkEvery": "often"}, "Every: 'often' is not a number."),
        ({"checkStrategy": "recreateOnQuorum"}, "Quorum: enter how many"),
        ({"checkStrategy": "recreateOnQuorum", "checkQuorum": "x"}, "Quorum: 'x' is not a number."),
    ],
)
def test_what_is_wrong_with_a_health_check_is_said_with_its_label(fields: dict[str, str], words: str):
    assert words in refused(check="tcp", checkPort="80", **fields).message


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ("imageUuid", "image"),
        ("launchConfig.imageUuid", "image"),
        ("launchConfig", "image"),
        ("dataVolumes", "volumes"),
        ("launchConfig.healthCheck.port", "checkPort"),
        ("launchConfig.healthCheck.requestLine", "checkPath"),
        ("logConfig.config.max-size", "logOptions"),
        ("logConfig.driver", "logDriver"),
        ("logConfig", "logDriver"),
        ("logOptions", "logOptions"),
        ("pidMode", "pidMode"),
        ("dockerHealthCheck.test", "checkCommand"),
        ("nanoCpus", "cpus"),
        ("requestedHostId", "host"),
        ("serviceId", "links"),
        ("ports", "ports"),
        ("restartPolicy.name", "restart"),
        ("restartPolicy.maximumRetryCount", "restartCount"),
        ("unheard", "form"),
        ("", "form"),
    ],
)
def test_a_refusal_is_shown_where_it_can_be_corrected(field: str, where: str):
    assert form_errors(Invalid(field, "InvalidFormat", "No.")) == {where: "No."}


def test_a_refusal_without_a_field_is_shown_on_top():
    assert form_errors(Conflict("Busy.")) == {"form": "Busy."}


@pytest.mark.parametrize("start", [True, False])
def test_whether_it_starts_at_once_is_a_parameter(start: bool):
    assert form_to_config(form(), start=start).start_on_create is start


def form_values(**wire: Any) -> dict[str, Any]:
    """A launch config as the form shows it."""
    return config_to_form(LaunchConfig.from_wire({"imageUuid": "docker:nginx:1", **wire}))


@pytest.mark.parametrize(
    ("wire", "name", "value"),
    [
        ({}, "image", "nginx:1"),
        ({"imageUuid": "sim:x"}, "image", "sim:x"),
        ({"command": ["sh", "-c", "echo 'hi'"]}, "command", "sh -c 'echo '\"'\"'hi'\"'\"''"),
        ({"environment": {"A": "1", "B": ""}}, "env", "A=1\nB="),
        ({"memory": 64 * 1024 * 1024}, "memory", "64"),
        ({"memory": 6 * 1024 * 1024 + 512 * 1024}, "memory", "6.5"),
        ({"drainTimeoutMs": 2500}, "drainTimeoutMs", "2.5"),
        ({"nanoCpus": 250_000_000}, "cpus", "0.25"),
        ({"cpuShares": 512}, "cpuShares", "512"),
        ({"dns": ["10.0.0.1", "10.0.0.2"]}, "dns", "10.0.0.1\n10.0.0.2"),
        ({"capAdd": ["NET_ADMIN", "SYS_TIME"]}, "capAdd", "NET_ADMIN SYS_TIME"),  # a single line has no line ends
        ({"ports": ["8080:80/tcp", "53/udp"]}, "portRows", [(8080, 80, "tcp"), ("", 53, "udp")]),
        ({}, "portRows", []),
        ({"restartPolicy": {"name": "always"}}, "restart", "always"),
        ({"restartPolicy": {"name": "on-failure", "maximumRetryCount": 3}}, "restartCount", 3),
        ({}, "restart", ""),
        ({"logConfig": {"driver": "json-file"}}, "logDriver", "json-file"),
        ({}, "check", "none"),
        ({"healthCheck": {"port": 80}}, "check", "tcp"),
        ({"healthCheck": {"port": 80, "requestLine": "GET /up HTTP/1.0"}}, "check", "http"),
        ({"healthCheck": {"port": 80, "requestLine": "GET /up HTTP/1.0"}}, "checkPath", "/up"),
        ({"healthCheck": {"port": 80, "requestLine": "HEAD / HTTP/1.1"}}, "checkPath", "/"),
        ({"healthCheck": {"port": 80, "requestLine": "HEAD / HTTP/1.1"}}, "checkMethod", "HEAD"),
        ({"healthCheck": {"port": 80, "requestLine": "HEAD / HTTP/1.1"}}, "checkVersion", "HTTP/1.1"),
        ({"healthCheck": {"port": 80, "requestLine": "PURGE / HTTP/1.0"}}, "checkPath", "PURGE / HTTP/1.0"),
        ({"healthCheck": {"port": 80, "requestLine": "GET  / HTTP/1.0"}}, "checkPath", "GET  / HTTP/1.0"),
        ({"logConfig": {"driver": "json-file", "config": {"max-size": "1m", "tag": "a=b"}}}, "logOptions",
         "max-size=1m\ntag=a=b"),
        ({"memorySwap": -1}, "memorySwap", "-1"),
        ({"memory": 6291456, "memorySwap": 7654321}, "memorySwap", "7.299729347229"),
        ({"healthCheck": {"port": 80, "interval": 1005}}, "checkEvery", "1.005"),
        ({"healthCheck": {"port": 80, "strategy": "none"}}, "checkStrategy", "none"),
        ({"dockerHealthCheck": {"test": ["CMD-SHELL", "true"]}}, "checkCommand", "true"),
        ({"readOnly": True}, "readOnly", True),
    ],
)  # fmt: skip
def test_a_clone_shows_what_the_other_one_has(wire: dict[str, Any], name: str, value: Any):
    assert form_values(**wire)[name] == value


@pytest.mark.parametrize("name", ["privileged", "readOnly", "tty", "stdin", "init", "memory", "env", "host"])
def test_a_clone_does_not_show_what_the_other_one_has_not(name: str):
    assert name not in form_values()


@given(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_command_shown_and_read_again_is_the_same(words: list[str]):
    text = form_values(command=words)["command"]
    assert form_to_wire(form(command=text))["command"] == words


@given(st.integers(6 * 1024 * 1024, 2**50))
def test_a_size_shown_and_read_again_is_the_same(size: int):
    assert form_to_wire(form(memory=form_values(memory=size)["memory"]))["memory"] == size


def test_a_wrong_log_option_opens_the_section_that_has_it():
    assert form_sections({}, {"logOptions": "No."})["command"].is_open
    assert form_sections({}, {"checkPath": "No."})["health"].is_open
    assert not form_sections({}, {})["command"].is_open


def test_what_was_typed_is_kept_as_it_was_typed():
    typed_values = submitted_values(
        form(name=" a ", memory="lots", portPublic=["x"], portPrivate=[""], portProtocol=["tcp"],
             linkService=["7", "8"], linkName=["db", ""])
    )  # fmt: skip
    assert (typed_values["name"], typed_values["memory"]) == (" a ", "lots")
    assert typed_values["portRows"] == [("x", "", "tcp")]
    assert typed_values["linkRows"] == [("7", "db"), ("8", "")]


@pytest.mark.parametrize(
    "check",
    [
        {"port": 80},
        {"port": 81, "requestLine": "GET /a HTTP/1.0", "interval": 1234, "responseTimeout": 10, "healthyThreshold": 9},
        {"port": 82, "requestLine": "HEAD / HTTP/1.1", "unhealthyThreshold": 8, "initializingTimeout": 0},
        {"port": 83, "strategy": "recreateOnQuorum", "recreateOnQuorumStrategyConfig": {"quorum": 3}},
        {"port": 84, "strategy": "none", "reinitializingTimeout": 61_001},
        {"port": 85, "requestLine": "OPTIONS /up HTTP/1.1"},
        {"port": 86, "requestLine": 'GET "/ping" "HTTP/1.0"'},
        {"port": 87, "requestLine": "GET /up HTTP/1.1\\r\\nHost:\\ example.com"},
    ],
)
def test_a_health_check_comes_through_the_form_as_it_was(check: dict[str, Any]):
    before = LaunchConfig.from_wire({"imageUuid": "docker:a", "healthCheck": check})
    shown = {name: str(value) for name, value in config_to_form(before).items() if name.startswith("check")}
    assert form_to_config(form(**shown)).health_check == before.health_check


def test_the_switch_for_a_fresh_image_stands_for_its_label():
    config = form_to_config(form(pullAlways="on", labels="a=b"))
    assert config.labels == {"a": "b", "io.rancher.container.pull_image": "always"}
    values = config_to_form(config)
    assert (values["pullAlways"], values["labels"]) == (True, "a=b")
    assert "pullAlways" not in config_to_form(form_to_config(form()))
