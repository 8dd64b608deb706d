"""Which account an environment's images are looked for with: nobody sees what another one's password opens."""

from __future__ import annotations

from datetime import datetime

from apps.vault.models import RegistryCredential, SharedRegistry
from apps.vault.registries.logins import RegistryLogin

NOBODY = ""


class RegistryAccounts:
    """The accounts of all environments by what they are for, read in two queries; without their passwords."""

    def __init__(self) -> None:
        self._own: dict[tuple[int, str], str] = {}
        self._changed: dict[str, datetime] = {}
        active = RegistryCredential.all_objects.filter(desired="active", registry__desired="active")
        for key, environment, domain, changed in active.values_list(
            "pk", "environment", "registry__domain", "changed_at"
        ):
            self._own[environment, domain] = f"c{key}"
            self._changed[f"c{key}"] = changed
        lent = SharedRegistry.objects.filter(desired="active", removed=None).defer("secret_value")
        self._lent = {row.domain: row for row in lent}
        self._changed |= {f"s{row.pk}": row.changed_at for row in self._lent.values()}

    @property
    def lent_domains(self) -> set[str]:
        """The registries that administrators vouch for."""
        return set(self._lent)

    def key_for(self, environment_id: int, domain: str) -> str:
        """The account of an environment at a registry: its own, else one that is lent to it, else nobody's."""
        own = self._own.get((environment_id, domain))
        if own is not None:
            return own
        lent = self._lent.get(domain)
        return f"s{lent.pk}" if lent is not None and lent.is_lent_to(environment_id) else NOBODY

    def changed_at(self, key: str) -> datetime | None:
        """When what the account opens may have changed last."""
        return self._changed.get(key)


def login_of(key: str) -> RegistryLogin | None:
    """Name and password of an account; None for nobody's, and for one that is not in use any more."""
    number = int(key[1:] or 0) if key else 0
    if key.startswith("c"):
        rows = RegistryCredential.all_objects.filter(pk=number, desired="active").select_related("registry")
        own = rows.first()
        return own.login if own is not None else None
    lent = SharedRegistry.objects.filter(pk=number, desired="active").first() if number else None
    return lent.login if lent is not None else None
