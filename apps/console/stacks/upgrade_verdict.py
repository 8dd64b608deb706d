"""The verdict on an upgrade: what the card on a service's page says, and the part of the form that asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.components.state_badges import StateBadge
from apps.console.stacks.upgrade_charts import SignalChart, memory, number, percent, signal_charts
from apps.core.errors import Invalid
from apps.stacks.models import Service
from apps.stacks.verdict.continuing import is_judged_now
from apps.stacks.verdict.history import samples_of
from apps.stacks.verdict.judgement import BAD, GOOD, UNCLEAR
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import observations_of, seconds_to_verdict
from apps.stacks.verdict.settings import FINISH, ROLLBACK, VerdictSettings
from apps.stacks.verdict.signals import NOT_WORSE, UNKNOWN, WORSE

FORM_FIELDS = frozenset({"verdict", "verdictMinutes", "errorPattern"})
SHOWN_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One signal, old against new, in words."""

    label: str
    old: str
    new: str
    badge: StateBadge
    why: str


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """What is known of an upgrade that is judged."""

    badge: StateBadge
    text: str
    policy: str
    rows: list[SignalRow] = field(default_factory=list)
    exits: list[str] = field(default_factory=list)
    seconds_left: int | None = None
    is_held: bool = False
    charts: list[SignalChart] = field(default_factory=list)

    @property
    def time_left(self) -> str:
        """Minutes and seconds until the verdict."""
        minutes, seconds = divmod(self.seconds_left or 0, 60)
        return f"{minutes}:{seconds:02d}"


def verdict_card(row: Service) -> VerdictCard | None:
    """The card of the service's present upgrade, or for a day of its last; None where that was not judged."""
    found = observations_of([row]).get(row.pk)
    if found is None or (found.ended and not row.upgrade_phase and timezone.now() - found.ended > SHOWN_FOR):
        return None
    left = seconds_to_verdict(found, timezone.now()) if found.ended is None else None
    return VerdictCard(
        badge=_badge(found),
        text=_text(found),
        policy=_policy(VerdictSettings.from_json(found.settings) or VerdictSettings()),
        rows=[_signal_row(each) for each in found.evidence.get("findings", ())],
        exits=list(found.evidence.get("exits", ())),
        seconds_left=None if left is None else round(left),
        is_held=found.ended is None and found.stage == found.FIRST_BATCH and is_judged_now(row),
        charts=signal_charts(samples_of(found.history)),
    )


def _badge(found: UpgradeObservation) -> StateBadge:
    words = {GOOD: (_("Good"), "good"), BAD: (_("Bad"), "bad"), UNCLEAR: (_("Not enough evidence"), "warn")}
    by_hand = (_("Decided by hand"), "off")
    return StateBadge(*words.get(found.verdict, by_hand if found.ended else (_("Watching"), "busy")))


def _text(found: UpgradeObservation) -> str:
    """What is happening, or has come of it."""
    outcomes = {
        "finished": _("The upgrade was finished, as its policy says."),
        "rolled-back": _("The upgrade was rolled back, as its policy says."),
        "rolling-back": _("The upgrade is being rolled back, as its policy says."),
        "stopped": _("No more containers are replaced: finish the upgrade all the same, or roll it back."),
        "asked": _("Finish the upgrade, or roll it back."),
        "by-hand": _("Somebody decided before the verdict."),
    }
    if found.outcome:
        return outcomes.get(found.outcome, "")
    stages = {
        found.FIRST_BATCH: _("The first batch is watched beside the old containers; no others are replaced meanwhile."),
        found.REST: _("The first batch is good. The other containers are being replaced."),
        found.ALL: _("All containers are replaced. They are watched before the upgrade is finished."),
    }
    away = round(found.away / 60)
    if away < 1:
        return stages[found.stage]
    gap = ngettext(
        "Nobody watched for a minute, which is added.", "Nobody watched for %(n)d minutes, which are added.", away
    )
    return f"{stages[found.stage]} {gap % {'n': away}}"


def _policy(settings: VerdictSettings) -> str:
    good = _("Good: finished by itself.") if settings.on_good == FINISH else _("Good: you are asked.")
    bad = _("Bad: rolled back by itself.") if settings.on_bad == ROLLBACK else _("Bad: stopped until you decide.")
    return f"{good} {bad}"


def _signal_row(found: Mapping[str, Any]) -> SignalRow:
    words = {WORSE: (_("worse"), "bad"), NOT_WORSE: (_("not worse"), "good"), UNKNOWN: (_("not known"), "off")}
    badge = StateBadge(*words.get(found["word"], words[UNKNOWN]))
    label, old, new = _values(found)
    return SignalRow(label, old, new, badge, found["reason"] or _chance(found))


def _values(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """The signal's name, and both values as people read them."""
    signal, (old_count, new_count) = found["signal"], found["counts"]
    rates = {"restarts": _("Restarts"), "errors": _("Errors in logs")}
    if signal in rates:
        return rates[signal], _rate(found["old"], old_count), _rate(found["new"], new_count)
    texts = {
        "cpu": (_("CPU"), number),
        "memory": (_("Memory"), memory),
        "responses": (_("Failed responses of balancers"), percent),
    }
    if signal in texts:
        label, text = texts[signal]
        return label, text(found["old"]), text(found["new"])
    labels = {"running": _("Running"), "health": _("Health")}
    return labels.get(signal, signal), "", ""


def _rate(per_hour: float | None, count: int) -> str:
    return "–" if per_hour is None else _("%(rate).3g an hour (%(count)d)") % {"rate": per_hour, "count": count}


def _chance(found: Mapping[str, Any]) -> str:
    """How likely it is that there is no difference at all, in words."""
    p = found["p"]
    if p is None or p == 1:
        return ""
    if p < 0.0001:
        return _("Were both alike, chance would hardly ever make the new ones look that bad.")
    if p > 0.2:
        return _("Such a difference is common by chance.")
    odds = {"n": round(1 / p)}
    return _("Were both alike, chance would make the new ones look that bad once in %(n)d upgrades.") % odds


def verdict_form(row: Service) -> dict[str, str]:
    """What the form shows: how the service's upgrades are judged."""
    settings = VerdictSettings.from_json(row.verdict_settings)
    shown = settings or VerdictSettings()
    return {
        "verdict": "on" if settings else "",
        "verdictMinutes": str(shown.minutes),
        "finishGood": "on" if shown.on_good == FINISH else "",
        "rollbackBad": "on" if shown.on_bad == ROLLBACK else "",
        "errorPattern": shown.error_pattern,
    }


def parse_verdict_form(sent: Mapping[str, str]) -> dict[str, Any]:
    """What was sent, as `UpgradeStrategy` takes it. Raises `Invalid` about a field of the form."""
    if not sent.get("verdict"):
        return {"minutes": 0}
    minutes = sent.get("verdictMinutes", "").strip()
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 6 and int(minutes)):
        raise Invalid("verdictMinutes", "InvalidFormat", _("Enter for how many minutes to watch, such as 10."))
    return {
        "minutes": int(minutes),
        "onGood": FINISH if sent.get("finishGood") else "ask",
        "onBad": ROLLBACK if sent.get("rollbackBad") else "ask",
        "errorPattern": sent.get("errorPattern", "").strip(),
    }


def form_field(problem_field: str) -> str:
    """The form's field that a refusal of the settings is shown at."""
    return {"verdict.minutes": "verdictMinutes", "verdict.errorPattern": "errorPattern"}.get(
        problem_field, problem_field
    )
