"""Files that were written for Rancher: what cannot be followed is left out with a word, wherever they come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.control.models import OperationLine
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.bundle.resolve import resolve_bundle
from apps.stacks.compose import parse
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import preview_upgrade, stack_upgrade

AGENT, ROLE = "io.rancher.container.create_agent", "io.rancher.container.agent.role"
RULE = "io.rancher.scheduler.affinity:not_host_label"
FILE = f"""\
agent:
  image: bb:local
  labels:
    {AGENT}: 'true'
    {ROLE}: environment
    {RULE}: lb=0
    {RULE}: registry=false
    team: a
    team: b
"""
LEFT_OUT = [f"agent: the label {label} is left out, as" for label in (AGENT, ROLE, RULE)]
TWICE = ["docker-compose, line 7: the key", "docker-compose, line 9: the key 'team' is duplicated; this one counts."]


def all_said(texts: Any) -> bool:
    """Whether each of the notes stands among these, once."""
    return all(sum(text.startswith(start) for text in texts) == 1 for start in (*LEFT_OUT, *TWICE))


def test_labels_that_cannot_be_followed_are_left_out_and_named() -> None:
    found = parse(FILE)
    (agent,) = found.services
    assert agent.config.labels == {"team": "b"}
    assert all_said([*found.warnings, *agent.warnings])


def test_a_label_that_is_switched_off_stays() -> None:
    (web,) = parse(f"web:\n  image: a\n  labels: {{{AGENT}: 'false'}}\n").services
    assert (dict(web.config.labels), web.warnings) == ({AGENT: "false"}, ())


def test_a_label_twice_in_its_other_forms() -> None:
    text = (
        "services:\n  labels:\n    image: a\n    labels: {a: 1, a: 2}\n"
        "  web:\n    image: a\n    labels:\n      - b=1\n      - b=2\n"
    )
    found = parse(text)
    assert [dict(each.config.labels) for each in found.services] == [{"a": "2"}, {"b": "2"}]
    assert found.warnings == ("docker-compose, line 4: the key 'a' is duplicated; this one counts.",)


@pytest.mark.parametrize(
    "text",
    [
        "web:\n  image: a\nweb:\n  image: b\n",
        "web:\n  image: a\n  labels: {a: b}\n  labels: {c: d}\n",
        "web:\n  image: a\n  environment: {A: 1, A: 2}\n",
        "labels:\n  image: a\n  image: b\n",
        "services:\n  labels:\n    image: a\n    image: b\n",
        "services:\n  labels: {image: a}\n  labels: {image: b}\n",
        "web:\n  image: a\n  deploy: {labels: {a: 1, a: 2}}\n",
        "services: {web: {image: a}}\nvolumes: {x: {labels: {a: 1, a: 2}}}\n",
        "x-labels: &x {a: 1, a: 2}\nweb: {image: a}\n",
    ],
)
def test_any_other_key_twice_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is duplicated"):
        parse(text)


def lines_of(row: Stack) -> list[str]:
    return list(OperationLine.objects.filter(operation__target_name=row.name).values_list("text", flat=True))


def test_an_import_says_so_in_its_activity_and_on_the_stack(lab: Environment, actor_of: Any) -> None:
    row = stack_create(actor=actor_of("bob"), environment=lab, name="shop", docker_compose=FILE)
    assert Service.all_objects.get(stack=row).config.labels == {"team": "b"}
    assert all_said(row.file_warnings)
    assert all_said(lines_of(row))


def test_an_upgrade_by_such_a_file_says_so_beforehand_and_in_its_activity(
    lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob = actor_of("bob")
    row = stack_create(actor=bob, environment=lab, name="shop", docker_compose="agent:\n  image: bb:local\n")
    run_loop()
    row.refresh_from_db()
    files = StackFiles(docker_compose=FILE)
    assert all_said(preview_upgrade(row, files, actor=bob).warnings)
    assert not any("duplicated" in text for text in lines_of(row))
    stack_upgrade(row, files, actor=bob)
    assert all_said(lines_of(row))


def test_a_bundle_says_so_once_whether_it_is_written_anew_or_not() -> None:
    plain = resolve_bundle({"docker-compose.yml": FILE.encode()})
    assert all_said(_notes(plain))
    extended = "web:\n  extends: {file: base.yml, service: agent}\n"
    anew = resolve_bundle({"docker-compose.yml": extended.encode(), "base.yml": FILE.encode()})
    found = parse(anew.docker_compose)
    assert [text for text in anew.notes if "duplicated" in text] == [
        f"base.yml, line 7: the key {RULE!r} is duplicated; this one counts.",
        "base.yml, line 9: the key 'team' is duplicated; this one counts.",
    ]
    assert dict(found.services[0].config.labels) == {"team": "b"}
    assert len(found.services[0].warnings) == len(LEFT_OUT)


def _notes(bundle: Any) -> list[str]:
    found = parse(bundle.docker_compose)
    return [*bundle.notes, *found.warnings, *(text for each in found.services for text in each.warnings)]


def test_what_is_asked_for_by_itself_is_refused(lab: Environment, actor_of: Any) -> None:
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    (agent,) = parse("agent:\n  image: a\n").services
    for label in (AGENT, RULE):
        config = type(agent.config).from_wire({"imageUuid": "docker:a", "labels": {label: "true"}})
        with pytest.raises(Invalid) as refused:
            service_create(actor=bob, stack=stack, name="agent", config=config)
        assert (refused.value.field, refused.value.code) == ("launchConfig.labels", "InvalidOption")
