"""The managed networks of environments: made with them, locked while addresses are given out, changed by people."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.network.models import EnvironmentNetwork

_VNI_COUNT = 1 << 24


def network_of(environment_id: int) -> EnvironmentNetwork:
    """The network of an environment; made with its defaults for one that has none yet."""
    found: EnvironmentNetwork | None = EnvironmentNetwork.objects.filter(pk=environment_id).first()
    return found or make_network(environment_id)


def make_network(environment_id: int, **chosen: str) -> EnvironmentNetwork:
    """Make the network of an environment, unless somebody else has just done so."""
    for number in (environment_id % _VNI_COUNT, None):
        try:
            with transaction.atomic():
                made: EnvironmentNetwork = EnvironmentNetwork.objects.get_or_create(
                    environment_id=environment_id, defaults={"vni": number or _free_vni(), **chosen}
                )[0]
                return made
        except IntegrityError:  # its own number is another's, which has to be searched for
            continue
    raise RuntimeError(f"no VXLAN number is free for environment {environment_id}")


def _free_vni() -> int:
    highest: int = EnvironmentNetwork.objects.order_by("-vni").values_list("vni", flat=True).first() or 0
    return highest % (_VNI_COUNT - 1) + 1


def lock_network(environment_id: int) -> EnvironmentNetwork:
    """The network, locked until the end of the transaction: one change of its addresses at a time."""
    network_of(environment_id)
    locked: EnvironmentNetwork = EnvironmentNetwork.objects.select_for_update(no_key=True).get(pk=environment_id)
    return locked


def count_change(environment_id: int) -> None:
    """Have hosts learn of a change."""
    EnvironmentNetwork.objects.filter(pk=environment_id).update(revision=F("revision") + 1)
