"""`container`, and what its actions take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.resources import launch, parts, volumes
from apps.api.resources.removal_previews import preview_link
from apps.api.resources.socket_tickets import issue_socket_ticket, stats_ticket_link
from apps.api.resources.stats_history import stats_history
from apps.api.wire.context import ApiCaller
from apps.api.wire.dispatch import in_one_transaction
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Link,
    Resource,
    RowContext,
)
from apps.api.wire.roles import OPERATOR_INPUT, TypeRoles
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.port_forward import check_port
from apps.containers.services import container_act, container_create, container_update
from apps.containers.streams import enforce_shell_policy, shell_verdict
from apps.core.errors import Forbidden, Invalid
from apps.core.ids import wire_id

MAX_COUNT = 100
_REMOVABLE = frozenset({"requested", "creating", "stopped", "error", "updating-stopped"})


def _stop(caller: ApiCaller, row: Container, data: Data) -> None:
    if data.get("remove"):
        container_act(row, "remove", actor=caller.actor)
    else:
        container_act(row, "stop", actor=caller.actor, timeout=data.get("timeout"))


def _logs(caller: ApiCaller, row: Container, data: Data) -> Data:
    return issue_socket_ticket(caller, row, "logs", "logs/", tail=data.get("lines"), follow=data.get("follow"))


def _execute(caller: ApiCaller, row: Container, data: Data) -> Data:
    if not (allowed := shell_verdict(caller.actor, row)):
        raise Forbidden(allowed.reason)
    # Before a ticket exists: the policy may have become stricter since the container was started.
    enforce_shell_policy(row)
    return issue_socket_ticket(caller, row, "exec", "exec/", command=list(data["command"]), tty=data.get("tty"))


def _port_forward(caller: ApiCaller, row: Container, data: Data) -> Data:
    if not (allowed := shell_verdict(caller.actor, row)):
        raise Forbidden(allowed.reason)
    enforce_shell_policy(row)
    answer = issue_socket_ticket(caller, row, "forward", "", port=check_port(data["port"]))
    return {**answer, "url": answer["url"].removesuffix("/v1/") + "/ws/forward"}


def _proxy(caller: ApiCaller, row: Container, data: Data) -> Data:
    """A ticket for one HTTP request to a port of the container."""
    if data.get("scheme") == "https":
        raise Invalid("scheme", "InvalidOption", "Requests are passed on as http only; forward the port for https.")
    if not (allowed := shell_verdict(caller.actor, row)):
        raise Forbidden(allowed.reason)
    enforce_shell_policy(row)
    answer = issue_socket_ticket(caller, row, "proxy", "", port=check_port(data.get("port", 80)))
    return {**answer, "url": f"{caller.base}/v1/container-proxy/"}


def _requested_host(context: RowContext) -> str | None:
    key = context.row.requested_host_id
    return wire_id("h", key) if key else None


def _deployment_unit(context: RowContext) -> str | None:
    tags = context.row.tags or {}
    return tags.get("io.rancher.service.deployment.unit")


def _container_stats(caller: ApiCaller, row: Container) -> Data:
    """The ticket of a container's statistics; v1 writes the engine's id of it into the URL."""
    path = f"containerstats/{row.external_id}" if row.external_id else "containerstats"
    return issue_socket_ticket(caller, row, "stats", path, "statsAccess")


class ContainerExecResource(EmbeddedResource):
    """The command that `execute` runs in a container."""

    name = "containerExec"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "exec": "c"})
    own_fields = parse_fields("""
        attachStdin  boolean       c =true ~
        attachStdout boolean       c =true ~
        command      array[string] c *
        tty          boolean       c =true ~
    """)


class PortForwardInputResource(EmbeddedResource):
    """Which port of a container a connection is wanted to (not in Rancher's v1)."""

    name = "portForwardInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "exec": "c"})
    own_fields = parse_fields("port int c * 1..65535")


class ContainerProxyResource(EmbeddedResource):
    """Which port of a container an HTTP request is wanted to."""

    name = "containerProxy"
    plural = "containerProxys"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "exec": "c"})
    own_fields = parse_fields("""
        port   int  c =80 0..65535
        scheme enum c ="http" :http|https
    """)


class ContainerLogsResource(EmbeddedResource):
    """How much of a container's log to send, and whether to follow it."""

    name = "containerLogs"
    plural = "containerLogses"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        follow boolean c =true ~
        lines  int     c =100 0..
    """)


class InstanceStopResource(EmbeddedResource):
    """How long to wait for a container to stop, and whether to remove it then."""

    name = "instanceStop"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        remove  boolean c ~
        timeout int     c 0..600
    """)


class ContainerResource(Resource):
    """One container, created here, by a service, or outside the portal (`nativeContainer`)."""

    name = "container"
    base_type = "instance"
    model = Container
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
    own_fields = (
        *parse_fields("""
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
        *launch.LAUNCH_CONFIG_FIELDS,
    )
    computed = {
        **launch.computed_launch_fields(),
        "deploymentUnitUuid": _deployment_unit,
        "requestedHostId": _requested_host,
        "labels": lambda context: {**(context.row.tags or {}), **(context.extra["config"].get("labels") or {})},
    }
    custom_actions = {
        "stop": Action(_stop, "instanceStop", "container"),
        "logs": Action(_logs, "containerLogs", "hostAccess", "logs", frozenset({"running", "stopped", "stopping"})),
        "execute": Action(_execute, "containerExec", "hostAccess", "exec", frozenset({"running"})),
        "proxy": Action(_proxy, "containerProxy", "hostAccess", "exec", frozenset({"running"})),
        "portforward": Action(_port_forward, "portForwardInput", "hostAccess", "exec", frozenset({"running"})),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "hosts": Link("host", column="containers"),
        "services": Link("service", column="members__container", also="slots__previous"),
        "serviceExposeMaps": Link("serviceExposeMap", column="container"),
        "stats": Link(call=stats_ticket_link("stats")),
        "statsHistory": Link(call_with_query=stats_history),
        "containerStats": Link(call=_container_stats),
        "ports": Link(call=parts.ports_of),
        "mounts": Link(call=volumes.mounts_of),
        "volumes": Link(call=volumes.volumes_of),
        "ipAddresses": Link(call=parts.addresses_of_container),
        "removalPreview": Link(call=preview_link),
    }

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The launch configuration of each, with the values of variables only where the caller may see them."""
        values_visible = {
            key: "values" in caller.actor.permissions(key) for key in {row.environment_id for row in rows}
        }
        return {
            row.pk: {"config": launch.serialize_launch_config(row.config, values=values_visible[row.environment_id])}
            for row in rows
        }

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Create one container, or `count` of them under numbered names: all or none."""
        config, count = LaunchConfig.from_wire(data), data.get("count", 1)
        name, about = data.get("name", ""), data.get("description", "")
        environment = caller.require_environment()
        if count > 1 and config.ports and any(port.public for port in config.ports):
            raise Invalid(
                "count",
                "InvalidOption",
                "Several containers cannot publish the same port; leave the host port out.",
            )

        def make(number: int) -> Container:
            each = f"{name}{number}" if name and count > 1 else name
            return container_create(
                actor=caller.actor, environment=environment, config=config, name=each, description=about
            )

        made = in_one_transaction(lambda: [make(number + 1) for number in range(count)])
        return made if count > 1 else made[0]

    def update(self, caller: ApiCaller, row: Container, data: Data) -> None:
        """Change name or description."""
        container_update(row, actor=caller.actor, **data)

    def act(self, caller: ApiCaller, row: Container, action: str) -> None:
        """Start, restart, remove, purge."""
        container_act(row, action, actor=caller.actor)

    def is_offered(self, row: Container, action: str) -> bool:
        """DELETE stops a running container first, but v1 lists `remove` only among the actions of stopped ones."""
        return action != "remove" or row.display_state in _REMOVABLE
