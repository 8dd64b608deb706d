"""Which account an environment's images are looked for with: nobody sees what another one's password opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.mirrors import mirror_domain

NOBODY = ""


@dataclass(frozen=True, slots=True)
class MirrorInUse:
    """The mirror that an account's images come through, and the account there."""

    address: str
    account: str


class RegistryAccounts:
    """The accounts of all environments by what they are for, read in three queries; without their passwords."""

    def __init__(self) -> None:
        self._own: dict[tuple[int, str], str] = {}
        self._changed: dict[str, datetime] = {}
        self._places: dict[str, tuple[int, str]] = {}
        self._mirrors: dict[tuple[int, str], tuple[str, str]] = {}
        active = RegistryCredential.all_objects.filter(desired="active", registry__desired="active")
        for key, environment, domain, changed in active.values_list(
            "pk", "environment", "registry__domain", "changed_at"
        ):
            self._own[environment, domain] = f"c{key}"
            self._changed[f"c{key}"] = changed
            self._places[f"c{key}"] = (environment, domain)
        lent = SharedRegistry.objects.filter(desired="active", removed=None).defer("secret_value")
        self._lent = {row.domain: row for row in lent}
        self._changed |= {f"s{row.pk}": row.changed_at for row in self._lent.values()}
        mirrored = Registry.all_objects.filter(desired="active").exclude(mirror="")
        for key, environment, domain, mirror in mirrored.values_list("pk", "environment", "domain", "mirror"):
            self._mirrors[environment, domain] = (f"m{key}", mirror)
            self._places[f"m{key}"] = (environment, domain)

    @property
    def lent_domains(self) -> set[str]:
        """The registries that administrators vouch for, mirrors included."""
        return {*self._lent, *(mirror_domain(row.mirror) for row in self._lent.values() if row.mirror)}

    def key_for(self, environment_id: int, domain: str) -> str:
        """The account of an environment at a registry: its own, else one that is lent to it, else nobody's.

        Nobody's at a registry to which the environment has a mirror of its own is not shared with the others.
        """
        own = self._own.get((environment_id, domain))
        if own is not None:
            return own
        lent = self._lent.get(domain)
        if lent is not None and lent.is_lent_to(environment_id):
            return f"s{lent.pk}"
        return self._mirrors.get((environment_id, domain), (NOBODY, ""))[0]

    def mirror_of(self, key: str) -> MirrorInUse | None:
        """The mirror that images of an account come through: the environment's own, else the one that is lent to it."""
        if key in self._places:
            environment, domain = self._places[key]
            lent = self._lent.get(domain)
            site = lent.mirror if lent is not None and lent.is_lent_to(environment) else ""
            address = self._mirrors.get((environment, domain), ("", site))[1]
            return MirrorInUse(address, self.key_for(environment, mirror_domain(address))) if address else None
        row = next((each for each in self._lent.values() if f"s{each.pk}" == key), None)
        if row is None or not row.mirror:
            return None
        there = self._lent.get(mirror_domain(row.mirror))
        is_for_all = there is not None and _lends_as_widely(there, row)
        return MirrorInUse(row.mirror, f"s{there.pk}" if there is not None and is_for_all else NOBODY)

    def changed_at(self, key: str) -> datetime | None:
        """When what the account opens may have changed last."""
        return self._changed.get(key)


def _lends_as_widely(row: SharedRegistry, other: SharedRegistry) -> bool:
    """Whether all that the other one is lent to may use this one: what it opens is shown to them."""
    return row.lent_to is None or (other.lent_to is not None and set(other.lent_to) <= set(row.lent_to))


def login_of(key: str) -> RegistryLogin | None:
    """Name and password of an account; None for nobody's, and for one that is not in use any more."""
    number = int(key[1:] or 0) if key else 0
    if key.startswith("c"):
        rows = RegistryCredential.all_objects.filter(pk=number, desired="active").select_related("registry")
        own = rows.first()
        return own.login if own is not None and not own.login.is_empty else None
    if not key.startswith("s"):
        return None
    lent = SharedRegistry.objects.filter(pk=number, desired="active").first()
    return lent.login if lent is not None and not lent.login.is_empty else None
