"""The verdict: what the evidence says about an upgrade, now or at the end of its time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.stacks.verdict.signals import LEVEL_AT_END, LEVEL_BEFORE_END, UNKNOWN, WORSE, Evidence, Finding

WATCHING, GOOD, BAD, UNCLEAR = "watching", "good", "bad", "unclear"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and what it rests on."""

    verdict: str
    findings: Sequence[Finding]

    @property
    def summary(self) -> str:
        """In a line, for the audit log and messages."""
        worse = [describe(each) for each in self.findings if each.word == WORSE]
        if worse:
            return "; ".join(worse)
        unknown = [describe(each) for each in self.findings if each.word == UNKNOWN and each.signal == "running"]
        return "; ".join(unknown) or "Nothing is worse than before."


def judge(evidence: Evidence, *, is_over: bool) -> Judgement:
    """Bad as soon as one signal is worse; else good or unclear once the time `is_over`.

    Good takes containers that run, and are healthy where that is checked. What cannot be compared does not count: a
    quiet service without logs is good when it simply stays up.
    """
    level = LEVEL_AT_END if is_over else LEVEL_BEFORE_END
    plain = evidence.containers.find()
    compared = [each.find(level) for each in evidence.rates] + [each.find(level) for each in evidence.levels]
    found = (*plain, *compared)
    if any(each.word == WORSE for each in found):
        return Judgement(BAD, found)
    if not is_over:
        return Judgement(WATCHING, found)
    is_up = all(each.word != UNKNOWN for each in plain if each.signal == "running" or evidence.containers.is_checked)
    return Judgement(GOOD if is_up else UNCLEAR, found)


def describe(finding: Finding) -> str:
    """One finding in words for a log."""
    if finding.reason:
        return f"{finding.signal}: {finding.reason}"
    if finding.old is None or finding.new is None:
        return f"{finding.signal}: {finding.word}"
    chance = f", chance {finding.p:.2g}" if finding.p is not None else ""
    return f"{finding.signal}: {finding.new:.3g} instead of {finding.old:.3g}{chance}"
