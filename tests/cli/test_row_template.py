"""Results in the words of a template: fields, and nothing that could do more than print one."""

from __future__ import annotations

import pytest

from corral_cli.errors import CliError, ExitCode
from corral_cli.row_template import RowTemplate
from tests.cli.command_line import CommandLine
from tests.wire.api_client import run_until_idle

ROW = {"name": "web", "scale": 2, "on": True, "none": None, "ports": ["80", {"to": "81"}], "labels": {"a-b": "c"}}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.name}}", "web"),
        ("{{ .name }}:{{.scale}}", "web:2"),
        ("{{.on}}/{{.none}}/", "true//"),
        ("{{.ports.0}} {{.ports.1.to}}", "80 81"),
        ("{{.labels.a-b}}", "c"),
        ("{{.labels}}", '{"a-b": "c"}'),
        (r"{{.name}}\t{{.scale}}\n", "web\t2\n"),
        ("{name} %s $name {0.__class__}", "{name} %s $name {0.__class__}"),
    ],
)
def test_fields_are_filled_in_and_all_else_stays(template: str, expected: str):
    assert RowTemplate(template).render(ROW) == expected


def test_a_list_or_the_whole_can_be_meant():
    assert RowTemplate("{{.}}").render(["a"]) == '["a"]'
    assert RowTemplate("{{.1}}").render(["a", "b"]) == "b"


@pytest.mark.parametrize(
    "template",
    ["{{name}}", "{{.name", "name}}", "{{range .ports}}", "{{.name | upper}}", "{{}}", "{{.a..b}}", "{{.a b}}"],
)
def test_what_is_no_field_is_refused(template: str):
    with pytest.raises(CliError, match="is no field") as refused:
        RowTemplate(template)
    assert refused.value.code is ExitCode.USAGE


@pytest.mark.parametrize("path", [".nothing", ".name.more", ".ports.7", ".__class__", ".scale.real", ".ports.append"])
def test_a_field_that_is_not_there_is_said_so(path: str):
    with pytest.raises(CliError, match="there is no field"):
        RowTemplate(f"{{{{{path}}}}}").render(ROW)


def test_nothing_that_steers_a_terminal_comes_through():
    assert RowTemplate("{{.name}}").render({"name": "a\x1b[2Jb"}) == "a?[2Jb"


def deploy(cli: CommandLine) -> None:
    cli.write("docker-compose.yml", "web:\n  image: sim/nginx:1\n  labels: {a: b}\ndb:\n  image: sim/redis:3\n")
    cli.succeed("up", "-d", "-s", "shop")
    run_until_idle()


def test_a_list_is_a_line_for_each_row(cli: CommandLine):
    deploy(cli)
    found = cli.succeed("services", "shop", "--format", "{{.name}}={{.image}}")
    assert found.out == "shop/db=sim/redis:3\nshop/web=sim/nginx:1\n"
    one = cli.succeed("inspect", "shop/web", "--format", "{{.launchConfig.labels.a}}")
    assert one.out == "b\n"


def test_a_template_may_stand_before_the_command(cli: CommandLine):
    deploy(cli)
    assert cli.succeed("--format", "{{.name}}", "stacks").out == "shop\n"


@pytest.mark.parametrize("text", ["xml", "{{.name", "{{range .}}"])
def test_a_wrong_form_is_refused_before_anything_is_requested(cli: CommandLine, text: str):
    refused = cli.fail("stacks", "--format", text)
    assert (refused.code, refused.transport.requests) == (ExitCode.USAGE, [])
    assert refused.err.count("\n") == 1


def test_a_field_that_no_row_has_is_refused_with_those_there_are(cli: CommandLine):
    deploy(cli)
    refused = cli.fail("stacks", "--format", "{{.color}}")
    assert refused.code == ExitCode.USAGE
    assert "name" in refused.err
