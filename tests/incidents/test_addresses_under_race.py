"""Addresses and networks have one holder each, though several ask at the same moment; on PostgreSQL too."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.environments.models import Environment
from apps.network.addresses import AddressRefused, Claim, claim_address
from apps.network.environment_networks import network_of
from apps.network.models import EnvironmentNetwork
from tests.incidents.race import race

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


@pytest.fixture
def place() -> Environment:
    return Environment.objects.create(name="Place", desired="active", state="active")


def claim(place: Environment, holder: int, requested: str = "") -> str:
    return claim_address(Claim(place.pk, holder, uuid4(), None, requested=requested)).address


def test_an_address_is_one_container_s(place: Environment):
    found = race([lambda n=n: claim(place, n) for n in range(THREADS)])  # type: ignore[misc]
    assert sorted(found) == [f"10.42.4.{n}" for n in range(THREADS)]


def test_a_container_that_asks_twice_has_one_address(place: Environment):
    assert set(race([lambda: claim(place, 1)] * THREADS)) == {"10.42.4.0"}


def test_a_requested_address_is_one_container_s(place: Environment):
    found = race([lambda n=n: claim(place, n, "10.42.9.9") for n in range(THREADS)])  # type: ignore[misc]
    assert found.count("10.42.9.9") == 1
    assert sum(isinstance(each, AddressRefused) for each in found) == THREADS - 1


def test_each_environment_gets_one_network_with_a_number_of_its_own(place: Environment):
    twin = Environment.objects.create(pk=place.pk + (1 << 24), name="Twin", desired="active", state="active")
    keys = (place.pk, twin.pk)
    found = race([lambda n=n: network_of(keys[n % 2]).vni for n in range(THREADS)])  # type: ignore[misc]
    assert len(set(found)) == EnvironmentNetwork.objects.count() == 2
