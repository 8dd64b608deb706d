"""How upgrades are judged (`upgradeVerdict`), and what was found (`upgradeJudgement`): not in v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.stacks.verdict.history import samples_of
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import seconds_to_verdict


class UpgradeVerdictResource(EmbeddedResource):
    """For how long an upgrade is watched, and what is done then; 0 minutes: it is not judged."""

    name = "upgradeVerdict"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        errorPattern string cu 0..200
        minutes      int    cu =10 0..1440
        onBad        enum   cu =ask :ask|rollback
        onGood       enum   cu =ask :ask|finish
    """)


class UpgradeFindingResource(EmbeddedResource):
    """What was found about one signal: `pValue` is how often chance alone would make the new ones look that bad."""

    name = "upgradeFinding"
    roles = READ_ONLY
    own_fields = parse_fields("""
        finding  enum   r :worse|not-worse|unknown
        newCount int    r
        newValue float  r
        oldCount int    r
        oldValue float  r
        pValue   float  r
        reason   string r
        signal   string r
    """)


class UpgradeJudgementResource(EmbeddedResource):
    """What is known of an upgrade that is judged, and what came of it."""

    name = "upgradeJudgement"
    roles = READ_ONLY
    own_fields = parse_fields("""
        findings    array[upgradeFinding] r
        history     array[json]           r
        outcome     enum                  r :stopped|rolling-back|rolled-back|finished|asked|by-hand
        secondsLeft int                   r
        stage       enum                  r :first-batch|rest|all
        summary     string                r
        verdict     enum                  r :watching|good|bad|unclear
    """)


def serialize_judgement(observation: UpgradeObservation | None) -> Mapping[str, Any] | None:
    """The observation of an upgrade, null where it is not judged."""
    if observation is None:
        return None
    left = seconds_to_verdict(observation, timezone.now()) if observation.ended is None else None
    return {
        "type": "upgradeJudgement",
        "findings": [_serialize_finding(each) for each in observation.evidence.get("findings", ())],
        "history": _serialize_history(observation),
        "outcome": observation.outcome or None,
        "secondsLeft": None if left is None else round(left),
        "stage": observation.stage,
        "summary": observation.summary or None,
        "verdict": observation.verdict or "watching",
    }


def _serialize_history(observation: UpgradeObservation) -> list[dict[str, Any]]:
    """What the console draws: of each signal when, and what the old and the new containers had then."""
    return [
        {"signal": signal, "at": each.at, "oldValue": each.old, "newValue": each.new}
        for signal, samples in samples_of(observation.history).items()
        for each in samples
    ]


def _serialize_finding(found: Mapping[str, Any]) -> dict[str, Any]:
    old, new = found["counts"]
    return {
        "type": "upgradeFinding",
        "finding": found["word"],
        "newCount": new,
        "newValue": found["new"],
        "oldCount": old,
        "oldValue": found["old"],
        "pValue": found["p"],
        "reason": found["reason"] or None,
        "signal": found["signal"],
    }
