"""New stacks from uploaded bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from apps.core.errors import Invalid
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.bundle.archive import FIELD
from apps.stacks.bundle.resolve import read_bundle
from apps.stacks.models import Stack
from apps.stacks.services import stack_create
from apps.stacks.stack_draft import StackFiles


def stack_create_from_bundle(
    bundle: bytes,
    *,
    actor: Actor,
    environment: Environment,
    name: str,
    variables: Mapping[str, str] | None = None,
    **more: Any,
) -> Stack:
    """A new stack as the compose file in a zip or tar says; `variables` are stronger than the bundle's `.env`.

    `more` is what `stack_create` takes besides. Raises what it raises, and `Invalid` on `bundle`.
    """
    if more.get("docker_compose") or more.get("rancher_compose"):
        raise Invalid(FIELD, "InvalidOption", _("Give a bundle or compose files, not both."))
    found = read_bundle(bundle)
    texts = {"docker_compose": found.docker_compose, "rancher_compose": found.rancher_compose, "notes": found.notes}
    known = {**found.variables, **(variables or {})}
    return stack_create(actor=actor, environment=environment, name=name, variables=known, **{**more, **texts})


def files_of_bundle(bundle: bytes, files: StackFiles) -> StackFiles:
    """What a stack is to become by the files in a zip or tar; given variables are stronger than the bundle's `.env`.

    Raises `Invalid` on `bundle`.
    """
    if files.docker_compose or files.rancher_compose:
        raise Invalid(FIELD, "InvalidOption", _("Give a bundle or compose files, not both."))
    found = read_bundle(bundle)
    return replace(
        files,
        docker_compose=found.docker_compose,
        rancher_compose=found.rancher_compose,
        variables={**found.variables, **(files.variables or {})},
        notes=found.notes,
    )
