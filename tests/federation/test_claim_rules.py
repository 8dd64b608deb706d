"""What a rule may demand of a token's claims, and which claims meet it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.federation.claim_rules import check_conditions, first_mismatch, is_about, matches

_TEXTS = st.text(alphabet="ab/*", max_size=12)


@pytest.mark.parametrize(
    "conditions",
    [
        {"repository": "acme/shop"},
        {"repository": "acme/*"},
        {"repository_owner": "acme", "ref": "*"},
        {"sub": "repo:acme/shop:ref:refs/heads/*"},
        {"sub": "system:serviceaccount:ci:deployer"},
        {"project_path": "group/sub/*", "ref_protected": "true"},
        {"project_id": "42"},
    ],
)
def test_a_rule_that_says_whose_jobs_it_is_for_is_taken(conditions: dict[str, str]):
    assert check_conditions(conditions) == conditions


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"ref": "refs/heads/main"},
        {"environment": "production", "actor": "ann"},
        {"repository": "*"},
        {"repository": "acme*"},
        {"repository": "*/shop"},
        {"repository_owner": "ac*"},
        {"project_id": "4*"},
        {"sub": "*"},
        {"sub": "repo:*"},
        {"sub": "repo:acme*"},
    ],
)
def test_a_rule_for_any_job_of_an_issuer_is_refused(conditions: dict[str, str]):
    with pytest.raises(Invalid) as found:
        check_conditions(conditions)
    assert (found.value.field, found.value.code) == ("conditions", "MissingRequired")


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({"repository": "acme/shop", "": "x"}, "InvalidFormat"),
        ({"repository": "acme/shop", "a b": "x"}, "InvalidFormat"),
        ({"repository": "acme/shop", "ref": ""}, "InvalidFormat"),
        ({"repository": "acme/shop", "ref": 7}, "InvalidFormat"),
        ({"repository": "acme/shop", "ref": ["a"]}, "InvalidFormat"),
        ({"repository": "acme/shop", "ref": "x" * 256}, "InvalidFormat"),
        ({"repository": "acme/shop", "ref": "a\x00b"}, "InvalidFormat"),
        ({"repository": "acme/shop", "aud": "x"}, "InvalidOption"),
        ({"repository": "acme/shop", **{f"c{number}": "x" for number in range(20)}}, "MaxLimitExceeded"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(conditions: dict[str, Any], code: str):
    with pytest.raises(Invalid) as found:
        check_conditions(conditions)
    assert (found.value.field, found.value.code) == ("conditions", code)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("main", "main", True),
        ("main", "main2", False),
        ("Main", "main", False),
        ("refs/heads/*", "refs/heads/feature/x", True),
        ("refs/heads/*", "refs/tags/v1", False),
        ("*", "", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*ab*ab", "ab", False),
        ("v?.[0-9]", "v1.2", False),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, text: str, *, fits: bool):
    assert matches(pattern, text) is fits


@given(_TEXTS, _TEXTS)
def test_patterns_mean_what_a_regular_expression_would(pattern: str, text: str):
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, text) is bool(re.fullmatch(expression, text, re.DOTALL))


def test_no_pattern_takes_long():
    began = time.monotonic()
    assert not matches("*a" * 120 + "b", "a" * 16_000)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("value", "wanted", "fits"),
    [
        ("42", "42", True),
        (42, "42", True),
        (True, "true", True),
        (False, "true", False),
        (["a", "b"], "b", True),
        (["a", ["b"]], "b", False),
        ([], "*", False),
        (None, "*", False),
        ("", "*", False),
        ({"a": "b"}, "*", False),
        (4.2, "4.2", False),
        (10**400, "*", False),
    ],
)
def test_claims_are_compared_as_texts(value: Any, wanted: str, *, fits: bool):
    assert (first_mismatch({"claim": wanted}, {"claim": value}) is None) is fits


def test_the_first_condition_that_is_not_met_is_said():
    conditions = {"repository": "acme/shop", "ref": "refs/heads/main", "environment": "production"}
    claims = {"repository": "acme/shop", "ref": "refs/heads/x"}
    assert str(first_mismatch(conditions, claims)) == "claim ref was 'refs/heads/x', where 'refs/heads/main' is wanted"
    claims["ref"] = "refs/heads/main"
    assert str(first_mismatch(conditions, claims)) == (
        "the token has no claim environment, where 'production' is wanted"
    )
    assert first_mismatch(conditions, {**claims, "environment": "production"}) is None


def test_a_job_of_another_owner_is_none_of_the_rules_business():
    conditions = {"repository": "acme/*", "ref": "refs/heads/main"}
    assert is_about(conditions, {"repository": "acme/shop", "ref": "refs/heads/x"})
    assert not is_about(conditions, {"repository": "other/shop", "ref": "refs/heads/main"})
    assert not is_about({"ref": "refs/heads/main"}, {"ref": "refs/heads/main"})
