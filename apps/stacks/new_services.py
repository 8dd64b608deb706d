"""New services as rows that are checked and not saved yet: for one that somebody adds, and for a whole compose file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from django.db.models import F, QuerySet

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import GLOBAL_LABEL, is_global
from apps.containers.launch.unsupported import check_supported
from apps.containers.policy import Policy
from apps.containers.policy.enforce import enforce_policy
from apps.containers.reservations import check_reservations, check_unit_reservations
from apps.containers.selectors import policy_of
from apps.containers.services import check_references
from apps.core.errors import Invalid
from apps.stacks.balancer.services import balancer_unit, check_settings, describe_balancer
from apps.stacks.link_checks import check_selector
from apps.stacks.lost_host_policy import lost_after_from_labels, parse_lost_after
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.one_address import check_one_address
from apps.stacks.scale_policy import ScalePolicy
from apps.stacks.scheduled_services import check_schedulable, new_schedule
from apps.stacks.service_options import BALANCER, DEFAULT_OPTIONS, SERVICE, ServiceOptions, without_containers
from apps.stacks.sidekicks import UnitConfig, check_unit, name_field, names_of
from apps.stacks.updates.policy import parse_policy, policy_from_labels
from apps.stacks.upgrade import CANCELED, UPGRADING
from apps.stacks.verdict.settings import parse_verdict

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")
SERVICE_NAME_ONCE = "service_name_once"
MAX_SCALE = 1000
MAX_METADATA = 1024 * 1024


class ServiceSettings(TypedDict, total=False):
    """What may be said of a new service; `lost_host` is its policy and seconds for lost hosts, else a label says.

    `options` have its kind: an alias or an external service has no containers, its configuration keeps its labels.
    """

    scale: int
    description: str
    metadata: Mapping[str, Any] | None
    start_on_create: bool
    external_id: str
    lost_host: tuple[str | None, int | None]
    scale_policy: Mapping[str, Any] | None
    verdict_settings: Mapping[str, Any] | None
    update_policy: Mapping[str, Any] | None
    options: ServiceOptions
    schedule: Mapping[str, Any] | None


def check_name(name: Any, field: str = "name") -> str:
    """The name, if a stack, service or sidekick may have it. Raises `Invalid` on the field that it was sent in."""
    if not isinstance(name, str) or not name:
        raise Invalid(field, "MissingRequired", "A name is required.")
    if len(name) > 63:
        raise Invalid(field, "MaxLengthExceeded", "A name has at most 63 characters.")
    if not _NAME.fullmatch(name):
        raise Invalid(field, "InvalidCharacters", "A name has letters, digits and '-' inside, such as web-1.")
    return name


def service_taken(name: str, field: str = "name", *, master: str = "") -> Invalid:
    """What is said when the stack has a service of this name, or the service `master` a sidekick."""
    has = f"The service {master!r} has a sidekick" if master else "The stack has a service"
    return Invalid(field, "NotUnique", f"{has} {name!r} already; choose another name.")


def name_kept(name: str, field: str = "name", *, master: str) -> Invalid:
    """What is said when a rollback of the service `master` would bring back a sidekick of this name."""
    why = f"A rollback of the service {master!r} would bring its sidekick {name!r} back"
    remedy = f"finish or roll back the upgrade of {master} first, or choose another name."
    return Invalid(field, "NotUnique", f"{why}; {remedy}")


def check_scale(scale: Any) -> int:
    """The scale, if a service may have it. Raises `Invalid`."""
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise Invalid("scale", "InvalidFormat", "The scale must be a whole number.")
    if scale < 0:
        raise Invalid("scale", "MinLimitExceeded", "The scale cannot be below 0.")
    if scale > MAX_SCALE:
        raise Invalid("scale", "MaxLimitExceeded", f"The scale cannot be above {MAX_SCALE}.")
    return scale


def check_global_scale(name: str, scale: int) -> None:
    """Refuse another scale than 1 of a service that has one container on each host. Raises `Invalid`."""
    if scale != 1:
        why = (
            f"{name} has one container on each host, by its label {GLOBAL_LABEL}: drop the label, or leave scale at 1."
        )
        raise Invalid("scale", "InvalidOption", why)


def check_scale_policy(policy: Mapping[str, Any] | None, config: LaunchConfig) -> dict[str, int]:
    """The scale policy as it is stored, empty without one (None). Raises `Invalid`."""
    found = ScalePolicy.from_wire(policy)
    if found is not None and is_global(config):
        why = f"A service with the label {GLOBAL_LABEL} has one container on each host; drop the label or the policy."
        raise Invalid("scalePolicy", "InvalidOption", why)
    return found.to_wire() if found else {}


def check_metadata(metadata: Any) -> dict[str, Any]:
    """The metadata, if a service may have it. Raises `Invalid`."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise Invalid("metadata", "InvalidFormat", "Metadata is a map.")
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise Invalid("metadata", "MaxLimitExceeded", "Metadata is at most 1 MB.")
    return dict(metadata)


def check_verdict(sent: Any) -> dict[str, Any]:
    """How upgrades are judged, as it is stored; empty where they are not. Raises `Invalid`."""
    found = parse_verdict(sent, "upgradeVerdict")
    return found.to_json() if found else {}


def check_update_policy(sent: Any) -> dict[str, Any]:
    """What is done about newer images, as it is stored; empty to follow the environment. Raises `Invalid`."""
    found = parse_policy(sent)
    return found.to_json() if found else {}


def link_name(target: Service, name: str) -> str:
    """The name of a link to `target`: its own where none is given."""
    return name or target.name


def build_service(
    stack: Stack,
    name: str,
    config: LaunchConfig | UnitConfig,
    *,
    find_policy: Callable[[int], Policy] = policy_of,
    **settings: Unpack[ServiceSettings],
) -> Service:
    """A service that may be saved under `name`, which is checked already. Raises `Invalid`."""
    start_on_create, options = settings.get("start_on_create", False), settings.get("options", DEFAULT_OPTIONS)
    check_settings(stack.environment_id, options)
    unit = balancer_unit(UnitConfig.of(config), options)
    sidekicks = [replace(each, name=check_name(each.name, name_field(each.name))) for each in unit.sidekicks]
    primary, stored = check_unit(name, unit.primary, sidekicks)
    row = Service(
        environment=stack.environment,
        stack=stack,
        name=name,
        description=settings.get("description", ""),
        scale=check_scale(settings.get("scale", 1)),
        spec=primary.to_json(),
        image=primary.image[:512],
        secondary=[each.to_json() for each in stored],
        sidekick_names=names_of(stored),
        metadata=check_metadata(settings.get("metadata")),
        start_on_create=start_on_create,
        external_id=settings.get("external_id", ""),
        desired="active" if start_on_create else "inactive",
        **_policies(settings, primary),
        **options.with_labels(primary.labels).columns(),
    )
    _check_parts(row)
    if options.kind not in {SERVICE, BALANCER}:
        return row  # nothing is made from its configuration
    check_launchable(row, primary, at="launchConfig.", subject=name, find_policy=find_policy)
    for each in stored:
        at = f"secondaryLaunchConfigs.{each.name}."
        check_launchable(row, each.config, at=at, subject=f"{name}, {each.name}", find_policy=find_policy)
    check_unit_fits(row)
    return row


def _policies(settings: ServiceSettings, config: LaunchConfig) -> dict[str, Any]:
    """The columns of what was said about it, or what its labels say."""
    lost_host = settings.get("lost_host", (None, None))
    return {
        "scale_policy": check_scale_policy(settings.get("scale_policy"), config),
        "verdict_settings": check_verdict(settings.get("verdict_settings")),
        "update_policy": check_update_policy(settings.get("update_policy")) or policy_from_labels(config.labels),
        "lost_after": parse_lost_after(*lost_host, current=lost_after_from_labels(config.labels)),
        "schedule": new_schedule(settings.get("schedule"), config.labels),
    }


def _check_parts(row: Service) -> None:
    if row.secondary and not row.has_containers:
        why = "A service without containers of its own has no sidekicks; leave them out."
        raise Invalid("secondaryLaunchConfigs", "InvalidOption", why)
    if row.kind == SERVICE and not row.has_containers and row.scale > 1:
        raise Invalid("scale", "InvalidOption", f"{row.name} cannot be scaled: {without_containers(row.kind)}.")
    if row.has_containers and is_global(row.config):
        check_global_scale(row.name, row.scale)
    check_schedulable(row)
    check_selector(row, row.selector_link)


def check_launchable(
    row: Service, config: LaunchConfig, *, at: str, subject: str, find_policy: Callable[[int], Policy] = policy_of
) -> None:
    """Raise `Invalid` unless containers of the service, as many as the row says, may be made from the configuration."""
    check_supported(config, at=at, in_service=True)
    check_global(config, at=at)
    check_one_address(row, config, at)
    check_references(config, row.environment_id, at=at)
    check_reservations(config, row.environment_id, at=at)
    enforce_policy(config, row.environment_id, at=at, subject=subject, find_policy=find_policy)


def check_unit_fits(row: Service, at: str = "launchConfig.") -> None:
    """Raise `Invalid` if no host could hold the service's container and its sidekicks together."""
    if row.sidekicks:
        beside = [(f"secondaryLaunchConfigs.{each.name}.", each.config) for each in row.sidekicks]
        check_unit_reservations([(at, row.config), *beside], row.environment_id)


def check_names_free(
    stack: Stack, service: str | None, sidekicks: Iterable[str] = (), exclude_pk: int | None = None
) -> None:
    """Raise `Invalid` if the stack has a service or a sidekick of one of the names: all of them are one name space.

    What is said names the field in which that name was sent: the service's own, or its sidekick's.
    """
    wanted = {name.lower(): (name, name_field(name)) for name in sidekicks}
    wanted |= {service.lower(): (service, "name")} if service is not None else {}
    if not wanted:
        return
    rows = Service.all_objects.filter(stack=stack, removed=None).exclude(pk=exclude_pk)
    taken: dict[str, str] = {}
    for name, beside in rows.values_list("name", "sidekick_names"):
        taken |= {name.lower(): "", **{each.lower(): name for each in beside}}
    for key, (name, field) in wanted.items():
        if key in taken:
            raise service_taken(name, field, master=taken[key])
    kept = kept_names(rows)
    for key, (name, field) in wanted.items():
        if key in kept:
            raise name_kept(name, field, master=kept[key])


def kept_names(rows: QuerySet[Service]) -> dict[str, str]:
    """The sidekicks that rollbacks of upgrades would bring back which are not decided yet, each with its service."""
    undecided = rows.filter(upgrade__phase__in=(UPGRADING, CANCELED), upgrade_target=None)
    before = ServiceRevision.objects.filter(service__in=undecided, number=F("service__previous_revision"))
    found = before.select_related("service").only("secondary", "service__name")
    return {each.name.lower(): revision.service.name for revision in found for each in revision.sidekicks}


def check_own_sidekicks(row: Service, name: str) -> None:
    """Raise `Invalid` if one of the service's own sidekicks has the name that it is to have."""
    if name.lower() in {each.name.lower() for each in row.sidekicks}:
        raise service_taken(name, master=row.name)


def check_global(config: LaunchConfig, at: str = "") -> None:
    """Refuse one container on each host together with a host that it must run on. Raises `Invalid`."""
    if is_global(config) and config.requested_host_id is not None:
        why = f"A service with the label {GLOBAL_LABEL} runs on every host that fits; name no host, or drop the label."
        raise Invalid(f"{at}requestedHostId", "InvalidOption", why)


def describe_service(row: Service) -> dict[str, Any]:
    """What was requested, for the operation and the audit log."""
    found = {"name": row.name, "scale": row.scale, "launchConfig": row.spec}
    found |= {"scalePolicy": row.scale_policy} if row.scale_policy else {}
    found |= {"schedule": row.timetable.to_wire()} if row.timetable else {}
    if row.kind == BALANCER:
        return {**found, "kind": row.kind, "balancer": describe_balancer(row.balancer_settings)}
    if row.kind != SERVICE:
        return {**found, "kind": row.kind, "external": row.external}
    sidekicks = [{"name": each["name"], **each["config"]} for each in row.secondary or ()]
    return {**found, "secondaryLaunchConfigs": sidekicks} if sidekicks else found
