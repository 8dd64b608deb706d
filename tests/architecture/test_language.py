"""Words that this project once had for itself and that nobody else understands do not come back."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

IN_NAMES = {
    "wish": "desired state",
    "wishes": "desired states",
    "sighting": "observed state",
    "sightings": "observed states",
    "woken": "requeued",
    "insist": "require",
    "insists": "requires",
    "stranger": "anonymous",
    "strangers": "anonymous",
    "stand_in": "open_mode_user",
    "asker": "actor",
    "askers": "actors",
    "losers": "on_host_lost",
    "leavers": "on_host_removed",
    "namers": "container_ids",
    "emptiers": "on_environment_removed",
    "understood": "parse_json",
    "forgotten": "pruned",
    "sealed": "digest",
    "touching": "affected",
    "hubapi": "github_api",
}
"""What no name may contain, with the word that the field has for it."""

IN_TEXTS = re.compile(
    r"\b(wish(es|ed)?|sightings?|woken|strangers?|a look at|looked at anew|stand-ins?)\b", re.IGNORECASE
)
"""What no docstring, no comment and no promise of a test may say."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
ABOUT_WORDS = "tests/architecture/test_language.py"


BY_HAND = re.compile(
    r"\{(?:len\([^{}]*\)|(?:[a-z_]+\.)?(?:count|left|number|total|removed))(?::,)?\} (?!is\b|was\b|has\b)[a-z]+s\b"
)
"""A number and a plural in a text: 1 would have it, too."""

ALWAYS_SEVERAL = (
    "{len(images)} images",  # one has its name there
    "{len(kept)} images",
    "{count} containers in all",  # of more than one service
    "{reason} ({count} containers)",
    "{number} says already",
    "{len(parts)} parts",
    "{len(found)} certificates",
    "{len(rows)} containers",  # more than the most
    "{len(containers)} containers; name at most",
    "{len(running)} containers run: name",
    "{len(rows)} hosts: say which",
    "{len(found)} keys",
    "{len(text)} characters",  # of a log
    "{len(answer.body)} bytes",
    "{total} differences over",
)


IN_TEMPLATES = re.compile(
    r"\{% blocktranslate (?!count)[^%]*%\}[^{]*\{\{ (?:n|m|count|total|number|pairs|versions|hosts) \}\} "
    r"(?:smaller )?(?!is\b)[a-z]+s\b[^%]*\{% endblocktranslate %\}"
)


OTHER_UNITS = re.compile(r"\b(?:[KMGT]iB|kB)\b")
OTHER_UNITS_IN_TEXTS = re.compile(r"""["'{} ](?:[KMGT]iB|kB)\b[^"\n]*"[,)]""")


def words(name: str) -> list[str]:
    """The words of an identifier, in small letters."""
    return [word.lower() for word in _WORD.findall(name)]


def forbidden_word(name: str) -> str | None:
    """The first word of ours in an identifier; the name of a test is a sentence, in which some of them are English."""
    if name.startswith("test_"):
        found = IN_TEXTS.search(name.replace("_", " "))
        return found[0] if found else None
    spaced = f"_{'_'.join(words(name))}_"
    return next((word for word in IN_NAMES if f"_{word}_" in spaced), None)


def identifiers(module: Any) -> Iterator[tuple[int, str]]:
    """Every name in a file, with its line: what is defined, read, passed by name, or imported."""
    yield 1, module.path.stem
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def texts(module: Any) -> Iterator[tuple[int, str]]:
    """Every docstring and comment, with its line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def suspects(source: Any, test_modules: Any) -> list[Any]:
    """The files that contain one of the words at all: cutting every file into tokens would take a minute."""
    anywhere = re.compile("|".join([*IN_NAMES, "standin", "a look at", "looked at anew", "stand-in"]), re.IGNORECASE)
    return [
        module for module in (*source, *test_modules) if module.name != ABOUT_WORDS and anywhere.search(module.text)
    ]


def test_no_name_has_a_word_of_our_own(source: Any, test_modules: Any) -> None:
    found = [
        f"{module.name}:{line}: {name} (say {IN_NAMES.get(word, 'it differently')})"
        for module in suspects(source, test_modules)
        for line, name in identifiers(module)
        if (word := forbidden_word(name))
    ]
    assert found == []


def test_no_docstring_or_comment_has_a_word_of_our_own(source: Any, test_modules: Any) -> None:
    found = [
        f"{module.name}:{line}: {match[0]}"
        for module in suspects(source, test_modules)
        for line, text in texts(module)
        if (match := IN_TEXTS.search(text))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("insist_fresh", "insist"),
        ("StrangerActor", "stranger"),
        ("test_a_wish_is_kept", "wish"),
        ("test_old_failures_are_forgotten", None),
        ("forgotten_events", "forgotten"),
        ("stand_in", "stand_in"),
        ("standIn", "stand_in"),
        ("on_stand", None),
        ("consistency", None),
        ("HTTPServer", None),
        ("unsealed", None),
    ],
)
def test_a_word_is_found_whole_wherever_it_stands_in_a_name(name: str, word: str | None) -> None:
    assert forbidden_word(name) == word


def test_no_text_makes_a_plural_by_hand(source: Any):
    found = [
        f"{module.name}:{number}: {line.strip()}"
        for module in source
        for number, line in enumerate(module.text.splitlines(), 1)
        if BY_HAND.search(line) and not any(each in line for each in ALWAYS_SEVERAL)
    ]
    assert not found, "use ngettext, or counted of apps/core/plurals.py"


def test_no_template_makes_a_plural_by_hand():
    texts = ((path, path.read_text()) for path in sorted(Path("templates").rglob("*.html")))
    found = [f"{path}: {each[0]}" for path, text in texts for each in IN_TEMPLATES.finditer(text)]
    assert not found, "use blocktranslate count"


def test_sizes_have_one_kind_of_units():
    """Those of Django's filter: KB, MB and GB of 1024 bytes."""
    shown = [*Path("templates").rglob("*.html"), *Path("static/src").rglob("*.js"), *Path("docs").rglob("*.md")]
    programs = [*Path("apps").rglob("*.py"), *Path("cli").rglob("*.py")]
    found = [f"{path}: {each[0]}" for path in shown for each in OTHER_UNITS.finditer(path.read_text())]
    found += [f"{path}: {each[0]}" for path in programs for each in OTHER_UNITS_IN_TEXTS.finditer(path.read_text())]
    assert not found
