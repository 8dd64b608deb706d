"""Reading registries: of an environment, and what opens the registry of an image."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from apps.core.models import TenantQuerySet
from apps.environments.actor import Actor
from apps.vault.registries.addresses import domain_of_image
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.mirrors import Mirror, mirror_domain
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
    return _credential_at(environment_id, domain_of_image(image))


def _credential_at(environment_id: int, domain: str) -> RegistryCredential | SharedRegistry | None:
    rows = RegistryCredential.all_objects.filter(environment=environment_id, desired="active")
    own: RegistryCredential | None = (
        rows.filter(registry__domain=domain, registry__desired="active").select_related("registry").first()
    )
    return own if own is not None else _lent_at(environment_id, domain)


def _lent_at(environment_id: int, domain: str) -> SharedRegistry | None:
    lent = SharedRegistry.objects.filter(domain=domain, desired="active").first()
    return lent if lent is not None and lent.is_lent_to(environment_id) else None


def mirror_for_image(environment_id: int, image: str) -> Mirror | None:
    """Where the environment's hosts pull an image from first: by its own registry, else by one that is lent to it.

    What opens the mirror is the account at the mirror's own address; that of the image's registry is not sent there.
    """
    row = _registry_with_mirror(environment_id, domain_of_image(image))
    if row is None:
        return None
    account = _credential_at(environment_id, mirror_domain(row.mirror))
    login = account.login if account is not None and not account.login.is_empty else None
    return Mirror(row.mirror, login, is_lent=isinstance(row, SharedRegistry))


def _registry_with_mirror(environment_id: int, domain: str) -> Registry | SharedRegistry | None:
    own: Registry | None = Registry.all_objects.filter(
        environment=environment_id, domain=domain, desired="active"
    ).first()
    if own is not None and own.mirror:
        return own
    lent = _lent_at(environment_id, domain)
    return lent if lent is not None and lent.mirror else None


def domains_mirrored_at(domain: str) -> set[str]:
    """The registries that somewhere are pulled from through a mirror at `domain`."""
    at = Q(mirror=domain) | Q(mirror__startswith=f"{domain}/")
    own = Registry.all_objects.filter(at, desired="active").values_list("domain", flat=True)
    return {*own, *SharedRegistry.objects.filter(at, desired="active").values_list("domain", flat=True)}


def access_changed_at(environment_id: int, image: str) -> datetime | None:
    """When last something changed in how the environment pulls an image: account, mirror, or the account at that."""
    found = [credential_for_image(environment_id, image)]
    row = _registry_with_mirror(environment_id, domain_of_image(image))
    times = []
    if row is not None:
        found.append(_credential_at(environment_id, mirror_domain(row.mirror)))
        times.append(row.mirror_changed_at)
    times += [each.changed_at for each in found if each is not None]
    return max((each for each in times if each is not None), default=None)


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
    return [each for each in found.values() if not each.is_empty]


def login_for_image(environment_id: int, image: str) -> RegistryLogin | None:
    """The account that the environment's hosts pull an image with; None: without one."""
    found = credential_for_image(environment_id, image)
    return found.login if found is not None and not found.login.is_empty else None
