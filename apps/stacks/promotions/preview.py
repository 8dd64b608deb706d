"""What a promotion would do in its target, before anything is done: the differences, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps.core.errors import Invalid, Problem
from apps.environments.access import can, verdict
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.new_services import check_name
from apps.stacks.port_shortage import draft_port_shortage
from apps.stacks.promotions.content import SourceFiles, digest_of, other_values, unset_variables
from apps.stacks.service_options import has_containers
from apps.stacks.stack_draft import StackDraft, StackFiles, draft_from_files
from apps.stacks.stack_plan import ServiceChange
from apps.stacks.stack_revisions import StackNow, stack_now
from apps.vault.registries.addresses import domain_of_image
from apps.vault.registries.selectors import credential_for_image

NEW_STACK = "new"
"""The basis of a target that is not there yet."""


@dataclass(frozen=True, slots=True)
class PromotionContent:
    """What is to become of which stack of which environment; `variables` come on top of the target's own."""

    files: SourceFiles
    environment: Environment
    name: str
    services: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    remove_missing: bool = False
    source_environment: int | None = None

    @property
    def digest(self) -> str:
        """Changes with anything that would be deployed."""
        more = {"name": self.name, "environment": self.environment.pk, "removeMissing": self.remove_missing}
        texts = (self.files.docker_compose, self.files.rancher_compose)
        return digest_of(texts, self.variables or {}, self.services, more=more)


@dataclass(frozen=True)
class PromotionPreview:
    """The changes service by service; `basis` changes whenever the target does, or it is made."""

    draft: StackDraft | None
    target: Stack | None
    basis: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> Sequence[ServiceChange]:
        """What becomes of each service."""
        return [each.change for each in self.draft.steps] if self.draft is not None else ()

    @property
    def changes_anything(self) -> bool:
        """Whether anything is done at all."""
        return self.draft is not None and self.draft.changes_anything


def find_target(content: PromotionContent) -> Stack | None:
    """The stack that is to be upgraded; None where it is to be made."""
    rows = Stack.all_objects.filter(environment=content.environment, name__iexact=content.name, removed=None)
    found: Stack | None = rows.select_related("environment").first()
    return found


def merged_variables(content: PromotionContent, target: Stack | None) -> dict[str, str]:
    """The variables with which the files are read: the target's own, then what was given for the promotion."""
    own = target.variables if target is not None else {}
    return {**{name: str(value) for name, value in own.items()}, **(content.variables or {})}


def files_for(content: PromotionContent, target: Stack | None, *, note: str = "", based_on: str = "") -> StackFiles:
    """The files as the upgrade of the target takes them."""
    return StackFiles(
        docker_compose=content.files.docker_compose,
        rancher_compose=content.files.rancher_compose,
        variables=merged_variables(content, target),
        remove_missing=content.remove_missing,
        only=content.services,
        note=note,
        based_on=based_on,
    )


def preview_promotion(content: PromotionContent, *, actor: Actor) -> PromotionPreview:
    """What would be done if it ran now, on behalf of this actor. What stands in its way is among its `problems`."""
    target = find_target(content)
    now = stack_now(target) if target is not None else StackNow(_new_stack(content))
    basis = now.basis if target is not None else NEW_STACK
    problems = _obstacles(content, target, actor)
    try:
        draft = draft_from_files(now, files_for(content, target), actor)
    except Problem as problem:
        return PromotionPreview(None, target, basis, (*problems, problem.message))
    warnings = [*draft.warnings, *_foreign_values(content, target), *_missing_accounts(content, draft)]
    if target is not None:
        warnings += draft_port_shortage(draft)
    return PromotionPreview(draft, target, basis, (*problems, *draft.problems), tuple(warnings))


def _new_stack(content: PromotionContent) -> Stack:
    """The stack that would be made, which is not saved."""
    return Stack(environment=content.environment, name=check_name(content.name), desired="active")


def _obstacles(content: PromotionContent, target: Stack | None, actor: Actor) -> list[str]:
    where = content.environment
    problems = []
    allowed = can(actor, "operate", where.pk)
    if not allowed:
        problems.append(allowed.reason)
    if where.desired != "active":
        problems.append(f"{where.name} is not active; an owner can activate it.")
    if target is not None and allowed and not (decision := verdict(actor, "upgrade", target)):
        problems.append(f"{target.name} cannot be upgraded now: {decision.reason}")
    if target is None and content.services:
        why = f"{where.name} has no stack {content.name}: promote all of its services the first time."
        problems.append(why)
    missing = unset_variables(content.files, merged_variables(content, target))
    if missing:
        names = ", ".join(missing)
        problems.append(f"{where.name} has no value for {names[:300]}: give one; those of the source are not copied.")
    return problems


def _foreign_values(content: PromotionContent, target: Stack | None) -> list[str]:
    if content.files.is_written_out:
        return ["No file says what runs: the values that its variables have in the source are promoted, too."]
    names = other_values(content.files, merged_variables(content, target))
    return [f"{name} has another value here than in the source, and keeps it." for name in names]


def _missing_accounts(content: PromotionContent, draft: StackDraft) -> list[str]:
    """The registries that the source has an account for, and the target has not: accounts are not carried over."""
    if content.source_environment is None:
        return []
    found: dict[str, str] = {}
    for step in draft.steps:
        after = step.change.after
        if after is None or not has_containers(after.options.kind, after.unit.primary.image):
            continue
        for image in (after.unit.primary.image, *(each.config.image for each in after.unit.sidekicks)):
            found.setdefault(domain_of_image(image), image)
    where = content.environment
    return [
        f"{where.name} has no account for {domain}, which the source has: a pull from there may be refused."
        for domain, image in found.items()
        if credential_for_image(content.source_environment, image) is not None
        and credential_for_image(where.pk, image) is None
    ]


def require_possible(preview: PromotionPreview) -> None:
    """Raise `Invalid` for what stands in the way, or where there is nothing to do."""
    if preview.problems:
        raise Invalid("dockerCompose", "InvalidOption", " ".join(preview.problems)[:2000])
    if not preview.changes_anything:
        raise Invalid("sourceRevision", "InvalidOption", "The target is what this revision says already.")
