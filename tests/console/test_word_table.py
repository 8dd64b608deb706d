"""Words that readers stumbled over do not come back into what pages say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docker.portal_process import ROOT

BETTER = {
    r"creating \(failing\)": "Image pull failed",
    r"\bAsked\b": "Requested",
    r"\bTook\b": "Duration",
    r"^Looks$": "(nothing)",
    r"\bAnybody\b": "Everyone",
    r"secrets blanked": "secrets hidden",
    r"It keeps ending": "Keeps crashing",
    r"The output ended": "Log stream ended",
    r"The shell ended": "Shell exited with code 3",
    r"No shell for you|Not for you": "You don't have access to ...",
    r"^waits for it$": "Wait for the host",
    r"the other end of its agent": "agent v0.1.0",
    r"Hosts that called": "Recently registered hosts",
    r"Let hosts register": "Allow registration",
    r"cannot be asked just now": "Host unreachable. Last contact ...",
    r"is not there any more": "This item was deleted.",
    r"Audit, everywhere": "Audit log (all environments)",
    r"^To its ": "Open stacks",
    r"\bWay in\b|\bAny way\b": "Sign-in method, Any method",
    r"tick whom": "select people to add",
    r"^Its (scheme|password)$": "Protocol, Service account password",
    r"when is it well": "how health is checked",
    r"Make the administrator": "Create administrator",
    r"The key was made": "API key created",
    r"goes with it": "This will also be deleted",
    r"makes them anew": "because no service manages them",
    r"lines, whole": "5 entries, chain intact",
    r"as the system": "Theme: match system",
    r"^What it makes": "Preview",
    r"on trial": "on probation",
}
_TRANSLATED = re.compile(
    r"""\{%\s*translate\s+(["'])(.*?)\1|_\((["'])(.*?)\3\)|\{%\s*blocktranslate.*?%\}(.*?)\{%""", re.DOTALL
)


def texts_of_templates() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "templates").rglob("*.html"):
        for found in _TRANSLATED.finditer(path.read_text()):
            yield str(path.relative_to(ROOT)), found[2] or found[4] or found[5] or ""


def texts_of_modules() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "apps").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "ngettext"}:
                for each in node.args:
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield str(path.relative_to(ROOT)), each.value


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    found = [*texts_of_templates(), *texts_of_modules()]
    assert len(found) > 1000
    return found


@pytest.mark.parametrize("old", BETTER)
def test_no_page_says_it_in_the_old_words(texts: list[tuple[str, str]], old: str) -> None:
    wrong = [(path, text) for path, text in texts if re.search(old, text)]
    assert wrong == [], f"better: {BETTER[old]}"
