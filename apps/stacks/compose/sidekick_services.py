"""Services of a compose file that are sidekicks of another one: they become part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from apps.core.errors import Invalid
from apps.core.texts import labeled
from apps.stacks.compose.error_list import ErrorList
from apps.stacks.compose.model import ComposeService
from apps.stacks.compose.yaml_loader import LineMap, error_at_line
from apps.stacks.service_options import SERVICE
from apps.stacks.sidekicks import SIDEKICKS_LABEL, Sidekick, check_unit, label_names, references

_FIELD = "dockerCompose"


def with_sidekicks(found: Sequence[ComposeService], lines: LineMap) -> tuple[ComposeService, ...]:
    """The services, each with the ones that its label names as its sidekicks; `lines` are the file's services.

    Raises `Invalid` where a sidekick is not there, has two masters, or where network or volumes are shared between
    services that are not together.
    """
    by_name = {each.name: each for each in found}
    errors, masters = ErrorList(), dict[str, str]()
    for each in found:
        with errors.gather():
            _claim(each, by_name, masters, lines)
    errors.raise_all()
    found = _with_sharing(found, masters)
    by_name = {each.name: each for each in found}
    together = [_join(each, by_name, masters) for each in found if each.name not in masters]
    for each in together:
        with errors.gather():
            _check(each, lines)
    errors.raise_all()
    return tuple(
        replace(each, links=tuple(_links(each, masters)), warnings=(*each.warnings, *_lost_links(each, masters)))
        for each in together
    )


def _claim(
    service: ComposeService, by_name: dict[str, ComposeService], masters: dict[str, str], lines: LineMap
) -> None:
    for name in label_names(service.config.labels):
        problem = ""
        if name not in by_name:
            problem = f"there is no service {name[:80]!r} in this file"
        elif name == service.name or label_names(by_name[name].config.labels):
            problem = f"{name} cannot be a sidekick, as it has sidekicks itself"
        elif by_name[name].options.kind != SERVICE:
            problem = f"{name} has no containers and cannot be a sidekick; take it out of the label"
        elif masters.setdefault(name, service.name) != service.name:
            problem = f"{name} is a sidekick of {masters[name]} already; give this service one of its own"
        if problem:
            raise _error(service.name, "labels", f"the label {SIDEKICKS_LABEL}: {problem}", lines)


def _with_sharing(found: Sequence[ComposeService], masters: dict[str, str]) -> list[ComposeService]:
    """The services, with those that share network or volumes without a label added to `masters`, and warned about.

    Compose runs them on one host; here a unit does. Whose network is shared is the service that others belong to; who
    lends volumes belongs to the one that takes them.
    """
    kinds = {each.name: each.options.kind for each in found}
    warned: dict[str, str] = {}
    for each in found:
        network = each.config.network_launch_config
        target = masters.get(network, network) if network else ""
        if each.name in masters or each.name in masters.values() or not _may_join(each.name, target, kinds):
            continue
        masters[each.name] = target
        warned[each.name] = f"{each.name}: it is a sidekick of {target} now, whose network it shares."
    takers: dict[str, set[str]] = {}
    for each in found:
        for lender in each.config.data_volumes_from_launch_configs:
            takers.setdefault(lender, set()).add(masters.get(each.name, each.name))
    for lender, units in takers.items():
        (first, *others) = sorted(units)
        is_free = lender not in masters and lender not in masters.values() and first not in masters
        if not others and is_free and _may_join(lender, first, kinds):
            masters[lender] = first
            warned[lender] = f"{lender}: it is a sidekick of {first} now, which takes its volumes."
    return [
        replace(each, warnings=(*each.warnings, warned[each.name])) if each.name in warned else each for each in found
    ]


def _may_join(name: str, target: str, kinds: dict[str, str]) -> bool:
    return target != name and kinds.get(target) == kinds.get(name) == SERVICE


def _join(service: ComposeService, by_name: dict[str, ComposeService], masters: dict[str, str]) -> ComposeService:
    beside = [each for each in by_name.values() if masters.get(each.name) == service.name]
    if not beside:
        return service
    return replace(
        service,
        sidekicks=tuple((each.name, each.config) for each in beside),
        links=tuple(dict.fromkeys(link for each in (service, *beside) for link in each.links)),
        external_links=tuple(dict.fromkeys(link for each in (service, *beside) for link in each.external_links)),
        warnings=(*service.warnings, *(text for each in beside for text in (*each.warnings, *_lost(each, service)))),
    )


def _lost(sidekick: ComposeService, service: ComposeService) -> Iterator[str]:
    """What a sidekick has no place for, in words: it is part of its service."""
    if sidekick.scale not in {1, service.scale} or sidekick.scale_policy:
        yield f"{sidekick.name}: its scale is that of {service.name}, whose sidekick it is."
    for key, value in (("metadata", sidekick.metadata), ("description", sidekick.description)):
        if value:
            yield f"{sidekick.name}: `{key}` is not carried over, as a sidekick has none: write it at {service.name}."


def _links(service: ComposeService, masters: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Links to services; one within a unit is not needed, and one to another's sidekick leads to its service."""
    for target, alias in service.links:
        found = masters.get(target, target)
        if found != service.name or not service.sidekicks:
            yield found, alias


def _lost_links(service: ComposeService, masters: dict[str, str]) -> Iterator[str]:
    """The links within a unit under another name, in words: by their own names its containers are reached anyway."""
    for target, alias in service.links if service.sidekicks else ():
        if alias != target and masters.get(target, target) == service.name:
            where = f"{service.name}: `links` to {target} as {alias}"
            yield f"{where} is not carried over: in a unit it is called {target}."


def _check(service: ComposeService, lines: LineMap) -> None:
    if not service.sidekicks and (shared := references(service.config)):
        key = "volumes_from" if service.config.data_volumes_from_launch_configs else "network_mode"
        key = key if key in lines[service.name] else "net"
        reason = (
            f"only a service and its sidekicks share network or volumes: name {shared[0][:60]} or this service in the"
            f" other's label {SIDEKICKS_LABEL}"
        )
        raise _error(service.name, key, f"`{key}`: {reason}", lines)
    try:
        check_unit(service.name, service.config, [Sidekick(name, config) for name, config in service.sidekicks])
    except Invalid as problem:
        raise _error(service.name, "labels", problem.message, lines, problem.code) from None


def _error(service: str, key: str, message: str, lines: LineMap, code: str = "InvalidOption") -> Invalid:
    body = lines[service]
    line = body.line(key) if isinstance(body, LineMap) and key in body else lines.line(service)
    return error_at_line(_FIELD, line, labeled(service, message), code)
