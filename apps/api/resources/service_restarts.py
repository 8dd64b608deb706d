"""What a rolling restart of a service takes: `serviceRestart` and its strategy (v1 contract, section 4.4)."""

from __future__ import annotations

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import validate_body
from apps.api.wire.resource import Data, find_resource
from apps.api.wire.roles import OPERATOR_INPUT
from apps.stacks.models import Service
from apps.stacks.restart_services import RestartStrategy, service_restart


class ServiceRestartResource(EmbeddedResource):
    """The input of `restart`."""

    name = "serviceRestart"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("rollingRestartStrategy rollingRestartStrategy c")


class RollingRestartStrategyResource(EmbeddedResource):
    """How many containers are restarted at a time, and how long between two batches."""

    name = "rollingRestartStrategy"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        batchSize       int c =1 1..1000
        intervalMillis  int c =2000 100..86400000
        minReadySeconds int c 0..3600
    """)


def restart(caller: ApiCaller, row: Service, data: Data) -> None:
    """Start the restart that the body describes; one container at a time where it says nothing. Raises `Invalid`."""
    kind = find_resource("rollingRestartStrategy")
    sent = validate_body(kind.fields if kind else (), data.get("rollingRestartStrategy") or {}, "c")
    strategy = RestartStrategy(sent.get("batchSize", 1), sent.get("intervalMillis", 2000), sent.get("minReadySeconds"))
    service_restart(row, actor=caller.actor, strategy=strategy)
