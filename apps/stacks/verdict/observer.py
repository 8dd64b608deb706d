"""Watching upgrades that are to be judged, and doing what their policy says about the verdict.

The loop looks whenever it reconciles a service that is being upgraded, which it does at every crash of a container; a
job looks now and then at all of them. Level-triggered both: everything that has to be remembered is in the row of the
observation, and each step is taken in one transaction with what is remembered of it. Whoever dies half-way leaves a
row that is due again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.control.queue import enqueue_after_commit
from apps.control.services import note_progress, record
from apps.core.errors import Problem
from apps.core.events import row_changed
from apps.environments.actor import SYSTEM
from apps.stacks.models import Service
from apps.stacks.upgrade import CANCELED, UPGRADING
from apps.stacks.upgrade_services import service_upgrade_step
from apps.stacks.verdict.error_lines import read_logs
from apps.stacks.verdict.evidence import gather
from apps.stacks.verdict.groups import containers_of
from apps.stacks.verdict.history import with_sample
from apps.stacks.verdict.judgement import BAD, GOOD, UNCLEAR, WATCHING, Judgement, judge
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.responses import read_responses
from apps.stacks.verdict.settings import FINISH, MOST_WINDOWS, ROLLBACK, VerdictSettings
from apps.stacks.verdict.signals import Evidence

log = logging.getLogger(__name__)

PERIOD = timedelta(seconds=4)  # between two looks at one upgrade, at least
GAP = timedelta(seconds=90)  # between two looks, from which on nobody was watching
MAX_READING = 15.0  # seconds of one run of the job; logs that are not reached come first next time
STOPPED, ROLLING_BACK, ROLLED_BACK, FINISHED, ASKED, BY_HAND = (
    "stopped",
    "rolling-back",
    "rolled-back",
    "finished",
    "asked",
    "by-hand",
)


def judge_upgrades(now: datetime | None = None) -> int:
    """Read on in the logs and look at every upgrade that is due; return at how many."""
    now = now or timezone.now()
    _read_all_logs(now)
    keys = UpgradeObservation.objects.filter(_due(now), ended=None).values_list("pk", flat=True)
    return sum(_look(key, now) for key in list(keys))


def _read_all_logs(now: datetime) -> None:
    """Read on in the logs, those first that were not read for longest; a slow engine must not hold the job up."""
    deadline = time.monotonic() + MAX_READING
    rows = UpgradeObservation.objects.filter(ended=None).select_related("service")
    for row in rows.order_by(F("logs_read_at").asc(nulls_first=True)):
        if time.monotonic() > deadline:
            return
        try:
            groups = containers_of(row.service, row)
            if read_logs(row, groups, now):
                read_responses(row, row.service, groups)
        except Exception:  # one upgrade must not cost the others their verdict
            log.exception("the logs of service %s", row.service_id)


def judge_upgrade(service: Service) -> None:
    """Look at the service's upgrade if it is one that is judged; the row itself is neither changed nor refreshed."""
    if service.upgrade.get("verdict"):
        now = timezone.now()
        keys = UpgradeObservation.objects.filter(_due(now), service=service.pk, ended=None).values_list("pk", flat=True)
        for key in list(keys):
            _look(key, now)


def _due(now: datetime) -> Q:
    return Q(observed_at=None) | Q(observed_at__lte=now - PERIOD)


def _look(key: int, now: datetime) -> bool:
    """Look at one upgrade, unless another process does: whose update comes first looks."""
    rows = UpgradeObservation.objects.filter(_due(now), pk=key, ended=None)
    row = rows.select_related("service__stack", "service__environment").first()
    if row is None or not rows.update(observed_at=now):
        return False
    try:
        _observe(row, now)
    except Exception:  # one upgrade must not cost the others their verdict, nor its service the loop
        log.exception("judging the upgrade of service %s", row.service_id)
    return True


def _observe(observation: UpgradeObservation, now: datetime) -> None:
    service = observation.service
    seen_at, observation.observed_at = observation.observed_at, now
    if _is_decided_by_hand(observation, service):
        _save(observation, outcome=BY_HAND, ended=now)
        return
    if observation.outcome == ROLLING_BACK:
        _roll_back(observation, service)
        return
    groups = containers_of(service, observation)
    _follow_stage(observation, service, now, seen_at, has_run=any(each.first_running for each in groups.new))
    evidence = gather(service, observation, groups, now)
    found = judge(evidence, is_over=seconds_to_verdict(observation, now) == 0)
    changes_page = found.verdict != observation.verdict
    shown = {"evidence": _to_json(found, evidence, now), "history": with_sample(observation.history, evidence, now)}
    _save(observation, verdict=found.verdict, summary=found.summary, **shown)
    _act_on(observation, service, found.verdict)
    if changes_page or found.verdict == WATCHING:
        row_changed(service.environment_id, service.KIND, service.pk)


def _is_decided_by_hand(observation: UpgradeObservation, service: Service) -> bool:
    """Whether there is nothing to judge any more: somebody finished, canceled or removed it, or upgraded again."""
    if service.removal_requested or service.desired != "active" or service.revision != observation.revision:
        return True
    expected = {UPGRADING, CANCELED} if observation.outcome == ROLLING_BACK else {UPGRADING}
    return service.upgrade_phase not in expected


def _follow_stage(
    observation: UpgradeObservation, service: Service, now: datetime, seen_at: datetime | None, *, has_run: bool
) -> None:
    """Note that the time of a stage begins, and for how long of it nobody was looking."""
    stage = observation.stage
    if observation.stage != observation.ALL and service.display_state == "upgraded":
        observation.stage, observation.window_from, observation.away = observation.ALL, now, 0
    elif observation.window_from is None and has_run and observation.stage == observation.FIRST_BATCH:
        observation.window_from = now
    elif observation.window_from is not None and seen_at is not None and now - seen_at > GAP:
        observation.away += (now - seen_at).total_seconds()
    found = {"stage": observation.stage, "window_from": observation.window_from, "away": observation.away}
    if not UpgradeObservation.objects.filter(pk=observation.pk, stage=stage).update(**found):
        observation.refresh_from_db(fields=[*found])  # somebody had it continue in this moment


def seconds_to_verdict(observation: UpgradeObservation, now: datetime) -> float | None:
    """How much longer the present stage is watched; None while its time has not begun."""
    if observation.window_from is None or observation.stage == observation.REST:
        return None
    length = 60 * int(observation.settings.get("minutes", 0)) + observation.away
    return max(0.0, length - (now - observation.window_from).total_seconds())


def _to_json(found: Judgement, evidence: Evidence, now: datetime) -> dict[str, object]:
    return {"at": now.isoformat(), "findings": [asdict(each) for each in found.findings], "exits": list(evidence.exits)}


def _act_on(observation: UpgradeObservation, service: Service, verdict: str) -> None:
    """Do what the policy says; what another change came before is looked at again."""
    policy = VerdictSettings.from_json(observation.settings) or VerdictSettings()
    try:
        if verdict == BAD and policy.on_bad == ROLLBACK:
            _roll_back(observation, service)
        elif verdict == BAD or (verdict == UNCLEAR and _is_out_of_patience(observation)):
            _stop(observation, service)
        elif verdict == GOOD and observation.stage == observation.FIRST_BATCH:
            _let_others_follow(observation, service)
        elif verdict == GOOD and policy.on_good == FINISH:
            _step(observation, service, "finishupgrade", FINISHED)
        elif verdict == GOOD:
            _save(observation, outcome=ASKED, ended=timezone.now())
    except Problem as problem:
        log.info("service %s: %s", service.pk, problem)


def _is_out_of_patience(observation: UpgradeObservation) -> bool:
    if observation.window_from is None or observation.observed_at is None:
        return False
    length = timedelta(minutes=int(observation.settings.get("minutes", 0)), seconds=observation.away)
    return observation.observed_at - observation.window_from > MOST_WINDOWS * length


def _roll_back(observation: UpgradeObservation, service: Service) -> None:
    """Roll back; an upgrade that is still going on has to be canceled first."""
    if service.LIFECYCLE.allows("rollback", service.display_state):
        _step(observation, service, "rollback", ROLLED_BACK)
    elif service.LIFECYCLE.allows("cancelupgrade", service.display_state):
        _step(observation, service, "cancelupgrade", ROLLING_BACK)


def _stop(observation: UpgradeObservation, service: Service) -> None:
    """Replace no more containers until somebody decides; nothing is left to stop once all are replaced."""
    if service.LIFECYCLE.allows("cancelupgrade", service.display_state):
        _step(observation, service, "cancelupgrade", STOPPED)
    elif service.display_state == "upgraded":
        _save(observation, outcome=ASKED, ended=timezone.now())


def _let_others_follow(observation: UpgradeObservation, service: Service) -> None:
    with transaction.atomic():
        _save(observation, stage=observation.REST, window_from=None, away=0, verdict=WATCHING)
        enqueue_after_commit(service.KIND, service.pk)


def _step(observation: UpgradeObservation, service: Service, action: str, outcome: str) -> None:
    ended = None if outcome == ROLLING_BACK else timezone.now()
    reason = {"by": "upgrade verdict", "verdict": observation.verdict, "evidence": observation.summary}
    event = f"{service.KIND}.{action}"
    with transaction.atomic():
        service_upgrade_step(service, action, actor=SYSTEM, reason=reason)
        note_progress(service, f"By the verdict on the upgrade, {observation.verdict}: {observation.summary}")
        # What the loop does by itself is in no audit log; this is a decision that somebody else would have taken.
        record(event, actor=None, row=service, environment_id=service.environment_id, request=reason)
        _save(observation, outcome=outcome, ended=ended)


def _save(observation: UpgradeObservation, **columns: object) -> None:
    for name, value in columns.items():
        setattr(observation, name, value)
    observation.save(update_fields=[*columns])


def observations_of(services: Iterable[Service]) -> dict[int, UpgradeObservation]:
    """The last observation of each of these services that is being, or was just, upgraded; one query for all."""
    wanted = {row.pk for row in services if row.upgrade.get("verdict")}
    if not wanted:
        return {}
    return {each.service_id: each for each in UpgradeObservation.objects.filter(service__in=wanted).order_by("pk")}
