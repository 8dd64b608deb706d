"""Balancers hear of certificates: of those they show, and of orders whose proof they lead to the portal."""

from __future__ import annotations

from typing import Any

import pytest

from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.balancer.draining import balancers_of_certificate
from apps.stacks.models import Service, Stack
from apps.stacks.service_options import BALANCER
from apps.vault.acme.services import certificate_order
from apps.vault.models import Certificate

pytestmark = pytest.mark.django_db


def balancer(environment: Environment, name: str, **columns: Any) -> Service:
    stack = Stack.all_objects.create(environment=environment, name=f"{name}-stack", desired="active")
    wanted = {"desired": "active", "kind": BALANCER, **columns}
    made: Service = Service.all_objects.create(environment=environment, stack=stack, name=name, **wanted)
    return made


def test_each_balancer_of_the_environment_may_be_asked_for_the_proof_of_an_order(lab: Environment, actor_of: Any):
    other = environment_create(actor=actor_of("mallory"), name="Far")
    mine = [balancer(lab, name) for name in ("front", "back")]
    balancer(lab, "stopped", desired="inactive")
    balancer(lab, "web", kind="service")
    balancer(other, "theirs")
    row = certificate_order(actor=actor_of("bob"), environment=lab, names=["a.example.org"])
    assert sorted(balancers_of_certificate(row)) == [("service", each.pk) for each in mine]
    Certificate.all_objects.filter(pk=row.pk).update(is_placeholder=False)
    row.refresh_from_db()
    assert list(balancers_of_certificate(row)) == []  # issued, and shown by none
