"""A number and its noun agree: no message says that there are 1 containers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("apps", "cli/corral_cli", "agent/corral_agent", "health_checks", "portal")
NOUNS = (
    "containers hosts services stacks images volumes parts lines links revisions ports keys files sidekicks batches "
    "characters minutes requests rows errors warnings times addresses tries members environments accounts labels"
)
PLURAL = re.compile(rf" (?:(?:private|more) )?(?:{NOUNS.replace(' ', '|')})\b")
# Where the number is never one: the first line of what is tested before, or a limit that is larger.
NEVER_ONE = {
    ("apps/adoption/candidates.py", "len(rows)"): "more than are adopted at once",
    ("apps/containers/images/removal.py", "len(kept)"): "one has a sentence of its own",
    ("apps/containers/images/services.py", "len(images)"): "one is named",
    ("apps/containers/port_shortage.py", "count"): "of several services",
    ("apps/containers/pull_attempts.py", "self.failed"): "one is once",
    ("apps/control/audit/chain.py", "len(text)"): "longer than the limit",
    ("apps/core/redact.py", "len(text)"): "longer than the limit",
    ("apps/drivers/docker/json_rows.py", "read_budgets.MAX_ROWS"): "a constant",
    ("apps/environments/services/roles.py", "limit"): "a constant",
    ("apps/hosts/agents.py", "limit"): "a constant",
    ("apps/control/services.py", "limit"): "a constant",
    ("apps/network/addresses.py", "plan.size"): "the size of a subnet",
    ("apps/stacks/verdict/evidence.py", "count"): "one has no number",
    ("apps/vault/acme/issuance.py", "GIVE_UP.seconds // 60"): "a constant",
    ("apps/vault/private_key.py", "len(found)"): "one is right",
    ("cli/corral_cli/commands/keys.py", "len(found)"): "one is right",
    ("cli/corral_cli/commands/usage.py", "len(running)"): "more than the limit",
    ("cli/corral_cli/commands/volumes.py", "len(rows)"): "more than one",
    ("cli/corral_cli/streaming.py", "len(containers)"): "more than the limit",
    ("agent/corral_agent/network/host_network.py", "containers"): "one has a sentence of its own",
}


def numbers_before_plurals(path: Path) -> Iterator[str]:
    """What stands before a noun in the plural in the formatted texts of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                found = ast.unparse(value.value)
                if PLURAL.match(str(text.value)) and not found.isupper() and not found.startswith("counted("):
                    yield found


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_may_be_one_is_counted_with_its_noun(folder: str) -> None:
    found = {
        (str(path.relative_to(ROOT)), number)
        for path in (ROOT / folder).rglob("*.py")
        for number in numbers_before_plurals(path)
    }
    assert {(path, number) for path, number in found if (path, number) not in NEVER_ONE} == set()


def test_no_exception_is_left_over() -> None:
    found = {(path, number) for path, _number in NEVER_ONE for number in numbers_before_plurals(ROOT / path)}
    assert set(NEVER_ONE) <= found
