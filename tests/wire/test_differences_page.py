"""`docs/reference/differences.md` is what the declarations say: `UPDATE_PAGES=1` writes it anew."""

from __future__ import annotations

import os

from apps.api.differences.absent_types import ABSENT_TYPES
from apps.api.differences.declared import DECLARED
from apps.api.differences.reasons import parse_reasons
from tests.docker.portal_process import ROOT

PAGE = ROOT / "docs/reference/differences.md"
HEAD = """# What differs from Rancher's frozen v1, and why

`make schema-diff REF=<folder>` compares the schemas of each role with those of a reference, a file `<role>.json` each,
and fails while a difference has no reason here or on the page about [fields](v1-fields.md), which says for each type
which fields are missing and which there are more. `ALL=1` prints every difference with its reason. Flags count where
the role has the method; a `*` stands for anything, and the first line that fits counts. Types that only Corral has are
not compared.

## Types that are not here

| types | why |
|---|---|
"""
OF_TYPES = """
## In the types that are

| types | what | why |
|---|---|---|
"""


def codes(words: str, separator: str | None = None) -> str:
    """Words as code."""
    return ", ".join(f"`{word.strip()}`" for word in words.split(separator))


def generated() -> str:
    absent = [f"| {codes(names)} | {why} |" for why, names in ABSENT_TYPES.items()]
    declared = [
        f"| {codes(each.types, ',')} | {codes(each.parts, ',')} | {each.why} |" for each in parse_reasons(DECLARED)
    ]
    return HEAD + "\n".join(absent) + "\n" + OF_TYPES + "\n".join(declared) + "\n"


def test_the_page_is_what_the_declarations_say():
    if os.environ.get("UPDATE_PAGES"):
        PAGE.write_text(generated())
    assert PAGE.read_text() == generated(), "UPDATE_PAGES=1 make test T=tests/wire/test_differences_page.py"


def test_no_reason_is_without_types_that_it_could_be_about():
    assert all(each.why and each.parts and each.types for each in parse_reasons(DECLARED))
    assert len(parse_reasons(DECLARED)) > 20
