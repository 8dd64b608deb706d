"""`container`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.resources import launch
from apps.api.resources.access import host_access, statistics
from apps.api.resources.history import stats_history
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Link, Resource, Seen, register
from apps.api.wire.work import together
from apps.containers.models import Container
from apps.containers.services import container_act, container_create, container_update
from apps.containers.spec import LaunchConfig
from apps.containers.streams import shell_insist
from apps.core.errors import Invalid
from apps.core.ids import wire_id

MOST = 100
_REMOVABLE = frozenset({"requested", "creating", "stopped", "error", "updating-stopped"})


def _stop(caller: Caller, row: Container, data: Data) -> None:
    if data.get("remove"):
        container_act(row, "remove", actor=caller.actor)
    else:
        container_act(row, "stop", actor=caller.actor, timeout=data.get("timeout"))


def _logs(caller: Caller, row: Container, data: Data) -> Data:
    return host_access(caller, row, "logs", "logs/", tail=data.get("lines"), follow=data.get("follow"))


def _execute(caller: Caller, row: Container, data: Data) -> Data:
    shell_insist(row)
    return host_access(caller, row, "exec", "exec/", command=list(data["command"]), tty=data.get("tty"))


def _requested_host(seen: Seen) -> str | None:
    key = seen.row.requested_host_id
    return wire_id("h", key) if key else None


def _unit(seen: Seen) -> str | None:
    tags = seen.row.tags or {}
    return tags.get("io.rancher.service.deployment.unit")


@register
class ContainerType(Resource):
    """One container, made here, by a service or outside (`nativeContainer`)."""

    name = "container"
    root = "instance"
    model = Container
    own = (
        *table("""
            count              int             c  1..100
            createIndex        int             r
            deploymentUnitUuid string          r
            externalId         string          r  <external_id
            firstRunning       date            r  <first_running
            healthState        enum            r  <health
            hostId             reference[host] r  <host_id
            nativeContainer    boolean         r  <native ~
            primaryIpAddress   string          r  <address
            startCount         int             r  <start_count
            systemContainer    enum            r  :NetworkAgent|LoadBalancerAgent
            version            string          r  ="0" ~
        """),
        *launch.LAUNCH_CONFIG,
    )
    computed = {
        **launch.computed(),
        "deploymentUnitUuid": _unit,
        "requestedHostId": _requested_host,
        "labels": lambda seen: {**(seen.row.tags or {}), **(seen.extra["config"].get("labels") or {})},
    }
    verbs = {
        "stop": Action(_stop, "instanceStop", "container"),
        "logs": Action(_logs, "containerLogs", "hostAccess", "logs", frozenset({"running", "stopped", "stopping"})),
        "execute": Action(_execute, "containerExec", "hostAccess", "exec", frozenset({"running"})),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "hosts": Link("host", column="containers"),
        "services": Link("service", column="slots__container"),
        "stats": Link(call=statistics("stats")),
        "statsHistory": Link(asks=stats_history),
        "containerStats": Link(call=statistics("containerstats")),
    }

    def extras(self, caller: Caller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """Each one's configuration, read once."""
        open_ones = {key: "values" in caller.actor.permissions(key) for key in {row.environment_id for row in rows}}
        return {row.pk: {"config": launch.shown(row.config, values=open_ones[row.environment_id])} for row in rows}

    def create(self, caller: Caller, data: Data) -> Any:
        """One container, or `count` of them under numbered names: all or none."""
        config, count = LaunchConfig.from_wire(data), data.get("count", 1)
        name, about = data.get("name", ""), data.get("description", "")
        environment = caller.inside()
        if count > 1 and config.ports and any(port.public for port in config.ports):
            raise Invalid("count", "InvalidOption", "Several containers cannot publish the same port; leave it open.")

        def make(number: int) -> Container:
            each = f"{name}{number}" if name and count > 1 else name
            return container_create(
                actor=caller.actor, environment=environment, config=config, name=each, description=about
            )

        made = together(lambda: [make(number + 1) for number in range(count)])
        return made if count > 1 else made[0]

    def update(self, caller: Caller, row: Container, data: Data) -> None:
        """Change name or description."""
        container_update(row, actor=caller.actor, **data)

    def act(self, caller: Caller, row: Container, action: str) -> None:
        """Start, restart, remove, purge."""
        container_act(row, action, actor=caller.actor)

    def on_offer(self, row: Container, action: str) -> bool:
        """DELETE stops a running one first, but v1 lists `remove` among the actions of stopped ones only."""
        return action != "remove" or row.shown in _REMOVABLE
