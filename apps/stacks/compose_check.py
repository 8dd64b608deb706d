"""What a pair of compose files would make, found out without making it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from apps.core.errors import Forbidden
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.compose import ComposeService, ComposeStack, parse
from apps.stacks.compose_import import build_services
from apps.stacks.models import Stack
from apps.stacks.new_services import check_name
from apps.stacks.services import import_warnings
from apps.vault.models import Certificate


@dataclass(frozen=True, slots=True)
class ComposeCheck:
    """The services of the files, and `warnings` about what would not be carried over.

    `certificates` are those that balancers name and the environment has not: the files are refused without them.
    `services_elsewhere` are the `stack/service` that links lead to, `undeclared_volumes` those that would be made
    for the stack because the file does not say that they are there already.
    """

    pk: str
    environment_id: int | None
    services: Sequence[ComposeService]
    warnings: Sequence[str]
    certificates: Sequence[str]
    services_elsewhere: Sequence[str]
    undeclared_volumes: Sequence[str]


def compose_check(
    *,
    actor: Actor,
    environment: Environment | None,
    name: str,
    docker_compose: str,
    rancher_compose: str = "",
    variables: Mapping[str, str] | None = None,
) -> ComposeCheck:
    """Read the files of a stack `name` as its creation would, and keep nothing.

    Without an environment nothing is held against a host policy, and every certificate counts as missing. Raises
    `Invalid` as the creation does, with the line in the file, and `Forbidden`.
    """
    if environment is not None and not (allowed := can(actor, "operate", environment.pk)):
        raise Forbidden(allowed.reason)
    checked = check_name(name)
    parsed = parse(docker_compose, rancher_compose, dict(variables or {}), stack_name=checked, needs_services=True)
    missing = _missing_certificates(parsed, environment)
    if environment is not None and not missing:
        build_services(Stack(environment=environment, name=checked), parsed, start=False)
    elsewhere = {target for each in parsed.services for target, _alias in each.external_links}
    return ComposeCheck(
        str(uuid4()),
        None if environment is None else int(environment.pk),
        parsed.services,
        import_warnings(parsed),
        missing,
        sorted(elsewhere),
        parsed.undeclared_volumes,
    )


def _missing_certificates(parsed: ComposeStack, environment: Environment | None) -> list[str]:
    wanted = {name for each in parsed.services for name in (each.default_certificate, *each.certificates) if name}
    if not wanted or environment is None:
        return sorted(wanted)
    rows = Certificate.all_objects.filter(environment=environment, name__in=wanted, removed=None)
    return sorted(wanted - set(rows.exclude(desired="removed").values_list("name", flat=True)))
