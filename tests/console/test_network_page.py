"""The network's page: how hosts take part, and what owners change of it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.containers.models import Container
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.network.addresses import Claim, claim_address
from apps.network.environment_networks import network_of
from apps.network.hosts import ensure_host_network
from apps.network.models import HostNetwork
from apps.stacks.models import Service
from apps.stacks.services import link_add, service_create, stack_create


def connect(host: Host, other: Host) -> None:
    peers = {str(other.uuid): {"reachable": True, "handshakeAgeSeconds": 7, "received": 2048, "sent": 0}}
    HostNetwork.objects.filter(pk=host.pk).update(
        state="active", reason="", peers=peers, reported_at=timezone.now(), address="192.168.0.7"
    )


def test_hosts_are_shown_with_state_reason_and_peers(browser_as: Any, at: Any, lab: Environment, host: Host):
    other = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    ensure_host_network(other)
    connect(host, other)
    claim_address(Claim(lab.pk, 1, lab.uuid, host.pk))
    page = browser_as("rita").get(at("network"))
    view, text = page.context["view"], page.content.decode()
    assert [(each.host.name, each.is_active, each.reached, each.addresses) for each in view.hosts] == [
        ("h1", True, 1, 1),
        ("h2", False, 0, 0),
    ]
    assert "1 of 64511" in text
    assert "This host has neither an agent nor a system container" in text
    assert "192.168.0.7" in text
    assert "disabled" in text
    section = browser_as("rita").get(at("host", pk=host.pk)).content.decode()
    assert "7 s before the report" in section
    assert "10.42.0.1" in section


def test_owners_change_it_and_a_refusal_is_shown_at_its_field(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("alice")
    assert client.post(at("network"), {"subnet": "10.9.0.0/16", "encryption": "none"}).status_code in {200, 204, 302}
    assert (network_of(lab.pk).subnet, network_of(lab.pk).encryption) == ("10.9.0.0/16", "none")
    refused = client.post(at("network"), {"subnet": "8.8.8.0/24", "encryption": "none"})
    assert refused.status_code == 422
    assert "is not a private network" in refused.content.decode()
    assert "8.8.8.0/24" in refused.content.decode()
    browser_as("bob").post(at("network"), {"encryption": "wireguard"})
    assert network_of(lab.pk).encryption == "none"


def test_an_environment_is_created_with_a_network(browser_as: Any):
    client = browser_as("alice")
    assert "10.42.0.0/16" in client.get("/environments/new").content.decode()
    refused = client.post("/environments/new", {"name": "edge", "subnet": "10.0.0.0/30", "encryption": "wireguard"})
    assert (refused.status_code, "is too small" in refused.content.decode()) == (422, True)
    client.post("/environments/new", {"name": "edge", "subnet": "10.8.0.0/16", "encryption": "none"})
    made = Environment.objects.get(name="edge")
    assert (network_of(made.pk).subnet, network_of(made.pk).encryption) == ("10.8.0.0/16", "none")


def test_the_page_says_what_a_policy_would_cut_off_and_owners_choose_one(
    browser_as: Any, at: Any, lab: Environment, host: Host, web: Service, actor_of: Any
):
    owner = actor_of("alice")
    other = stack_create(actor=owner, environment=lab, name="data")
    db, lonely = (
        service_create(actor=owner, stack=other, name=name, config=web.config, start_on_create=True)
        for name in ("db", "lonely")
    )
    link_add(web, db, "db", actor=owner)
    reconcile_until_idle()
    for row in Container.all_objects.filter(environment=lab):
        claim_address(Claim(lab.pk, row.pk, row.uuid, host.pk))
    client = browser_as("alice")
    page = client.get(at("network"))
    linked = next(each.preview for each in page.context["policies"] if each.words.mode == "linked")
    assert [(each.service, each.kept, each.lost) for each in linked.losing] == [
        (lonely, (), 2),
        (web, (), 2),
        (db, (web,), 1),
    ]
    assert "Now this would cut 3 running services off" in page.content.decode()
    same = next(each.preview for each in page.context["policies"] if each.words.mode == "stack")
    assert [(each.service, each.kept) for each in same.losing] == [(web, ()), (lonely, (db,))]
    client.post(at("network"), {"policy": "linked"})
    assert network_of(lab.pk).policy == "linked"
    assert "Linked services only" in client.get(at("topology")).content.decode()
    refused = client.post(at("network"), {"policy": "some"})
    assert (refused.status_code, "policy is all, linked" in refused.content.decode()) == (422, True)
    browser_as("bob").post(at("network"), {"policy": "all"})
    assert network_of(lab.pk).policy == "linked"
    assert "Now this would cut no running service off" in client.get(at("network")).content.decode()
    # Under the same policy nothing would be lost, and a wider one gives more.
    choices = {each.words.mode: each.preview for each in client.get(at("network")).context["policies"]}
    assert (choices["linked"], choices["all"], choices["stack"].losing) == (None, None, ())
