"""Which job a token is of, for people: its name, where it is shown, and the claims worth keeping; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.texts import strip_unstorable
from apps.federation.claim_rules import IDENTITY_CLAIMS, claim_texts

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
MAX_NAME, MAX_CLAIM = 120, 300
_KEPT_CLAIMS = (
    *IDENTITY_CLAIMS,
    "ref",
    "ref_type",
    "ref_protected",
    "environment",
    "event_name",
    "workflow",
    "run_id",
    "run_number",
    "run_attempt",
    "sha",
    "actor",
    "pipeline_id",
    "pipeline_source",
    "job_id",
    "user_login",
)
_PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+\Z")
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")


@dataclass(frozen=True, slots=True)
class CiJob:
    """A job: what to call it, and its page; the address is empty where it cannot be known."""

    name: str
    url: str = ""


def job_of(issuer: str, claims: Mapping[str, Any]) -> CiJob:
    """The job that a token of this issuer says it is of: of GitHub Actions or GitLab, else its subject."""
    repository, project = _text(claims, "repository", _PATH), _text(claims, "project_path", _PATH)
    run, job = _text(claims, "run_id", _NUMBER), _text(claims, "job_id", _NUMBER)
    if repository and run:
        number = _text(claims, "run_number", _NUMBER)
        site = "https://github.com" if issuer == GITHUB else issuer.removesuffix("/_services/token")
        return CiJob(_cut(f"{repository} run {number or run}"), f"{site}/{repository}/actions/runs/{run}")
    if project and job:
        return CiJob(_cut(f"{project} job {job}"), f"{issuer.rstrip('/')}/{project}/-/jobs/{job}")
    return CiJob(_cut(next(iter(claim_texts(claims.get("sub"))), "")) or "a job without a subject")


def kept_claims(claims: Mapping[str, Any], named: Collection[str]) -> dict[str, str]:
    """The claims to keep with an exchange, as texts: those that tell of the job, and those that the rule names."""
    found = {name: ", ".join(claim_texts(claims.get(name))) for name in dict.fromkeys([*named, *_KEPT_CLAIMS])}
    return {name: str(strip_unstorable(text))[:MAX_CLAIM] for name, text in found.items() if text}


def subject_of(claims: Mapping[str, Any]) -> str:
    """The subject, as it may be kept; empty for none."""
    return str(strip_unstorable(next(iter(claim_texts(claims.get("sub"))), "")))[:255]


def _text(claims: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    found = next(iter(claim_texts(claims.get(name))), "")
    return found if pattern.match(found) else ""


def _cut(text: str) -> str:
    clean = _NOT_PRINTABLE.sub(" ", text).strip()
    return clean if len(clean) <= MAX_NAME else clean[: MAX_NAME - 1] + "…"
