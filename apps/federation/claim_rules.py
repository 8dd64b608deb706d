"""What a rule demands of the claims of a token: exact values, or patterns with `*`; pure.

A rule names whose jobs it is for: a repository, a project, or the whole subject. An issuer that everybody may use
signs tokens for everybody, and a rule without such a condition would let all of them in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.core.texts import is_storable

FIELD = "conditions"
MAX_CONDITIONS = 20
MAX_VALUE = 255
IDENTITY_CLAIMS = (
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "job_workflow_ref",
    "project_path",
    "project_id",
    "namespace_path",
    "namespace_id",
    "sub",
)
"""The claims that say whose job it is."""
_RESERVED = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class ClaimMismatch:
    """The first condition that a token does not meet; `found` is empty for a claim that it has not."""

    claim: str
    wanted: str
    found: str

    def __str__(self) -> str:
        if not self.found:
            return f"the token has no claim {self.claim}, where {self.wanted!r} is wanted"
        return f"claim {self.claim} was {self.found[:200]!r}, where {self.wanted!r} is wanted"


def check_conditions(given: Mapping[str, Any]) -> dict[str, str]:
    """The conditions, by claim, in the order given. Raises `Invalid` at `conditions`."""
    if len(given) > MAX_CONDITIONS:
        raise Invalid(FIELD, "MaxLimitExceeded", f"conditions: at most {MAX_CONDITIONS} claims can be compared.")
    found = {_check_name(name): _check_value(name, value) for name, value in given.items()}
    if not any(_says_whose_job(name, value) for name, value in found.items()):
        raise Invalid(
            FIELD,
            "MissingRequired",
            "conditions: say whose jobs are trusted, by one of the claims "
            f"{', '.join(IDENTITY_CLAIMS)}; a * may stand only after the owner and a slash, as in acme/*.",
        )
    return found


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        raise Invalid(
            FIELD, "InvalidFormat", f"conditions: {str(name)[:70]!r} is no name of a claim, such as repository."
        )
    if name in _RESERVED:
        raise Invalid(FIELD, "InvalidOption", f"conditions: {name} is always checked; leave it out.")
    return name


def _check_value(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_VALUE or not is_storable(value):
        raise Invalid(
            FIELD,
            "InvalidFormat",
            f"conditions: {name} is compared with a text of 1 to {MAX_VALUE} characters, in which * stands for any.",
        )
    return value


def _says_whose_job(name: str, value: str) -> bool:
    """Whether a condition holds for one owner only; `acme*` would also fit an owner `acme-evil`."""
    literal, star, _rest = value.partition("*")
    return name in IDENTITY_CLAIMS and (not star or "/" in literal)


def first_mismatch(conditions: Mapping[str, str], claims: Mapping[str, Any]) -> ClaimMismatch | None:
    """The first condition that the claims do not meet, None where they meet all."""
    return next((each for name, value in conditions.items() if (each := _compare(name, value, claims))), None)


def is_about(conditions: Mapping[str, str], claims: Mapping[str, Any]) -> bool:
    """Whether the job is one of those that the rule is for, whatever else is wrong.

    Only these are worth a word on the rule's page: of an issuer that everybody uses, all other jobs are other
    people's, and none of their names is to be seen there.
    """
    named = {name: value for name, value in conditions.items() if _says_whose_job(name, value)}
    return bool(named) and first_mismatch(named, claims) is None


def _compare(name: str, wanted: str, claims: Mapping[str, Any]) -> ClaimMismatch | None:
    texts = claim_texts(claims.get(name))
    if any(matches(wanted, text) for text in texts):
        return None
    return ClaimMismatch(name, wanted, ", ".join(texts))


def claim_texts(value: Any) -> list[str]:
    """A claim as texts: numbers and truths as JSON writes them, each element of a list; nothing else is compared."""
    if isinstance(value, list):
        return [text for each in value[:50] if not isinstance(each, list) for text in claim_texts(each)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        return [str(value)] if abs(value) < 10**18 else []
    return [value] if isinstance(value, str) and value else []


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern in which each `*` stands for any run of characters, a slash among them.

    Each part is searched for once, behind the one before: the time grows with the text, whatever the pattern is.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, max(at, end))
        if found < 0:
            return False
        at = found + len(part)
    return at <= end and text.endswith(last)
