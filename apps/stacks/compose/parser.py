"""Reads a pair of compose files into services; every refusal names the file, the line, the service and the key."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from apps.stacks.compose.error_list import ErrorList
from apps.stacks.compose.extends import Extender
from apps.stacks.compose.interpolation import Variables
from apps.stacks.compose.left_out import unknown_keys
from apps.stacks.compose.model import ComposeService, ComposeStack
from apps.stacks.compose.nested_keys import SECTION_KEYS, left_out
from apps.stacks.compose.profiles import split_by_profiles
from apps.stacks.compose.rancher_compose import RancherService, read_rancher_compose
from apps.stacks.compose.service_parser import DOCKER_FIELD, FileContext, ServiceParser
from apps.stacks.compose.sidekick_services import with_sidekicks
from apps.stacks.compose.templates import require_no_template
from apps.stacks.compose.volume_names import VolumeNames
from apps.stacks.compose.warning_limit import limit_warnings
from apps.stacks.compose.yaml_loader import LineMap, error_at_line, load_yaml
from apps.stacks.label_selector import parse_selector
from apps.stacks.link_names import describe_circle, find_circle
from apps.stacks.service_options import ALIAS

MAX_SERVICES = 500
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_TOP_LEVEL_KEYS = {"version", "services", "name", "networks", "volumes", "secrets", "configs"}
_OF_COMPOSE = {"include", "models"}
PROJECT_NAME = "COMPOSE_PROJECT_NAME"


def parse(
    docker_compose: str,
    rancher_compose: str = "",
    environment: Mapping[str, str] | None = None,
    *,
    stack_name: str = "",
    present: Collection[str] = (),
    needs_services: bool = False,
) -> ComposeStack:
    """Read both files, with `environment` for the variables in them; volumes are named after the stack.

    A service without a body is one of those `present`, and stays: so the old one stands beside what takes over from it.

    Raises `Invalid` on `dockerCompose` or `rancherCompose`, with the errors of all services; what is left out without
    harm becomes a warning. So does a label that is there twice: the last one counts, as it did in Rancher. With
    `needs_services` a file without any is refused.
    """
    values = {**(environment or {}), **({PROJECT_NAME: stack_name} if stack_name else {})}
    variables = Variables(values, DOCKER_FIELD)
    require_no_template(docker_compose, DOCKER_FIELD)
    duplicates: list[str] = []
    top = variables.fill(load_yaml(docker_compose, DOCKER_FIELD, duplicates=duplicates, only_labels=True))
    is_first_form = _is_first_form(top)
    everything = top if is_first_form else _section(top)
    _check_names(everything, needs_services=needs_services)
    services, disabled = split_by_profiles(Extender(everything, DOCKER_FIELD).merge_all(), variables)
    extras, unknown = read_rancher_compose(rancher_compose, values, set(everything))
    declared = None if is_first_form else top.get("volumes")
    names = VolumeNames(declared, stack_name, DOCKER_FIELD, top.line("volumes"), is_first_form=is_first_form)
    context = FileContext(services, disabled, variables, names)
    found = _read_services([name for name in services if services[name] or name not in present], context, extras)
    warnings = [] if is_first_form else list(_dropped_at_the_top(top, stack_name))
    warnings += [f"docker-compose, {text}" for text in duplicates]
    warnings += [_describe_disabled(name, profiles) for name, profiles in disabled.items()]
    warnings += [
        f"The volume {name} is not declared at the top level; it is made for this stack." for name in names.undeclared
    ]
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    whole = ComposeStack(with_sidekicks(found, services), (*warnings, *unknown), tuple(names.undeclared))
    return limit_warnings(whole)


def _read_services(
    names: Iterable[str], context: FileContext, extras: Mapping[str, RancherService]
) -> list[ComposeService]:
    found, errors = list[ComposeService](), ErrorList()
    for name in names:
        with errors.gather():
            found.append(ServiceParser(name, context).read(extras.get(name, RancherService())))
    with errors.gather():
        _check_aliases(found, context)
    errors.raise_all()
    return found


def _check_aliases(found: Iterable[ComposeService], context: FileContext) -> None:
    """Refuse aliases that lead to themselves, and so to no container."""
    aliases = {each.name: each for each in found if each.options.kind == ALIAS}
    targets = {name: [target for target, _name in each.links] for name, each in aliases.items()}
    for name, each in aliases.items():
        if text := each.options.with_labels(each.config.labels).selector_link:
            selector = parse_selector(text)
            targets[name] += [key for key in aliases if key != name and selector.matches(aliases[key].config.labels)]
    for name in targets:
        circle = find_circle(name, targets)
        if circle is not None:
            key = "links" if aliases[name].links else "labels"
            line = context.services[name].line(key)
            raise error_at_line(DOCKER_FIELD, line, f"{name}: `{key}`: {describe_circle(circle)}", "InvalidReference")


def _is_first_form(top: LineMap) -> bool:
    """Whether the services stand at the top level, as in the first form of the file.

    Raises `Invalid` where `services` itself is misspelt: its services would be taken for keys of one.
    """
    if "include" in top and not isinstance(top["include"], Mapping):
        raise error_at_line(
            DOCKER_FIELD,
            top.line("include"),
            "a single compose file cannot read others: put the services in here, or upload all files as a bundle",
        )
    if "services" in top:
        return False
    for key, body in top.items():
        is_section = isinstance(body, Mapping) and all(isinstance(each, Mapping) for each in body.values())
        if body and is_section and "build" not in body and get_close_matches(key[:80], ["services"], cutoff=0.75):
            text = f"`{key}` is not a key of a compose file. Did you mean `services`?"
            raise error_at_line(DOCKER_FIELD, top.line(key), text)
    return not isinstance(top.get("version"), str)


def _section(top: LineMap) -> LineMap:
    services = top.get("services")
    if not isinstance(services, LineMap):
        raise error_at_line(DOCKER_FIELD, top.line("services"), "`services` must be a map of services")
    return services


def _dropped_at_the_top(top: LineMap, stack_name: str) -> Iterator[str]:
    """What of the file's other sections is left out: there is one network, and volumes are made on first use."""
    for kind, known in SECTION_KEYS.items():
        section = top.get(kind)
        if not isinstance(section, Mapping):
            yield from [f"`{kind}` is not carried over."] if section else ()
            continue
        for name, settings in section.items():
            if settings and not isinstance(settings, Mapping):
                yield f"`{kind}.{name}` is not carried over."
            yield from (each.describe() for each in left_out(f"{kind}.{name}", settings, known))
    yield from (f"`{key}` is not carried over." for key in _OF_COMPOSE if top.get(key))
    known_keys = _TOP_LEVEL_KEYS | _OF_COMPOSE
    yield from (each.describe() for each in unknown_keys(top, known_keys, "a compose file"))
    if stack_name and top.get("name") and top["name"] != stack_name:
        yield f"`name` is not used: the stack is called {stack_name}."


def _describe_disabled(name: str, profiles: list[str]) -> str:
    wanted = " or ".join(each[:60] for each in profiles)
    return (
        f"{name}: left out, as its profile is not enabled: name {wanted} in the variable COMPOSE_PROFILES to have it."
    )


def _check_names(services: LineMap, *, needs_services: bool) -> None:
    if needs_services and not services:
        raise error_at_line(DOCKER_FIELD, 1, "there is no service in this file", "MissingRequired")
    seen: dict[str, str] = {}
    if len(services) > MAX_SERVICES:
        raise error_at_line(DOCKER_FIELD, 1, f"a stack has at most {MAX_SERVICES} services", "MaxLimitExceeded")
    for name in services:
        line = services.line(name)
        if not _NAME.fullmatch(name):
            rule = "the name of a service has up to 63 letters, digits and '-', and no '-' at its ends"
            raise error_at_line(DOCKER_FIELD, line, f"{name[:80]!r}: {rule}", "InvalidCharacters")
        if name.lower() in seen:
            raise error_at_line(
                DOCKER_FIELD, line, f"{name} and {seen[name.lower()]} are the same name in DNS", "NotUnique"
            )
        seen[name.lower()] = name
