"""`host`, and `engineEndpoint` (not in Rancher's v1), which adds an engine without an agent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.resources import images, parts
from apps.api.resources.host_images import import_archive
from apps.api.resources.public_endpoints import serialize_endpoints
from apps.api.resources.removal_previews import preview_link
from apps.api.resources.socket_tickets import issue_socket_ticket, stats_ticket_link
from apps.api.resources.stats_history import stats_history
from apps.api.resources.what_if import host_what_if
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    Action,
    Data,
    Link,
    Resource,
)
from apps.api.wire.roles import USER_INPUT, TypeRoles
from apps.containers.models import Container
from apps.core.errors import Conflict
from apps.hosts.engine_ownership import why_unusable
from apps.hosts.models import Host
from apps.hosts.services import (
    host_act,
    host_create,
    host_drain,
    host_update,
)


def _evacuate(caller: ApiCaller, row: Host, data: Data) -> None:
    host_drain(row, actor=caller.actor, stop_standalone=bool(data.get("stopStandalone")))


class EvacuateInputResource(EmbeddedResource):
    """What happens to standalone containers when a host is drained."""

    name = "evacuateInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "hosts": "c"})
    own_fields = parse_fields("stopStandalone boolean c")


class SetLabelsInputResource(EmbeddedResource):
    """Labels as v1 sends them; clients expect its schema, though no action here takes it."""

    name = "setLabelsInput"
    roles = USER_INPUT
    own_fields = parse_fields("labels json c")


def _docker_socket(caller: ApiCaller, row: Host, _data: Data) -> Data:
    """A ticket for a connection to the part of the Docker API that is offered."""
    if reason := why_unusable(row):
        raise Conflict(reason)
    return issue_socket_ticket(caller, row, "dockersocket", "dockersocket/")


def _system_report(row: Host, name: str) -> str | None:
    """How its system container does; None for a host that has none."""
    return row.system_report.get(name, "starting" if name == "state" else "") if row.system_container else None


class HostResource(Resource):
    """A machine with an engine."""

    name = "host"
    model = Host
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "hosts": "ud"})
    own_fields = parse_fields("""
        agentState      string                  r
        computeTotal    int                     r
        hostname        string                  r  <hostname
        info            json                    r
        labels          map[string]             u  ~
        address         string                  u  <address 0..255
        memory          int                     u  <memory_limit
        milliCpu        int                     u  <milli_cpu_limit
        physicalHostId  reference[physicalHost] r  <pk
        publicEndpoints array[publicEndpoint]   r
        systemContainer boolean                 u  <system_container
        systemContainerState string             r
        systemContainerMessage string           r
    """)
    computed = {
        "agentState": lambda context: context.row.display_state if context.row.has_agent else None,
        "info": lambda context: context.row.info or None,
        "labels": lambda context: context.row.all_labels,
        "systemContainerState": lambda context: _system_report(context.row, "state"),
        "systemContainerMessage": lambda context: _system_report(context.row, "message"),
        "publicEndpoints": lambda context: serialize_endpoints(context.extra),
    }
    custom_actions = {
        "dockersocket": Action(
            _docker_socket, output="hostAccess", permission="engine", states=frozenset({"active", "inactive"})
        ),
        "evacuate": Action(_evacuate, "evacuateInput", "host"),
        "importimage": Action(import_archive, output="importedImages", permission="images", takes_file=True),
        "removeimage": Action(images.remove_image, "removeImageInput", permission="hosts"),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "instances": Link("container", column="host"),
        "hostEvents": Link("hostEvent", column="host"),
        "stats": Link(call=stats_ticket_link("stats")),
        "statsHistory": Link(call_with_query=stats_history),
        "hostStats": Link(call=stats_ticket_link("hoststats")),
        "containerStats": Link(call=stats_ticket_link("containerstats")),
        "images": Link("hostImage", column="host"),
        "ipAddresses": Link(call=parts.addresses_of_host),
        "physicalHost": Link("physicalHost", attribute="pk"),
        "removalPreview": Link(call=preview_link),
        "whatIf": Link(call_with_query=host_what_if),
        "storagePools": Link("storagePool", column="host"),
        "volumes": Link("volume", column="host"),
    }

    def kind_of(self, row: Any) -> str:  # noqa: ARG002 - the base's signature
        """Every engine here is Docker's."""
        return "docker"

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The containers of each host, for their published ports."""
        containers = Container.objects.within(caller.environments()).filter(
            host__in=[row.pk for row in rows], removed=None
        )
        found: dict[int, list[Container]] = defaultdict(list)
        for container in containers.select_related("host", "slot"):
            found[container.host_id or 0].append(container)
        return found

    def update(self, caller: ApiCaller, row: Host, data: Data) -> None:
        """Change name, description, labels, address, what may be reserved, or whether it has a system container."""
        columns = {"memory": "memory_limit", "milliCpu": "milli_cpu_limit", "systemContainer": "system_container"}
        host_update(row, actor=caller.actor, **{columns.get(name, name): value for name, value in data.items()})

    def act(self, caller: ApiCaller, row: Host, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        host_act(row, action, actor=caller.actor)


_CREDENTIAL_FIELDS = {
    **{name: name for name in ("ca", "cert", "key", "password", "user")},
    "host_key": "hostKey",
    "private_key": "privateKey",
}


class EngineEndpointResource(Resource):
    """The address of an engine and its credentials; creating one creates a host, which is the response."""

    name = "engineEndpoint"
    roles = TypeRoles(environment={"hosts": "c"})
    listable = False
    sortable = False
    own_fields = parse_fields("""
        url         string      c * 1..512
        name        string      c 0..255
        description string      c 0..1024
        labels      map[string] c
        address     string      c 0..255
        systemContainer boolean c
        ca          string      c
        cert        string      c
        key         password    c !
        user        string      c 0..128
        hostKey     string      c
        privateKey  password    c !
        password    password    c !
    """)

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none: it has become a host."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> Host:
        """Create a host, once its engine has answered."""
        tls = pick(data, **_CREDENTIAL_FIELDS)
        rest = {name: value for name, value in data.items() if name not in _CREDENTIAL_FIELDS.values()}
        rest["system_container"] = rest.pop("systemContainer", None)
        return host_create(actor=caller.actor, environment=caller.require_environment(), tls=tls, **rest)
