"""`network`: the managed network of an environment, chosen when that is created and changed by its owners."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.core.errors import Forbidden
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.addresses import Claim, claim_address, release_address
from apps.network.environment_networks import network_of
from apps.network.models import EnvironmentNetwork
from apps.network.services import network_update
from apps.stacks.models import Service, Stack
from apps.stacks.services import links_set, service_create, stack_create


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
    assert (refused.status, "1 container took an address of 10.42.0.0/16" in refused["message"]) == (409, True)
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


# The ports that are chosen


def test_the_range_of_ports_is_changed_by_owners_and_shown_with_the_environment(
    api_of: Any, lab: Environment, key: str
):
    sent = {"servicesPortRange": {"startPort": 20000, "endPort": 20999}}
    assert api_of("bob").inside(lab).put(key, sent).status in {403, 405}
    changed = api_of("alice").inside(lab).put(key, sent)
    shown = {"type": "servicesPortRange", "startPort": 20000, "endPort": 20999}
    assert (changed.status, changed["servicesPortRange"]) == (200, shown)
    project = f"projects/{wire_id('a', lab.pk)}"
    assert api_of("alice").get(project)["servicesPortRange"] == shown
    back = {"servicesPortRange": {"startPort": 49153, "endPort": 65535}}
    assert api_of("alice").put(project, back)["servicesPortRange"]["startPort"] == 49153
    assert network_of(lab.pk).port_range == "49153-65535"
    made = api_of("alice").post("projects", {"name": "edge", **sent})
    assert (made.status, made["servicesPortRange"]) == (201, shown)


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (30000, 29000, "the lower end first"),
        (30000, 30005, "has 6 ports; it needs 16"),
        (80, 30000, ""),
        (30000, 70000, ""),
        ("x", 30000, ""),
        (None, 30000, ""),
    ],
)
def test_a_range_of_ports_that_cannot_be_is_refused(
    api_of: Any, lab: Environment, key: str, start: Any, end: Any, why: str
):
    sent = {"servicesPortRange": {"startPort": start, "endPort": end}}
    for answer in (
        api_of("alice").inside(lab).put(key, sent),
        api_of("alice").put(f"projects/{wire_id('a', lab.pk)}", sent),
        api_of("alice").post("projects", {"name": "x", **sent}),
    ):
        assert answer.status == 422
        assert why in (answer["message"] or "")
    assert network_of(lab.pk).port_range == "49153-65535"
    assert not Environment.objects.filter(name="x").exists()


# What another policy would cut off


@pytest.fixture
def linked(lab: Environment, host: Host, actor_of: Any, run_loop: Any) -> dict[str, Service]:
    """Three running services: `front` links to `back`, and `other` is in another stack."""
    made = {}
    for stack, name in (("shop", "front"), ("shop", "back"), ("tools", "other")):
        found = Stack.all_objects.filter(name=stack).first()
        parent = found or stack_create(actor=actor_of("bob"), environment=lab, name=stack)
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
        made[name] = service_create(
            actor=actor_of("bob"), stack=parent, name=name, config=config, scale=1, start_on_create=True
        )
    links_set(made["front"], [(made["back"], "")], actor=actor_of("bob"))
    run_loop()
    for row in Container.all_objects.filter(environment=lab):
        claim_address(Claim(lab.pk, row.pk, row.uuid, host.pk))
    return made


def test_the_preview_of_a_policy_says_which_connections_it_would_cut(
    api_of: Any, lab: Environment, key: str, linked: dict[str, Service]
):
    api = api_of("rita").inside(lab)
    link = api.get(key)["links"]["policyPreview"]
    found = api.get(f"{link}?policy=linked")
    assert (found["type"], found["defaultPolicyAction"], found["singleContainers"]) == (
        "networkPolicyPreview",
        "deny",
        0,
    )
    assert [each["within"] for each in found["policy"]] == ["service", "linked"]
    cut = {each["name"]: each for each in found["cut"]}
    assert set(cut) == {"shop/front", "shop/back", "tools/other"}
    assert [each["name"] for each in cut["shop/back"]["keptFrom"]] == ["shop/front"]
    assert (cut["shop/back"]["lost"], [each["name"] for each in cut["shop/back"]["lostFrom"]]) == (1, ["tools/other"])
    assert cut["tools/other"]["serviceId"] == wire_id("s", linked["other"].pk)
    assert [each["name"] for each in cut["tools/other"]["lostFrom"]] == ["shop/back", "shop/front"]
    stack = {each["name"]: each["lost"] for each in api.get(f"{link}?policy=stack")["cut"]}
    assert stack == {"shop/front": 1, "shop/back": 1, "tools/other": 2}
    assert api.get(f"{link}?policy=all")["cut"] == []
    assert api.get(link)["cut"] == [], "what is in force cuts nothing more"
    assert network_of(lab.pk).policy == "all"


@pytest.mark.parametrize("query", ["?policy=", "?policy=none", "?policy=all&policy=x"])
def test_the_preview_of_no_policy_is_refused(api_of: Any, lab: Environment, key: str, query: str):
    answer = api_of("rita").inside(lab).get(f"{key}/policypreview{query}")
    assert (answer.status, answer["fieldName"]) == (422, "policy")
    assert "?policy=linked" in answer["message"]
