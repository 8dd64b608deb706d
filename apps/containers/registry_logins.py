"""Pulls that failed for want of an account or a mirror: they are tried again as soon as one is added or changed."""

from __future__ import annotations

from collections.abc import Iterable

from apps.containers.models import Pull
from apps.containers.pull_attempts import PullAttempts
from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.addresses import domain_of_image
from apps.vault.registries.selectors import access_changed_at, domains_mirrored_at

MAX_PULLS = 1000


def has_newer_login(row: Pull, attempts: PullAttempts) -> bool:
    """Whether a pull that waits for its next attempt would be made otherwise than the last: by account or mirror."""
    if attempts.due_at is None or attempts.last_at is None:
        return False
    changed = access_changed_at(row.environment_id, row.image)
    return changed is not None and changed > attempts.last_at


def pulls_awaiting_login(row: Registry | RegistryCredential | SharedRegistry) -> Iterable[tuple[str, int]]:
    """The pulls from this registry, or through it as a mirror, that wait for their next attempt."""
    rows = Pull.all_objects.filter(state="error", next_attempt_at__isnull=False)
    if not isinstance(row, SharedRegistry):
        rows = rows.filter(environment=row.environment_id)
    domain = row.registry.domain if isinstance(row, RegistryCredential) else row.domain
    domains = {domain, *domains_mirrored_at(domain)}
    found = rows.order_by("-pk").values_list("pk", "image")[:MAX_PULLS]
    return [("pull", key) for key, image in found if domain_of_image(image) in domains]
