"""What can be done with a row as requests: those that the caller may make, and commands that `corral` takes."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from corral_cli.program import command_parser, load_command

ROWS = ("stack", "service", "container", "host")


@pytest.fixture
def rows(shop: Stack, web: Service, container: Container, host: Host) -> dict[str, Any]:
    return {"stack": shop, "service": web, "container": container, "host": host}


def requests_of(page: Any) -> dict[str, dict[str, str]]:
    """The requests of a dialog by title and tool."""
    return {
        str(each.title): {snippet.tool: snippet.text for snippet in each.snippets} for each in page.context["requests"]
    }


@pytest.mark.parametrize("kind", ROWS)
def test_every_command_is_one_that_corral_takes(kind: str, rows: dict[str, Any], browser_as: Any, at: Any):
    found = requests_of(browser_as("alice").get(at(f"{kind}-requests", pk=rows[kind].pk)))
    commands = [tools["corral"] for tools in found.values() if "corral" in tools]
    assert len(commands) >= 2
    for words in map(shlex.split, commands):
        assert words[0] == "corral"
        command_parser(words[1], load_command(words[1])).parse_args(words[2:])


@pytest.mark.parametrize("kind", ROWS)
def test_every_request_is_one_that_the_api_offers_now(kind: str, rows: dict[str, Any], browser_as: Any, at: Any):
    client = browser_as("alice")
    found = requests_of(client.get(at(f"{kind}-requests", pk=rows[kind].pk)))
    answer = client.get(shlex.split(found["Read it"]["curl"])[-1], headers={"Accept": "application/json"})
    assert answer.status_code == 200
    seen = answer.json()
    for tools in found.values():
        words = shlex.split(tools["curl"])
        method, url = words[words.index("-X") + 1], words[-1]
        if method == "POST":
            assert url in seen["actions"].values(), url
        else:
            assert url == seen["links"]["self"], url


def test_who_only_reads_is_shown_only_how_to_read(rows: dict[str, Any], browser_as: Any, at: Any):
    for kind, row in rows.items():
        found = requests_of(browser_as("rita").get(at(f"{kind}-requests", pk=row.pk)))
        assert list(found) == ["Read it"], kind


def test_a_non_member_finds_none_of_them(rows: dict[str, Any], browser_as: Any, at: Any):
    for kind, row in rows.items():
        assert browser_as("mallory").get(at(f"{kind}-requests", pk=row.pk)).status_code == 404


def test_the_head_of_each_page_leads_there(rows: dict[str, Any], browser_as: Any, at: Any):
    for kind, row in rows.items():
        page = browser_as("alice").get(at(kind, pk=row.pk)).content.decode()
        assert f'href="{at(f"{kind}-requests", pk=row.pk)}" data-dialog' in page, kind


def test_no_key_is_in_any_of_them(rows: dict[str, Any], browser_as: Any, at: Any):
    page = browser_as("alice").get(at("service-requests", pk=rows["service"].pk)).content.decode()
    assert "$CORRAL_ACCESS_KEY:$CORRAL_SECRET_KEY" in page
    assert "Authorization" not in page
