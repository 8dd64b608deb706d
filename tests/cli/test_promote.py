"""`corral promote` and `corral promotions`: shown first, requested, approved by another person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.rules import rules_set
from corral_cli.errors import ExitCode
from tests.cli.command_line import CommandLine
from tests.stacks.promotions.promoting import dev, live, prod

__all__ = ["dev", "live", "prod"]


@pytest.fixture
def cli_for(cli_of: Callable[..., CommandLine], lab: Environment, live: Stack) -> Callable[[str], CommandLine]:
    """The command line of somebody, with a key of their account, in the lab."""

    def make(name: str) -> CommandLine:
        found = cli_of(name, account=True)
        found.environ["RANCHER_ENVIRONMENT"] = "Lab"
        return found

    return make


def test_a_preview_changes_nothing(cli_for: Callable[[str], CommandLine]) -> None:
    found = cli_for("bob").succeed("promote", "shop", "--to", "Prod", "--set", "TAG=2", "--preview")
    assert "~ web: upgrade" in found.out
    assert "docker:bb:1 -> docker:bb:2" in found.out
    assert not Promotion.all_objects.exists()
    shown = cli_for("bob").succeed("promote", "shop", "--to", "Prod", "--preview", "--format", "json").json
    assert shown["services"][0]["change"] == "unchanged"


def test_two_people_promote(
    cli_for: Callable[[str], CommandLine], prod: Environment, live: Stack, actor_of: Any, run_loop: Any
) -> None:
    rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))
    out = cli_for("bob").succeed("promote", "shop", "--to", "prod", "--set", "TAG=2", "--note", "TICKET-7").out
    key = out.splitlines()[-1].partition(":")[0]
    run_loop()
    refused = cli_for("bob").fail("promotions", "approve", key)
    why = "You requested it: somebody else has to approve it. (ActionNotAvailable)"
    assert (refused.code, why in refused.err) == (ExitCode.REFUSED, True), refused.err
    (listed,) = cli_for("alice").succeed("promotions", "--format", "json").json
    assert (listed["id"], listed["state"], listed["requestedBy"]) == (key, "waiting-for-approval", "Bob")
    assert "~ web: upgrade" in cli_for("alice").succeed("promotions", "show", key).out
    shown = cli_for("alice").succeed("promotions", "show", key, "--format", "json").json
    assert shown["id"] == key
    assert [(each["name"], each["change"]) for each in shown["preview"]["services"]] == [("web", "upgrade")]
    cli_for("alice").succeed("promotions", "approve", key)
    for _again in range(3):
        for model in (Service, Stack, Promotion):
            model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
        run_loop()
    assert Service.all_objects.get(stack=live).image == "bb:2"
    cli_for("bob").succeed("promotions", "undo", key)


@pytest.mark.parametrize("form", [(), ("--format", "json")], ids=["table", "json"])
def test_a_preview_without_the_values_it_needs_fails(
    cli_for: Callable[[str], CommandLine], form: tuple[str, ...]
) -> None:
    found = cli_for("bob").run("promote", "shop", "--to", "Prod", "--as", "other", "--preview", *form)
    assert (found.code, "Nothing would change" in found.out) == (ExitCode.FAILED, False)
    assert "Prod has no value for" in found.out + found.err
    unchanged = cli_for("bob").succeed("promote", "shop", "--to", "Prod", "--preview")
    assert unchanged.out.strip() == "Nothing would change."
    assert not Promotion.all_objects.exists()


@pytest.mark.parametrize("reason", ["not today", ""])
def test_why_one_was_refused_is_shown(
    cli_for: Callable[[str], CommandLine], prod: Environment, actor_of: Any, run_loop: Any, reason: str
) -> None:
    rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))
    out = cli_for("bob").succeed("promote", "shop", "--to", "Prod", "--set", "TAG=2").out
    key = out.splitlines()[-1].partition(":")[0]
    run_loop()
    assert "Refused" not in cli_for("bob").succeed("promotions", "show", key).out
    cli_for("alice").succeed("promotions", "refuse", key, *(("--reason", reason) if reason else ()))
    run_loop()
    shown = cli_for("bob").succeed("promotions", "show", key).out
    assert shown.startswith(f"Refused by Alice: {reason or 'no reason given'}\n")
    (listed,) = cli_for("bob").succeed("promotions", "--format", "json").json
    assert (listed["state"], listed["refusalReason"]) == ("refused", reason or None)
    assert reason in cli_for("bob").succeed("promotions").out
    again = cli_for("alice").fail("promotions", "approve", key)
    assert (again.code, "refused" in again.err) == (ExitCode.REFUSED, True), again.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("promote", "shop", "--to", "nowhere"), ExitCode.NOT_FOUND, "nowhere"),
        (("promote", "shop", "--to", "Prod", "--set", "TAG"), ExitCode.USAGE, "NAME=VALUE"),
        (("promote", "shop", "--to", "Prod"), ExitCode.INVALID, "already"),
        (("promotions", "approve"), ExitCode.USAGE, "id is missing"),
        (("promotions", "refuse", "1p999"), ExitCode.NOT_FOUND, ""),
    ],
)
def test_what_cannot_be_is_refused(
    cli_for: Callable[[str], CommandLine], arguments: tuple[str, ...], code: ExitCode, words: str
) -> None:
    found = cli_for("bob").fail(*arguments)
    assert (found.code, words in found.err) == (code, True), found.err
