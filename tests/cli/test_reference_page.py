"""`docs/reference/cli.md` is what the commands say of themselves: `UPDATE_PAGES=1` writes it anew."""

from __future__ import annotations

import os

from corral_cli import rancher_compose
from corral_cli.commands import COMMANDS
from corral_cli.errors import MEANINGS
from corral_cli.program import command_parser, load_command, overview
from tests.docker.portal_process import ROOT

PAGE = ROOT / "docs/reference/cli.md"
GENERATED = "## Exit codes"
"""What stands before it is written by hand."""


def _generated() -> str:
    codes = [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    parts = [
        GENERATED,
        "",
        "| code | meaning |",
        "|---|---|",
        *codes,
        "",
        "`exec` ends with the exit code of what it ran.",
        "",
    ]
    parts += ["## Commands", "", "```", overview(), "```", ""]
    for name in COMMANDS:
        parts += [f"### {name}", "", "```", command_parser(name, load_command(name)).format_help().rstrip(), "```", ""]
    parts += ["## As rancher-compose", "", "Called by that name, or as `corral compose`:", "", "```"]
    parts += [rancher_compose.overview("rancher-compose"), "```", ""]
    for name in rancher_compose.COMMANDS:
        text = rancher_compose.compose_parser("rancher-compose", name).format_help().rstrip()
        parts += [f"### rancher-compose {name}", "", "```", text, "```", ""]
    return "\n".join(parts)


def test_the_page_has_the_help_of_every_command():
    page = PAGE.read_text().partition(GENERATED)[0] + _generated()
    if os.environ.get("UPDATE_PAGES"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "run this test once with UPDATE_PAGES=1"
