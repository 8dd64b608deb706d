"""Who gets which address: one for each container, each to one container, kept where a service retains it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.containers.lost_addresses import release_lost_addresses
from apps.environments.models import Environment
from apps.network.addresses import (
    AddressAwaited,
    AddressRefused,
    Claim,
    claim_address,
    release_address,
    release_holders,
    release_retained,
)
from apps.network.environment_networks import network_of
from apps.network.models import Address, EnvironmentNetwork


def claim(lab: Environment, holder: int, **more: Any) -> str:
    return claim_address(Claim(lab.pk, holder, uuid4(), None, **more)).address


def rest(*addresses: str) -> None:
    """A minute passes."""
    rows = Address.objects.filter(address__in=addresses)
    assert rows.update(freed_at=timezone.now() - timedelta(minutes=2)) == len(addresses)


def shrink(lab: Environment) -> EnvironmentNetwork:
    """The smallest network: 768 addresses for containers."""
    EnvironmentNetwork.objects.filter(pk=lab.pk).update(subnet="10.7.0.0/22")
    return network_of(lab.pk)


def test_a_container_has_one_address_however_often_it_asks(lab: Environment):
    assert [claim(lab, 1), claim(lab, 1), claim(lab, 2)] == ["10.42.4.0", "10.42.4.0", "10.42.4.1"]


def test_one_that_asks_for_another_gives_the_first_back(lab: Environment):
    claim(lab, 1)
    assert claim(lab, 1, requested="10.42.9.9") == "10.42.9.9"
    assert list(Address.objects.filter(holder=1).values_list("address", flat=True)) == ["10.42.9.9"]


def test_addresses_come_round_again_only_after_all_others(lab: Environment):
    claim(lab, 1)
    release_address(1)
    rest("10.42.4.0")
    assert claim(lab, 2) == "10.42.4.1"


def test_a_full_network_gives_what_rests_first_what_has_rested_longest_and_then_says_so(lab: Environment):
    network = shrink(lab)
    everything = network.plan.following("", network.plan.size)
    Address.objects.bulk_create(
        [Address(environment=lab, address=each, holder=number) for number, each in enumerate(everything, 1)]
    )
    with pytest.raises(AddressRefused, match=r"All 767 addresses of 10\.7\.0\.0/22 are in use; remove"):
        claim(lab, 1000)
    release_holders([5])
    Address.objects.filter(address=everything[4]).update(freed_at=timezone.now() - timedelta(seconds=20))
    release_holders([4])
    assert claim(lab, 1000) == everything[4]


def test_a_free_one_is_found_far_behind_the_taken_ones(lab: Environment):
    network = shrink(lab)
    everything = network.plan.following("", network.plan.size)
    Address.objects.bulk_create(
        [Address(environment=lab, address=each, holder=number) for number, each in enumerate(everything[:-1], 1)]
    )
    assert claim(lab, 1000) == everything[-1]


def test_the_place_of_a_service_keeps_its_address(lab: Environment):
    assert claim(lab, 1, retained_for="svc/1/") == "10.42.4.0"
    release_address(1)
    assert claim(lab, 2) == "10.42.4.1"
    assert claim(lab, 3, retained_for="svc/1/") == "10.42.4.0"
    release_address(3)
    release_retained("svc/")
    assert not Address.objects.exclude(retained_for="").exists()


@pytest.mark.parametrize(("use", "outcome"), [("idle", "10.42.4.0"), ("in use", "10.42.4.1"), ("leaving", "")])
def test_the_former_container_of_a_place_may_still_use_it(lab: Environment, use: Any, outcome: str):
    claim(lab, 1, retained_for="svc/1/")
    more = {"retained_for": "svc/1/", "use_by": lambda _holder: use, "name_of": lambda _holder: "web_1"}
    if not outcome:
        with pytest.raises(AddressAwaited, match=r"Waits for web_1 to give up 10\.42\.4\.0"):
            claim(lab, 2, **more)
        return
    assert claim(lab, 2, **more) == outcome
    assert Address.objects.get(retained_for="svc/1/").address == "10.42.4.0"


def test_every_change_is_counted_for_the_hosts(lab: Environment):
    counts = [network_of(lab.pk).revision]
    for change in (lambda: claim(lab, 1), lambda: release_address(1), lambda: claim(lab, 1)):
        change()
        counts.append(network_of(lab.pk).revision)
    assert counts == sorted(set(counts))


def test_no_address_is_twice_in_an_environment_whatever_the_program_does(lab: Environment):
    claim(lab, 1)
    for double in ({"address": "10.42.4.0"}, {"address": "10.42.4.9", "holder": 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Address.objects.create(environment=lab, **double)


def test_what_was_never_given_back_is_found(lab: Environment):
    claim(lab, 4711)
    assert (release_lost_addresses(), release_lost_addresses()) == (1, 0)
    assert Address.objects.get().holder is None


def test_each_environment_has_a_network_with_a_number_of_its_own(lab: Environment):
    first, second = network_of(lab.pk), network_of(Environment.objects.create(name="Other", desired="active").pk)
    assert (first.subnet, first.encryption) == ("10.42.0.0/16", "wireguard")
    assert first.vni != second.vni
    third = Environment.objects.create(pk=second.pk + (1 << 24), name="Far", desired="active")
    assert network_of(third.pk).vni not in {first.vni, second.vni, 0}
