"""Pulls that failed for want of an account: they are tried again as soon as one is added, or its password changed."""

from __future__ import annotations

from collections.abc import Iterable

from apps.containers.models import Pull
from apps.containers.pull_attempts import PullAttempts
from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.addresses import domain_of_image
from apps.vault.registries.selectors import credential_for_image

MAX_PULLS = 1000


def has_newer_login(row: Pull, attempts: PullAttempts) -> bool:
    """Whether a pull that waits for its next attempt would be made with an account that the last one did not have."""
    if attempts.due_at is None or attempts.last_at is None:
        return False
    found = credential_for_image(row.environment_id, row.image)
    return found is not None and found.changed_at > attempts.last_at


def pulls_awaiting_login(row: Registry | RegistryCredential | SharedRegistry) -> Iterable[tuple[str, int]]:
    """The pulls from this registry that wait for their next attempt."""
    rows = Pull.all_objects.filter(state="error", next_attempt_at__isnull=False)
    if not isinstance(row, SharedRegistry):
        rows = rows.filter(environment=row.environment_id)
    domain = row.registry.domain if isinstance(row, RegistryCredential) else row.domain
    found = rows.order_by("-pk").values_list("pk", "image")[:MAX_PULLS]
    return [("pull", key) for key, image in found if domain_of_image(image) == domain]
