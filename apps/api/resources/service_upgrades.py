"""What an upgrade of a service takes and shows: `serviceUpgrade` and its strategies (v1 contract, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.api.resources import launch
from apps.api.resources.balancer_settings import with_listeners_of
from apps.api.resources.upgrade_verdicts import serialize_judgement
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import validate_body
from apps.api.wire.resource import Data, find_resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.core.errors import Invalid
from apps.core.ids import row_number, wire_id
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.handover_services import AT, HandoverStrategy, service_hand_over
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.readiness import seconds_in
from apps.stacks.service_options import BALANCER, config_of_kind
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.verdict.continuing import service_continue_upgrade
from apps.stacks.verdict.observation import UpgradeObservation

_AT = "inServiceStrategy."


class ServiceUpgradeResource(EmbeddedResource):
    """The input of `upgrade`, and the state of the last one."""

    name = "serviceUpgrade"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        inServiceStrategy inServiceUpgradeStrategy c
        judgement         upgradeJudgement         r
        toServiceStrategy toServiceUpgradeStrategy c
    """)


class ServiceUpgradeStrategyResource(EmbeddedResource):
    """What the strategies have in common."""

    name = "serviceUpgradeStrategy"
    roles = READ_ONLY
    own_fields = parse_fields("""
        batchSize      int r =1
        intervalMillis int r =2000
    """)


class InServiceUpgradeStrategyResource(EmbeddedResource):
    """Containers are replaced within the service."""

    name = "inServiceUpgradeStrategy"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        batchSize                     int                          c =1 1..1000
        intervalMillis                int                          c =2000 100..86400000
        launchConfig                  launchConfig                 c
        minReadySeconds               int                          c 0..3600
        note                          string                       c 0..500
        previousLaunchConfig          launchConfig                 r
        previousSecondaryLaunchConfigs array[secondaryLaunchConfig] r
        replaceSidekicks              boolean                      c =false
        secondaryLaunchConfigs        array[secondaryLaunchConfig] c
        startFirst                    boolean                      c =false
        verdict                       upgradeVerdict               c
    """)


class ToServiceUpgradeStrategyResource(EmbeddedResource):
    """Another service takes over step by step."""

    name = "toServiceUpgradeStrategy"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        batchSize       int                c =1 1..1000
        finalScale      int                c =1 1..1000
        intervalMillis  int                c =2000 100..86400000
        minReadySeconds int                c 0..3600
        toServiceId     reference[service] c
        updateLinks     boolean            c
    """)


def upgrade(caller: ApiCaller, row: Service, data: Data) -> None:
    """Start the upgrade that the body of the action describes. Raises `Invalid`."""
    if _is_handover(data):
        _hand_over(caller, row, data["toServiceStrategy"])
        return
    sent = data.get("inServiceStrategy")
    if not sent:
        raise Invalid("inServiceStrategy", "MissingRequired", "Say how: inServiceStrategy with a launchConfig.")
    kind = find_resource("inServiceUpgradeStrategy")
    strategy = validate_body(kind.fields if kind else (), sent, "c")
    field = f"{_AT}secondaryLaunchConfigs"
    if "values" not in caller.actor.permissions(row.environment_id):
        strategy = _with_hidden_values(row, strategy)
    sidekicks = launch.parse_sidekicks(strategy.get("secondaryLaunchConfigs") or (), field)
    is_whole = bool(strategy.get("replaceSidekicks"))
    unknown = [each.name for each in sidekicks if each.name not in {known.name for known in row.sidekicks}]
    if unknown and not is_whole:
        raise Invalid(field, "InvalidOption", f"{row.name} has no sidekick {', '.join(unknown)[:200]}.")
    primary = strategy.get("launchConfig")
    if not primary and not sidekicks and not is_whole:
        raise Invalid(f"{_AT}launchConfig", "InvalidOption", "Nothing is to be upgraded; send a launchConfig.")
    service_upgrade(
        row,
        actor=caller.actor,
        config=config_of_kind(row.kind, primary, f"{_AT}launchConfig.") if primary else None,
        sidekicks=sidekicks,
        strategy=_pace(strategy),
        at=f"{_AT}launchConfig.",
        note=strategy.get("note") or "",
        is_whole=is_whole,
        balancer=_settings(row, primary) if primary else None,
    )


def _pace(strategy: Mapping[str, Any]) -> UpgradeStrategy:
    """How it goes on: in which batches and order, and who judges it."""
    return UpgradeStrategy(
        strategy.get("batchSize", 1),
        strategy.get("intervalMillis", 2000),
        strategy.get("startFirst", False),
        strategy.get("verdict"),
        min_ready=strategy.get("minReadySeconds"),
    )


def _with_hidden_values(row: Service, strategy: Mapping[str, Any]) -> dict[str, Any]:
    """The strategy with what its caller could not see of the service's configurations as it is."""
    known = {each.name: each.config for each in row.sidekicks}
    sidekicks = [
        launch.with_hidden_values(each, known.get(str(each.get("name"))) if isinstance(each, Mapping) else None)
        for each in strategy.get("secondaryLaunchConfigs") or ()
    ]
    primary = launch.with_hidden_values(strategy.get("launchConfig"), row.config)
    return {**strategy, "launchConfig": primary, "secondaryLaunchConfigs": sidekicks}


def continue_upgrade(caller: ApiCaller, row: Service, _data: Data) -> None:
    """Have an upgrade go on that waits for the verdict on its first batch."""
    service_continue_upgrade(row, actor=caller.actor)


def _settings(row: Service, sent: Mapping[str, Any]) -> BalancerSettings | None:
    """The settings of a balancer with the listeners of another launch configuration."""
    if row.kind != BALANCER:
        return None
    return with_listeners_of(row.balancer_settings, sent, f"{_AT}launchConfig.")


def _is_handover(data: Data) -> bool:
    """Whether another service takes over. Raises `Invalid` where both strategies are sent."""
    within, to = data.get("inServiceStrategy"), data.get("toServiceStrategy")
    if to and within:
        why = "Send inServiceStrategy, which replaces containers, or toServiceStrategy, which hands over; not both."
        raise Invalid("toServiceStrategy", "InvalidOption", why)
    return bool(to) or (to is not None and not within)


def _hand_over(caller: ApiCaller, row: Service, sent: Any) -> None:
    kind = find_resource("toServiceUpgradeStrategy")
    found = validate_body(kind.fields if kind else (), sent, "c")
    text = found.get("toServiceId") or ""
    if not text:
        raise Invalid(f"{AT}toServiceId", "MissingRequired", "Say which service takes over: toServiceId.")
    rows = Service.objects.within(caller.environments()).select_related("stack")
    target = rows.filter(pk=row_number(text) or 0, removed=None).first()
    if target is None:
        raise Invalid(f"{AT}toServiceId", "InvalidReference", f"There is no service {text[:64]!r} here.")
    strategy = HandoverStrategy(
        found.get("finalScale") or 1,
        found.get("batchSize") or 1,
        found.get("intervalMillis") or 2000,
        bool(found.get("updateLinks")),
        found.get("minReadySeconds"),
    )
    service_hand_over(row, target, actor=caller.actor, strategy=strategy)


def previous_configs(rows: Iterable[Service]) -> Mapping[int, ServiceRevision]:
    """What the services that are being, or were just, upgraded were before; one query for all."""
    wanted = {row.pk: row.previous_revision for row in rows if row.upgrade_phase}
    if not wanted:
        return {}
    found = ServiceRevision.objects.filter(service__in=wanted, number__in={*wanted.values()} - {None})
    return {each.service_id: each for each in found if wanted[each.service_id] == each.number}


def serialize_upgrade(
    row: Service, previous: ServiceRevision | None, observation: UpgradeObservation | None, *, values: bool
) -> dict[str, Any] | None:
    """The field `upgrade` of a service: null when nothing is to be finished or rolled back."""
    if not row.upgrade_phase:
        return None
    if row.upgrade_target_id is not None:
        return {"type": "serviceUpgrade", "inServiceStrategy": None, "toServiceStrategy": _serialize_handover(row)}

    before = previous.sidekicks if previous else ()
    strategy = {
        "type": "inServiceUpgradeStrategy",
        **{name: row.upgrade.get(name) for name in ("batchSize", "intervalMillis", "startFirst")},
        "minReadySeconds": seconds_in(row.upgrade),
        "verdict": row.upgrade.get("verdict"),
        "launchConfig": launch.serialize_service_config(row.name, row, values=values),
        "previousLaunchConfig": launch.serialize_service_config(row.name, previous, values=values)
        if previous
        else None,
        "secondaryLaunchConfigs": launch.serialize_sidekicks(row.name, row.sidekicks, values=values),
        "previousSecondaryLaunchConfigs": launch.serialize_sidekicks(row.name, before, values=values),
    }
    return {
        "type": "serviceUpgrade",
        "inServiceStrategy": strategy,
        "judgement": serialize_judgement(observation),
        "toServiceStrategy": None,
    }


def _serialize_handover(row: Service) -> dict[str, Any]:
    names = ("batchSize", "finalScale", "intervalMillis", "updateLinks")
    target = wire_id("s", row.upgrade_target_id) if row.upgrade_target_id is not None else None
    kept = {name: row.upgrade.get(name) for name in names} | {"minReadySeconds": seconds_in(row.upgrade)}
    return {"type": "toServiceUpgradeStrategy", **kept, "toServiceId": target}
