"""What a promotion deploys: the files of a revision of the source, with the variables of the target."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Forbidden, Invalid
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.balancer.certificates import certificate_names, with_certificates
from apps.stacks.compose import ComposeService, export, parse
from apps.stacks.compose.interpolation import VARIABLE_NAME, split_variables
from apps.stacks.lost_host_policy import with_lost_host_label
from apps.stacks.models import Stack
from apps.stacks.schedule import Schedule, with_schedule_labels
from apps.stacks.service_options import with_selector_labels
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import ServiceState, by_name, plan_stack
from apps.stacks.stack_revisions import is_as_kept, stack_now, states_of

_HAS_DEFAULT = re.compile(r":?[-+]")


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The compose files of a revision; `revision` is None for services as they are where no revision says so.

    `variables` are those that the source has. `is_written_out`: no file of people says what runs, so that these were
    made from the services, with the values of the source's variables in them.
    """

    docker_compose: str
    rancher_compose: str
    variables: Mapping[str, str]
    revision: int | None
    external_id: str = ""
    is_written_out: bool = False


def source_files(stack: Stack, number: int | None, *, actor: Actor) -> SourceFiles:
    """The files of a revision of the stack, or (None) of what it is now.

    Raises `Forbidden` for who may not see the values of variables, which files contain, `Invalid` (no such revision).
    """
    allowed = can(actor, "values", stack.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    if number is not None:
        revision = StackRevision.objects.filter(stack=stack, number=number).first() if 0 < number < 2**31 else None
        if revision is None:
            raise Invalid("sourceRevision", "InvalidReference", f"{stack.name} has no revision {number}.")
        return _files_of(stack, revision, states_of(revision), number)
    now = stack_now(stack)
    last = StackRevision.objects.filter(stack=stack, number=stack.revision).first()
    kept = last.number if last is not None and is_as_kept(now, last) else None
    return _files_of(stack, last or stack, now.states, kept)


def _files_of(
    stack: Stack, sources: Stack | StackRevision, states: Mapping[str, ServiceState], number: int | None
) -> SourceFiles:
    if not states:
        raise Invalid("sourceRevision", "InvalidReference", f"{stack.name} has no services that could be promoted.")
    variables = {name: str(value) for name, value in sources.variables.items()}
    written = export([_to_compose(stack, each) for each in states.values()], stack.name)
    if _is_said_by(stack, sources, states, written):
        return SourceFiles(sources.docker_compose, sources.rancher_compose, variables, number, sources.external_id)
    return SourceFiles(*written, {}, number, is_written_out=True)


def _is_said_by(
    stack: Stack, sources: Stack | StackRevision, states: Mapping[str, ServiceState], written: tuple[str, str]
) -> bool:
    """Whether the files that people wrote say the services as they are: none was changed by itself since."""
    if not sources.docker_compose.strip():
        return False
    try:
        wanted = _states(stack, sources.docker_compose, sources.rancher_compose, sources.variables)
        shown = _states(stack, *written, {})
    except Invalid:
        return False
    return not any(each.changes_anything for each in plan_stack(states, wanted, shown=shown, remove_missing=True))


def _states(stack: Stack, docker: str, rancher: str, variables: Mapping[str, str]) -> dict[str, ServiceState]:
    parsed = with_certificates(stack.environment_id, parse(docker, rancher, variables, stack_name=stack.name))
    return by_name(map(ServiceState.from_compose, parsed.services))


def _to_compose(stack: Stack, state: ServiceState) -> ComposeService:
    """A service of a revision as the exporter takes it."""
    options = state.options
    config = with_lost_host_label(state.unit.primary, state.lost_after)
    config = with_schedule_labels(config, Schedule.from_wire(state.schedule or None))
    inner = {alias: target for alias, target in state.links.items() if "/" not in target}
    settings = options.balancer
    names = certificate_names(stack.environment_id, settings) if settings is not None else {}
    return ComposeService(
        name=state.name,
        config=with_selector_labels(config, options),
        sidekicks=tuple((each.name, each.config) for each in state.unit.sidekicks),
        options=options,
        scale=1 if state.scale is None else state.scale,
        scale_policy=state.scale_policy or {},
        links=tuple((target, alias) for alias, target in inner.items()),
        external_links=tuple((target, alias) for alias, target in state.links.items() if alias not in inner),
        metadata=state.metadata,
        description=state.description,
        rules={alias: list(each) for alias, each in state.rules.items() if each},
        default_certificate=names.get(settings.default_certificate or 0, "") if settings is not None else "",
        certificates=tuple(names[key] for key in settings.certificates if key in names) if settings is not None else (),
    )


def used_variables(*texts: str) -> dict[str, bool]:
    """The variables that compose files use, each with whether some place of it has no default, in their order."""
    found: dict[str, bool] = {}
    for text in texts:
        for kind, part in split_variables(text):
            name = VARIABLE_NAME.match(part) if kind in {"name", "braces"} else None
            if name is not None:
                is_open = kind == "name" or not _HAS_DEFAULT.match(part[name.end() :])
                found[name[0]] = found.get(name[0], False) or is_open
    return found


def unset_variables(files: SourceFiles, variables: Mapping[str, str]) -> list[str]:
    """Variables that the source sets, and the target would take as empty."""
    used = used_variables(files.docker_compose, files.rancher_compose)
    return [name for name, is_open in used.items() if is_open and name in files.variables and name not in variables]


def other_values(files: SourceFiles, variables: Mapping[str, str]) -> list[str]:
    """Variables in use that have another value in the target than in the source."""
    used = used_variables(files.docker_compose, files.rancher_compose)
    return [
        name
        for name in used
        if name in files.variables and name in variables and files.variables[name] != variables[name]
    ]


def digest_of(
    files: tuple[str, str], variables: Mapping[str, str], services: Collection[str], *, more: Mapping[str, Any]
) -> str:
    """SHA-256 over everything that is to be deployed, in hexadecimal."""
    facts = [list(files), dict(variables), sorted(services), dict(more)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
