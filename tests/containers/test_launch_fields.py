"""A launch field is declared once, and everything that the portal knows of it follows."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string

from apps.api.resources.launch import launch_schema
from apps.console.containers import launch_form
from apps.containers.launch import fields
from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.containers.launch.engine_body import config_from_inspect, engine_body, ruled_body
from apps.containers.launch.fields.declaration import (
    ComposeKey,
    FormControl,
    LaunchField,
    harmless,
    launch_field,
    launch_fields,
    ruled,
)
from apps.containers.policy import CLOSED, PERMISSIVE, RESTRICTED, check
from apps.containers.policy.check import KNOWN_KEYS, known_keys
from apps.core.errors import Invalid
from apps.core.fields import integer
from apps.stacks import service_options
from apps.stacks.compose import ComposeService, export, exporter, parse, service_keys, service_parser

policy_check = sys.modules["apps.containers.policy.check"]  # the package has a function of this name


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(LaunchConfig):
    """A copy of the table with one more entry: a field that exists nowhere else."""

    swappiness: int | None = launch_field(
        "memorySwappiness", "int", integer(0, 100),
        engine=harmless("MemorySwappiness"),
        compose="mem_swappiness",
        form=FormControl(section="limits", kind="number", label="Swappiness", hint="percent", placeholder="60"),
        kubernetes="refused: made up for this test", swarm="refused: made up for this test",
    )  # fmt: skip


FIELDS = launch_fields(Extended)
WIRE = {"imageUuid": "docker:a", "memorySwappiness": 10}


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> type[LaunchConfig]:
    """The portal with the longer table: what it derives at start is derived from that."""
    monkeypatch.setattr(policy_check, "KNOWN_KEYS", known_keys(FIELDS))
    monkeypatch.setattr(service_parser, "KEY_READERS", service_keys.key_readers(FIELDS))
    monkeypatch.setattr(service_options, "LaunchConfig", Extended)
    monkeypatch.setattr(exporter, "KEY_WRITERS", exporter.key_writers(FIELDS))
    monkeypatch.setattr(launch_form, "LAYOUT", launch_form.FormLayout.of(FIELDS))
    monkeypatch.setattr(launch_form, "LaunchConfig", Extended)
    return Extended


def config() -> Extended:
    return Extended.from_wire(WIRE)


def test_one_entry_is_read_from_v1_and_given_back() -> None:
    assert config().swappiness == 10
    assert config().to_wire()["memorySwappiness"] == 10
    assert Extended.from_json(config().to_json()) == config()


@pytest.mark.parametrize(
    ("value", "code"), [(-1, "MinLimitExceeded"), (101, "MaxLimitExceeded"), ("much", "InvalidFormat")]
)
def test_one_entry_is_refused_by_its_name(value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        Extended.from_wire({**WIRE, "memorySwappiness": value}, at="launchConfig.")
    assert (refused.value.field, refused.value.code) == ("launchConfig.memorySwappiness", code)


def test_one_entry_is_a_field_of_the_v1_schema() -> None:
    *others, found = launch_schema(FIELDS)
    assert (found.name, found.type, found.crud, found.nullable) == ("memorySwappiness", "int", "c", True)
    assert tuple(others) == launch_schema(LAUNCH_FIELDS)


def test_one_entry_reaches_the_engine_and_is_read_back() -> None:
    body = engine_body(config(), labels={})
    assert body["HostConfig"]["MemorySwappiness"] == 10
    seen = config_from_inspect({"Id": "abc", "Config": body, "HostConfig": body["HostConfig"]}, Extended)
    assert isinstance(seen, Extended)
    assert seen.swappiness == 10


def test_one_entry_passes_the_host_policy_as_it_declares(extended: Any) -> None:
    body = engine_body(config(), labels={})
    assert check(body, CLOSED) == ()


def test_without_the_entry_the_same_key_is_refused() -> None:
    found = check(engine_body(config(), labels={}), PERMISSIVE)
    assert [each.option for each in found] == ["MemorySwappiness"]


def test_one_entry_is_read_from_a_compose_file_and_written_to_one(extended: Any) -> None:
    service = ComposeService("web", config())
    docker, rancher = export([service])
    assert docker.endswith("    image: a\n    mem_swappiness: 10\n")
    stack = parse(docker, rancher)
    assert (stack.services, stack.warnings) == ((service,), ())


def test_a_wrong_value_in_a_compose_file_is_refused_with_its_line(extended: Any) -> None:
    with pytest.raises(Invalid, match=r"line 3: web: `mem_swappiness`: .* more than 100"):
        parse("web:\n  image: a\n  mem_swappiness: 101\n")


class Inputs(HTMLParser):
    """The controls of a piece of HTML, by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"input", "select", "textarea"}:
            values = dict(attrs)
            self.found[str(values["name"])] = values


def drawn(name: str, values: dict[str, Any], errors: dict[str, str]) -> str:
    section = launch_form.form_sections(values, errors)[name]
    return "".join(
        render_to_string(f"console/parts/{part}.html", {"section": section})
        for part in ("launch_rows", "launch_switches")
    )


def test_one_entry_is_a_control_of_the_launch_form(extended: Any) -> None:
    page = drawn("limits", {"memorySwappiness": "12"}, {"memorySwappiness": "No."})
    control = Inputs(page).found["memorySwappiness"]
    assert (control["type"], control["inputmode"], control["value"]) == ("text", "numeric", "12")
    assert "Swappiness" in page
    assert "<small>percent</small>" in page
    assert '<span class="wrong" role="alert">No.</span>' in page


def test_what_is_typed_into_its_control_is_read_and_a_clone_shows_it(extended: Any) -> None:
    sent = QueryDict("image=a&memorySwappiness=10", mutable=True)
    made = launch_form.form_to_config(sent)
    assert isinstance(made, Extended)
    assert made.swappiness == 10
    assert launch_form.config_to_form(made)["memorySwappiness"] == "10"


def test_a_refusal_is_shown_at_its_control_and_opens_the_section(extended: Any) -> None:
    with pytest.raises(Invalid) as refused:
        launch_form.form_to_config(QueryDict("image=a&memorySwappiness=101"))
    errors = launch_form.form_errors(refused.value)
    assert list(errors) == ["memorySwappiness"]
    assert launch_form.form_sections({}, errors)["limits"].is_open
    assert not launch_form.form_sections({}, {})["limits"].is_open


def ids(field: LaunchField) -> str:
    return field.name


@pytest.mark.parametrize("field", LAUNCH_FIELDS, ids=ids)
def test_every_field_says_what_it_is_on_a_cluster(field: LaunchField) -> None:
    for meaning in (field.kubernetes, field.swarm):
        assert meaning.strip()
        assert not meaning.startswith("refused") or len(meaning.removeprefix("refused: ")) > 10


@pytest.mark.parametrize("field", LAUNCH_FIELDS, ids=ids)
def test_every_simple_control_can_be_drawn(field: LaunchField) -> None:
    control = field.form
    if control is None or not control.drawn:
        return
    assert control.label
    assert control.kind != "own"
    if control.kind == "choice":
        assert set(control.options) <= set(field.options)
    assert control.name in Inputs(drawn(control.section, {}, {})).found


@pytest.mark.parametrize("path", sorted(Path(fields.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_words_of_the_form_are_marked_for_translation(path: Path) -> None:
    calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
    bare = [
        word.value.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "FormControl"
        for word in call.keywords
        if word.arg in {"label", "hint", "empty_option"} and isinstance(word.value, ast.Constant)
    ]
    assert set(bare) <= {"MB"}


def controls() -> Iterator[FormControl]:
    yield from (field.form for field in LAUNCH_FIELDS if field.form)


def test_no_name_stands_twice() -> None:
    for names in ([f.name for f in LAUNCH_FIELDS], [f.attribute for f in LAUNCH_FIELDS], [c.name for c in controls()]):
        assert len(names) == len(set(names))


def test_a_key_of_the_host_config_is_harmless_or_ruled_and_every_rule_is_about_a_known_field() -> None:
    declared = {key.key for field in LAUNCH_FIELDS for key in field.engine if key.ruled}
    assert declared == KNOWN_KEYS.ruled.keys()
    assert not KNOWN_KEYS.harmless & KNOWN_KEYS.ruled.keys()


def test_a_key_declared_as_ruled_is_refused_until_there_is_a_rule() -> None:
    field = replace(FIELDS[-1], engine=(ruled("MemorySwappiness"),))
    keys = known_keys((*LAUNCH_FIELDS, field))
    assert "MemorySwappiness" not in keys.harmless | keys.ruled.keys()


def test_every_compose_key_of_its_own_has_a_reader() -> None:
    own = {each.key for field in LAUNCH_FIELDS for each in field.compose if each.kind == "own"}
    assert own == service_keys.OWN_READERS.keys()


def test_an_older_spelling_is_read_and_never_written() -> None:
    older = {each.key for field in LAUNCH_FIELDS for each in field.compose if not each.written}
    assert older == {"net", "log_driver", "log_opt"}
    assert older <= service_keys.KEY_READERS.keys()
    assert not older & exporter.KEY_WRITERS.keys()


def test_a_text_stands_for_the_plain_key() -> None:
    by_name = {field.name: field for field in LAUNCH_FIELDS}
    assert by_name["dns"].compose == (ComposeKey("dns"),)


RULED: dict[str, Any] = {
    "imageUuid": "docker:a",
    "dataVolumes": ["/srv:/srv", "named:/named", "/unnamed"],
    "volumeDriver": "rexray",
    "privileged": True,
    "capAdd": ["ALL"],
    "devices": ["/dev/fuse"],
    "pidMode": "host",
    "ipcMode": "host",
    "uts": "host",
    "usernsMode": "host",
    "cgroupnsMode": "host",
    "cgroupParent": "batch.slice",
    "runtime": "nvidia",
    "annotations": {"a": "b"},
    "deviceCgroupRules": ["c 189:* rwm"],
    "cpuRealtimeRuntime": 950000,
    "sysctls": {"kernel.shmmax": "1"},
    "securityOpt": ["seccomp=unconfined"],
    "logConfig": {"driver": "syslog", "config": {"syslog-address": "unix:///dev/log"}},
    "memory": 1 << 26,
    "tty": True,
}


@pytest.mark.parametrize("mode", ["managed", "bridge", "host", "none", "container"])
@pytest.mark.parametrize("policy", [CLOSED, RESTRICTED, PERMISSIVE])
def test_a_configuration_is_judged_by_the_same_keys_that_are_sent(mode: str, policy: Any) -> None:
    wanted = LaunchConfig.from_wire({**RULED, "networkMode": mode, "networkContainerId": "1i1"})
    whole = engine_body(wanted, labels={"a": "b"}, network="own", peer="p", volumes_from=["v"])
    judged = ruled_body(wanted, network="own", peer="p", volumes_from=["v"])
    assert judged["HostConfig"].items() <= whole["HostConfig"].items()
    assert whole["HostConfig"].keys() & KNOWN_KEYS.ruled.keys() == judged["HostConfig"].keys()
    assert check(judged, policy, network="own") == check(whole, policy, network="own")
