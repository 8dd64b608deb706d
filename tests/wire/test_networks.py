"""`network`: the managed network of an environment, chosen when that is created and changed by its owners."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.core.errors import Forbidden
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.addresses import Claim, claim_address, release_address
from apps.network.environment_networks import network_of
from apps.network.models import EnvironmentNetwork
from apps.network.services import network_update


@pytest.fixture
def key(lab: Environment) -> str:
    network_of(lab.pk)
    return f"networks/{wire_id('n', lab.pk)}"


def test_members_read_it_and_owners_change_it(api_of: Any, people: Any, lab: Environment, key: str):
    for name in ("alice", "bob", "rita"):
        found = api_of(name).inside(lab).get(key)
        assert (found.status, found["subnet"], found["encryption"], found["mtu"]) == (
            200,
            "10.42.0.0/16",
            "wireguard",
            1370,
        )
    assert api_of("bob").inside(lab).put(key, {"encryption": "none"}).status in {403, 405}
    changed = api_of("alice").inside(lab).put(key, {"encryption": "none", "subnet": "10.99.0.0/20"})
    assert (changed.status, changed["subnet"], changed["encryption"], changed["mtu"]) == (
        200,
        "10.99.0.0/20",
        "none",
        1450,
    )
    entry = AuditEntry.objects.within([lab.pk]).get(event="environmentNetwork.update")
    assert (entry.account, entry.target_name) == (people.alice, "Lab")
    assert entry.request == {"subnet": "10.99.0.0/20", "encryption": "none"}


def test_others_find_none(api_of: Any, key: str, foreign_environment: Environment):
    del foreign_environment
    assert api_of("mallory").get(key).status == 404


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"subnet": "8.8.0.0/16"}, "subnet", "not a private network"),
        ({"subnet": "10.1.0.0/24"}, "subnet", "too small"),
        ({"subnet": "10.43.0.0/16"}, "subnet", "inside their tunnels"),
        ({"subnet": 7}, "subnet", ""),
        ({"encryption": "rot13"}, "encryption", ""),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    api_of: Any, lab: Environment, key: str, body: dict[str, Any], field: str, why: str
):
    for answer in (api_of("alice").inside(lab).put(key, body), api_of("alice").post("projects", {"name": "x", **body})):
        assert (answer.status, answer["fieldName"]) == (422, field)
        assert why in answer["message"]
    assert network_of(lab.pk).subnet == "10.42.0.0/16"
    assert not Environment.objects.filter(name="x").exists()


def test_the_subnet_stays_while_containers_have_addresses(api_of: Any, lab: Environment, key: str):
    claim_address(Claim(lab.pk, 1, lab.uuid, None))
    owner = api_of("alice").inside(lab)
    refused = owner.put(key, {"subnet": "10.99.0.0/20"})
    assert (refused.status, "1 containers have addresses of 10.42.0.0/16" in refused["message"]) == (409, True)
    assert owner.put(key, {"encryption": "none"}).status == 200
    release_address(1)
    assert owner.put(key, {"subnet": "10.99.0.0/20"})["subnet"] == "10.99.0.0/20"


def test_an_environment_is_created_with_what_was_chosen(api_of: Any):
    made = api_of("alice").post("projects", {"name": "edge", "subnet": "10.77.0.0/20", "encryption": "none"})
    assert (made.status, made["subnet"], made["encryption"]) == (201, "10.77.0.0/20", "none")
    usual = api_of("alice").post("projects", {"name": "usual"})
    assert (usual["subnet"], usual["encryption"]) == ("10.42.0.0/16", "wireguard")


def test_a_network_that_a_host_reaches_already_is_refused(api_of: Any, lab: Environment, host: Host, key: str):
    info = {**host.info, "networkInfo": {"routes": ["0.0.0.0/0", "10.99.3.0/24", 7]}}
    Host.all_objects.filter(pk=host.pk).update(info=info)
    refused = api_of("alice").inside(lab).put(key, {"subnet": "10.99.0.0/16"})
    assert (refused.status, refused["fieldName"]) == (422, "subnet")
    assert f"10.99.0.0/16 overlaps 10.99.3.0/24, which {host} reaches already" in refused["message"]


# The network policy


def rule(within: str, **more: Any) -> dict[str, Any]:
    return {"within": within, "action": "allow", **more}


@pytest.mark.parametrize(
    ("sent", "policy"),
    [
        ({"defaultPolicyAction": "deny", "policy": [rule("linked")]}, "linked"),
        ({"defaultPolicyAction": "deny", "policy": [rule("service"), {"within": "linked"}]}, "linked"),
        ({"defaultPolicyAction": "deny", "policy": [rule("stack"), rule("linked")]}, "stack"),
        ({"defaultPolicyAction": "allow"}, "all"),
    ],
)
def test_a_policy_is_written_as_rules(api_of: Any, lab: Environment, key: str, sent: dict[str, Any], policy: str):
    EnvironmentNetwork.objects.filter(pk=lab.pk).update(policy="stack" if policy != "stack" else "all")
    before = network_of(lab.pk).revision
    changed = api_of("alice").inside(lab).put(key, sent)
    network = network_of(lab.pk)
    assert (changed.status, network.policy, network.revision) == (200, policy, before + 1)
    found = api_of("rita").inside(lab).get(key)
    again = {"defaultPolicyAction": found["defaultPolicyAction"], "policy": found["policy"]}
    assert again["defaultPolicyAction"] == ("allow" if policy == "all" else "deny")
    assert api_of("alice").inside(lab).put(key, again).status == 200
    assert (network_of(lab.pk).policy, network_of(lab.pk).revision) == (policy, before + 1)
    assert AuditEntry.objects.within([lab.pk]).get(event="environmentNetwork.update").request == {"policy": policy}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"defaultPolicyAction": "deny"}, "no rules with deny is not enforced here; send []"),
        ({"defaultPolicyAction": "deny", "policy": [rule("stack")]}, "stack with deny is not enforced"),
        ({"defaultPolicyAction": "deny", "policy": [rule("service")]}, "service with deny"),
        ({"policy": [{"within": "linked", "action": "deny"}]}, "rules can only allow"),
        ({"policy": [{"between": {"selector": "a=b"}, "action": "allow"}]}, "within 'None' is not enforced"),
        ({"policy": [rule("world")]}, "within 'world'"),
        ({"policy": [{"within": ["linked"]}]}, ""),
        ({"policy": ["linked"]}, ""),
        ({"policy": "linked"}, ""),
    ],
)
def test_rules_that_nobody_enforces_are_refused(
    api_of: Any, lab: Environment, key: str, sent: dict[str, Any], why: str
):
    refused = api_of("alice").inside(lab).put(key, sent)
    assert (refused.status, refused["fieldName"]) == (422, "policy"), refused
    assert why in refused["message"]
    assert network_of(lab.pk).policy == "all"


def test_members_do_not_change_the_policy(api_of: Any, actor_of: Any, lab: Environment, key: str):
    sent = {"defaultPolicyAction": "deny", "policy": [rule("linked")]}
    assert api_of("bob").inside(lab).put(key, sent).status in {403, 405}
    with pytest.raises(Forbidden):
        network_update(lab, actor=actor_of("bob"), policy="linked")
    assert network_of(lab.pk).policy == "all"
