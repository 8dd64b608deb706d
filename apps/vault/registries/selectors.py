"""Reading registries: of an environment, and what opens the registry of an image."""

from __future__ import annotations

from apps.core.models import TenantQuerySet
from apps.environments.actor import Actor
from apps.vault.registries.addresses import domain_of_image
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.models import Registry, RegistryCredential, SharedRegistry


def registries_of(actor: Actor, environment_id: int) -> TenantQuerySet[Registry]:
    """The registries that the actor sees in an environment."""
    rows: TenantQuerySet[Registry] = Registry.objects.within(_seen(actor, environment_id)).filter(removed=None)
    return rows


def registry_credentials_of(actor: Actor, environment_id: int) -> TenantQuerySet[RegistryCredential]:
    """The credentials that the actor sees in an environment, without their secrets."""
    rows: TenantQuerySet[RegistryCredential] = RegistryCredential.objects.within(_seen(actor, environment_id))
    return rows.filter(removed=None).select_related("registry").defer("secret_value")


def _seen(actor: Actor, environment_id: int) -> list[int]:
    return [environment_id] if "view" in actor.permissions(environment_id) else []


def shared_registries_for(environment_id: int) -> list[SharedRegistry]:
    """What administrators lend to an environment now, without secrets."""
    rows = SharedRegistry.objects.filter(desired="active", removed=None).defer("secret_value")
    return [row for row in rows if row.is_lent_to(environment_id)]


def credential_for_image(environment_id: int, image: str) -> RegistryCredential | SharedRegistry | None:
    """What the environment's hosts pull an image with: its own credential, else one that is lent to it."""
    domain = domain_of_image(image)
    rows = RegistryCredential.all_objects.filter(environment=environment_id, desired="active")
    own: RegistryCredential | None = (
        rows.filter(registry__domain=domain, registry__desired="active").select_related("registry").first()
    )
    if own is not None:
        return own
    lent = SharedRegistry.objects.filter(domain=domain, desired="active").first()
    return lent if lent is not None and lent.is_lent_to(environment_id) else None


def logins_of(environment_id: int) -> list[RegistryLogin]:
    """All accounts that the environment's hosts may pull with, one for each registry: its own before those lent."""
    own = RegistryCredential.all_objects.filter(environment=environment_id, desired="active")
    found = {
        each.registry.domain: each.login
        for each in own.filter(registry__desired="active").select_related("registry").order_by("-pk")
    }
    for lent in SharedRegistry.objects.filter(desired="active", removed=None):
        if lent.is_lent_to(environment_id):
            found.setdefault(lent.domain, lent.login)
    return list(found.values())


def login_for_image(environment_id: int, image: str) -> RegistryLogin | None:
    """The account that the environment's hosts pull an image with; None: without one."""
    found = credential_for_image(environment_id, image)
    return found.login if found is not None else None
