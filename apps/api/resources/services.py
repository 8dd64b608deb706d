"""`service` and its links, `serviceConsumeMap`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.api.resources import launch, service_restarts, service_revisions, service_upgrades
from apps.api.resources.balancer_settings import read_settings
from apps.api.resources.deleted_resources import RESTORE
from apps.api.resources.image_updates import apply_updates
from apps.api.resources.locks import LOCK, UNLOCK, serialize_lock, with_lock_state
from apps.api.resources.public_endpoints import serialize_endpoints
from apps.api.resources.removal_previews import preview_service_link
from apps.api.resources.service_runs import serialize_schedule
from apps.api.resources.undoing import UNDO, undo_seconds
from apps.api.resources.what_if import service_what_if
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick, validate_body
from apps.api.wire.resource import (
    ALWAYS_ACTIVE,
    Action,
    Data,
    Link,
    Resource,
    counterpart,
    find_resource,
)
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY, USER_INPUT, TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.environments.access import Verdict
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.health import wire_health
from apps.stacks.lifecycle import SERVICE
from apps.stacks.lost_host_policy import policy_name
from apps.stacks.models import Service, ServiceLink, ServiceRevision, Stack
from apps.stacks.names.values import service_fqdn
from apps.stacks.removed_links import RemovedServiceLink
from apps.stacks.selectors import containers_to_run, health_of, service_views
from apps.stacks.service_options import (
    ADDRESS_SETTINGS,
    BALANCER,
    EXTERNAL,
    ExternalTarget,
    ServiceOptions,
    config_of_kind,
    kind_of_image,
    parse_target,
)
from apps.stacks.service_options import SERVICE as SERVICE_KIND
from apps.stacks.services import (
    link_add,
    link_remove,
    links_set,
    service_act,
    service_create,
    service_update,
)
from apps.stacks.sidekicks import UnitConfig
from apps.stacks.undo import is_undoable
from apps.stacks.updates.selectors import update_states
from apps.stacks.verdict.continuing import ACTION as CONTINUE
from apps.stacks.verdict.continuing import STATES as CONTINUE_STATES
from apps.stacks.verdict.continuing import is_judged_now
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import observations_of

# Links are no part of what is upgraded, and rancher-compose sets them while a service waits for its upgrade's end.
_LINKABLE = SERVICE.transitions["remove"].start


def resolve_link(caller: ApiCaller, link: Any, wire_type: str = "serviceLink") -> tuple[Service, str]:
    """The service that a `serviceLink` refers to, and the link's name."""
    kind = find_resource(wire_type)
    data = validate_body(kind.fields if kind else (), link, "c")
    rows = Service.objects.within(caller.environments()).select_related("stack")
    row = rows.filter(pk=row_number(data["serviceId"]) or 0, removed=None).first()
    if row is None:
        raise Invalid("serviceId", "InvalidReference", f"There is no service {data['serviceId'][:64]!r} here.")
    return row, data.get("name", "")


def _set_links(caller: ApiCaller, row: Service, data: Data) -> None:
    links_set(row, [resolve_link(caller, link) for link in data.get("serviceLinks", ())], actor=caller.actor)


def _link_action(change: Callable[..., None]) -> Callable[[ApiCaller, Service, Data], None]:
    def act(caller: ApiCaller, row: Service, data: Data) -> None:
        target, name = resolve_link(caller, data["serviceLink"])
        change(row, target, name, actor=caller.actor)

    return act


def read_options(kind: str, data: Data, current: ServiceOptions) -> ServiceOptions:
    """The options of a service of this kind, of what was sent; what was not stays as it is."""
    settings = {name: data[name] for name in ADDRESS_SETTINGS if name in data}
    found = replace(
        current,
        selector_link=data.get("selectorLink", current.selector_link),
        selector_container=data.get("selectorContainer", current.selector_container),
        address_settings={**current.address_settings, **settings},
    )
    if kind == BALANCER:
        found = replace(found, balancer=read_settings(data, current.balancer or BalancerSettings()))
    return replace(found, external=_read_target(data, current.external)) if kind == EXTERNAL else found


def _read_target(data: Data, current: ExternalTarget) -> ExternalTarget:
    """Where an external service leads; what is sent of addresses and hostname takes the place of both."""
    addresses, hostname = data.get("externalIpAddresses"), data.get("hostname")
    return parse_target(
        addresses if addresses is not None else () if hostname else current.addresses,
        hostname if hostname is not None else "" if addresses else current.hostname,
        data.get("healthCheck") or current.health_check,
    )


def _configs(
    row: Service, previous: ServiceRevision | None, observation: UpgradeObservation | None, *, values: bool
) -> dict[str, Any]:
    """What a service is made from, and what it was before its upgrade."""
    return {
        "config": launch.serialize_service_config(row.name, row, values=values),
        "sidekicks": launch.serialize_sidekicks(row.name, row.sidekicks, values=values),
        "upgrade": service_upgrades.serialize_upgrade(row, previous, observation, values=values),
    }


class AddRemoveServiceLinkInputResource(EmbeddedResource):
    """The link that `addservicelink` or `removeservicelink` is about."""

    name = "addRemoveServiceLinkInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("serviceLink serviceLink c *")


class SetServiceLinksInputResource(EmbeddedResource):
    """The links that replace a service's."""

    name = "setServiceLinksInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("serviceLinks array[serviceLink] c")


class ServiceLinkResource(EmbeddedResource):
    """A service and the name under which another one reaches it."""

    name = "serviceLink"
    roles = USER_INPUT
    own_fields = parse_fields("""
        name      string             c
        serviceId reference[service] c *
        uuid      string             r
    """)


class ServiceResource(Resource):
    """Containers of one launch configuration, kept at the desired scale."""

    name = "service"
    model = Service
    shows_reason_at_rest = True
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
    own_fields = parse_fields("""
        name                   string                       cu <name * 1..63
        assignServiceIpAddress boolean                      c  =false ~
        createIndex            int                          r
        currentScale           int                          r  ~
        environmentId          reference[environment]       c  <stack_id *
        externalId             string                       c  <external_id 0..255
        fqdn                   string                       r
        healthState            string                       r
        imageUpdate            enum                         r  :newer|current|unknown
        imageUpdatePolicy      imageUpdatePolicy            cu <update_policy ?
        kind                   string                       r  <kind
        launchConfig           launchConfig                 c
        lock                   lock                         r
        lostHostPolicy         enum                         cu :wait|reschedule
        lostHostSeconds        int                          cu <lost_after 10..86400
        metadata               map[json]                    cu
        publicEndpoints        array[publicEndpoint]        r
        retainIp               boolean                      cu
        runningScale           int                          r  ~
        scale                  int                          cu <scale =1 ~
        scalePolicy            scalePolicy                  cu <scale_policy ?
        schedule               serviceSchedule              cu ?
        secondaryLaunchConfigs array[secondaryLaunchConfig] c  ~
        selectorContainer      string                       cu <selector_container
        selectorLink           string                       cu <selector_link
        startOnCreate          boolean                      c  <start_on_create =false
        targetScale            int                          r  ~
        upgrade                serviceUpgrade               r
        upgradeVerdict         upgradeVerdict               cu <verdict_settings
        vip                    string                       c
    """)
    computed = {
        "assignServiceIpAddress": lambda context: bool(context.row.address_settings.get("assignServiceIpAddress")),
        "currentScale": lambda context: len(context.extra["view"].containers),
        "fqdn": lambda context: service_fqdn(context.row.name, context.row.stack.name),
        "healthState": lambda context: wire_health(health_of(context.row)),
        "imageUpdate": lambda context: context.extra["update"],
        "imageUpdatePolicy": lambda context: context.row.update_policy or None,
        "launchConfig": lambda context: context.extra["config"],
        "lock": serialize_lock,
        "lostHostPolicy": lambda context: policy_name(context.row.lost_after),
        "metadata": lambda context: context.row.metadata or None,
        "scalePolicy": lambda context: context.row.scale_policy or None,
        "schedule": serialize_schedule,
        "publicEndpoints": lambda context: serialize_endpoints(context.extra["view"].members, context.row.pk),
        "retainIp": lambda context: context.row.address_settings.get("retainIp"),
        "runningScale": lambda context: context.extra["view"].running,
        "secondaryLaunchConfigs": lambda context: context.extra["sidekicks"],
        "targetScale": lambda context: containers_to_run(context.row),
        "upgrade": lambda context: context.extra["upgrade"],
        "upgradeVerdict": lambda context: context.row.verdict_settings or None,
        "vip": lambda context: context.row.address_settings.get("vip") or None,
    }
    custom_actions = {
        CONTINUE: Action(service_upgrades.continue_upgrade, states=CONTINUE_STATES, is_change=True),
        "setservicelinks": Action(_set_links, "setServiceLinksInput", states=_LINKABLE, is_change=True),
        "addservicelink": Action(_link_action(link_add), "addRemoveServiceLinkInput", states=_LINKABLE, is_change=True),
        "lock": LOCK,
        "restore": RESTORE,
        "undo": UNDO,
        "unlock": UNLOCK,
        "upgrade": Action(service_upgrades.upgrade, "serviceUpgrade"),
        "upgradeimages": Action(apply_updates, states=SERVICE.transitions["upgrade"].start, is_change=True),
        "restart": Action(service_restarts.restart, "serviceRestart"),
        "returntorevision": Action(
            service_revisions.return_to_revision,
            "returnToRevisionInput",
            "stackUpgradePreview",
            states=SERVICE.transitions["upgrade"].start,
            is_change=True,
        ),
        "removeservicelink": Action(
            _link_action(link_remove), "addRemoveServiceLinkInput", states=_LINKABLE, is_change=True
        ),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "environment": Link("environment", attribute="stack_id"),
        "instances": Link("container", column="memberships__service", also="kept_by__service"),
        "serviceExposeMaps": Link("serviceExposeMap", column="service"),
        "consumedservices": Link("service", column="linked_by__service"),
        "consumedbyservices": Link("service", column="links__target"),
        "removalPreview": Link(call_with_query=preview_service_link),
        "whatIf": Link(call_with_query=service_what_if),
        "deployWebhooks": Link("deployWebhook", column="service"),
        "imageUpdates": Link("imageUpdate", column="service"),
        "revisions": Link("serviceRevision", column="service"),
        "runs": Link("serviceRun", column="service"),
    }

    def of_row(self, row: Any) -> Resource:
        """The type of the service's kind."""
        return counterpart(row.kind, self.dialect) or self

    def kind_of(self, row: Any) -> str:
        """The service's kind."""
        return self.name if row is None else str(row.kind)

    def rows(self, caller: ApiCaller) -> Any:
        """The services of the environments the caller sees."""
        return Service.objects.within(caller.environments()).select_related("stack")

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The containers, links and launch configuration of each."""
        views = {view.service.pk: view for view in service_views(rows)}
        previous, observations = service_upgrades.previous_configs(rows), observations_of(rows)
        updates = update_states(rows)
        values_visible = {
            key: "values" in caller.actor.permissions(key) for key in {row.environment_id for row in rows}
        }
        return {
            row.pk: {
                "view": views[row.pk],
                "update": updates.get(row.pk),
                **_configs(
                    row,
                    previous.get(row.pk),
                    observations.get(row.pk),
                    values=values_visible[row.environment_id],
                ),
            }
            for row in rows
        }

    def create(self, caller: ApiCaller, data: Data) -> Service:
        """Create a service in a stack."""
        stack = Stack.objects.within(caller.environments()).filter(pk=row_number(data["environmentId"]) or 0).first()
        if stack is None:
            text = data["environmentId"][:64]
            raise Invalid("environmentId", "InvalidReference", f"There is no stack {text!r} here.")
        more = pick(
            data,
            scale="scale",
            description="description",
            metadata="metadata",
            start_on_create="startOnCreate",
            external_id="externalId",
        )
        more["scale_policy"] = data.get("scalePolicy")
        more["verdict_settings"], more["update_policy"] = data.get("upgradeVerdict"), data.get("imageUpdatePolicy")
        more["schedule"] = data.get("schedule")
        more["lost_host"] = (data.get("lostHostPolicy"), data.get("lostHostSeconds"))
        kind = self._kind_to_create(data)
        config = config_of_kind(kind, data.get("launchConfig") or {})
        sidekicks = launch.parse_sidekicks(data.get("secondaryLaunchConfigs") or (), "secondaryLaunchConfigs")
        unit = UnitConfig(config, tuple(sidekicks))
        more["options"] = read_options(kind, data, ServiceOptions(kind=kind))
        return service_create(actor=caller.actor, stack=stack, name=data["name"], config=unit, **more)

    def _kind_to_create(self, data: Data) -> str:
        """The type's own kind, or what an image that is none stands for, as in compose files: nobody could pull it."""
        image = str((data.get("launchConfig") or {}).get("imageUuid") or "").removeprefix("docker:")
        kind = kind_of_image(image) if self.name == SERVICE_KIND else self.name
        if kind == EXTERNAL and self.name != EXTERNAL:
            why = f"{image[:60]} stands for an external service: send it to /v1/externalservices, with where it leads."
            raise Invalid("imageUuid", "InvalidOption", why)
        return kind

    def update(self, caller: ApiCaller, row: Service, data: Data) -> None:
        """Change scale, name, description, metadata, schedule or what happens when a host is lost."""
        lost = (data.pop("lostHostPolicy", None), data.pop("lostHostSeconds", None))
        options = read_options(self.name, data, row.options)
        if "scalePolicy" in data:
            data["scale_policy"] = data.pop("scalePolicy")
        for name, column in (("upgradeVerdict", "verdict_settings"), ("imageUpdatePolicy", "update_policy")):
            data |= {column: data.pop(name)} if name in data else {}
        more = {"undo_seconds": undo_seconds(caller), **data}
        service_update(row, actor=caller.actor, lost_host=lost, options=options, **more)

    def act(self, caller: ApiCaller, row: Service, action: str) -> None:
        """Activate, deactivate, remove, purge; finish, cancel or roll back an upgrade; run a scheduled one now."""
        service_act(row, action, actor=caller.actor, undo_seconds=undo_seconds(caller))

    def is_offered(self, row: Service, action: str) -> bool:
        """Undoing only while there is something to undo, and continuing while a verdict may be waited for."""
        return {"undo": is_undoable, CONTINUE: is_judged_now}.get(action, lambda _row: True)(row)

    def verdict(self, caller: ApiCaller, row: Service, action: str) -> Verdict:
        """The same, where locks have a say in locking too."""
        return with_lock_state(caller, row, action, super().verdict(caller, row, action))


class ServiceConsumeMapResource(Resource):
    """A service's link to another, read-only."""

    name = "serviceConsumeMap"
    model = ServiceLink
    roles = READ_ONLY
    own_fields = parse_fields("""
        serviceId         reference[service] r <service_id
        consumedServiceId reference[service] r <target_id
        name              string             r <name
        ports             array[string]      r
        accountId         reference[account] r <service__environment_id
        kind              string             r
        removed           date               r
        state             enum               r ~
        transitioning     enum               r ~ :yes|no|error
        transitioningMessage string r
        transitioningProgress int r
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "removed": lambda context: getattr(context.row, "removed", None),
        "state": lambda context: "removed" if isinstance(context.row, RemovedServiceLink) else "active",
        "ports": lambda context: context.row.ports,
    }
    links = {
        "service": Link("service", attribute="service_id"),
        "consumedService": Link("service", attribute="target_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The links of the services the caller sees."""
        return ServiceLink.objects.filter(service__environment__in=caller.environments()).select_related("service")

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """One of them, or one that was removed lately: clients look at what they unlinked once more."""
        found = super().find(caller, key)
        if found is not None or not isinstance(key, int):
            return found
        gone = RemovedServiceLink.objects.filter(service__environment__in=caller.environments(), pk=key)
        return gone.select_related("service").first()
