"""Rules about hosts' labels, other containers and their labels: how they are read, and what they decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.hosts.affinity import (
    PREFIX,
    STACK_SERVICE_LABEL,
    is_unknown_rule,
    malformed_rule,
    parse_rules,
    substitute_names,
)
from apps.hosts.fleet import Fleet, HostView, Neighbour
from apps.hosts.placement import Placed, PlacementRequirements, Unplaced, choose_host
from bench.placement import place_all

OWN = {STACK_SERVICE_LABEL: "shop/web"}
HOSTS = [HostView(1, "one"), HostView(2, "two", containers=5), HostView(3, "three", containers=9)]


def choice(labels: dict[str, str], *neighbours: Neighbour, names: frozenset[str] = frozenset()) -> int | str:
    answer = choose_host(PlacementRequirements(labels=labels, names=names), Fleet(HOSTS, neighbours))
    return answer.host_id if isinstance(answer, Placed) else "; ".join(answer.reasons)


DB = Neighbour(2, "shop_db_1", "0f8e-uuid", {"role": "db", STACK_SERVICE_LABEL: "shop/db"})


@pytest.mark.parametrize(
    ("rule", "value", "chosen"),
    [
        ("container_label", "role=db", 2),
        ("container_label", "role", 2),
        ("container_label", "role=db,io.rancher.stack_service.name=shop/db", 2),
        ("container_label", "role=db,role=cache", None),
        ("container_label_ne", "role=db", 1),
        ("container_label_soft", "role=db", 2),
        ("container_label_soft", "role=cache", 1),
        ("container_label_soft_ne", "role=db", 1),
        ("container", "shop_db_1", 2),
        ("container", "0f8e-uuid", 2),
        ("container", "shop_db_2", None),
        ("container", "shop_db_1,shop_db_2", None),
        ("container_ne", "shop_db_1", 1),
        ("container_soft", "shop_db_1", 2),
        ("container_soft", "shop_db_2", 1),
        ("container_soft_ne", "0f8e-uuid", 1),
    ],
)
def test_each_rule_about_other_containers(rule: str, value: str, chosen: int | None) -> None:
    answer = choice({PREFIX + rule: value}, DB)
    assert answer == chosen if chosen else isinstance(answer, str)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"container_label": "role=cache"}, "no container with the label role=cache is there (one, two, three)"),
        ({"container_label_ne": "role=db", "container": "shop_db_1"}, "the container shop_db_1 is not there"),
        ({"container_label_ne": "role=db", "container": "shop_db_1"}, "a container with the label role=db is there"),
    ],
)
def test_a_rule_that_no_host_keeps_is_said_in_words(labels: dict[str, str], why: str) -> None:
    assert why in str(choice({PREFIX + rule: value for rule, value in labels.items()}, DB))


@pytest.mark.parametrize("form", ["${%s}", "$${%s}"])
def test_the_names_of_stack_and_service_are_put_in(form: str) -> None:
    text = f"{STACK_SERVICE_LABEL}={form % 'stack_name'}/{form % 'service_name'}"
    (rule,) = parse_rules({**OWN, f"{PREFIX}container_label_ne": text})
    assert (rule.name, rule.value) == (STACK_SERVICE_LABEL, "shop/web")


@pytest.mark.parametrize("text", ["${stack}", "$stack_name", "$$stack_name", "{service_name}", "${stack_name"])
def test_nothing_else_is_put_in(text: str) -> None:
    assert substitute_names(text, OWN) == text


def test_a_standalone_container_has_no_stack() -> None:
    assert substitute_names("${stack_name}", {}) == "${stack_name}"


def test_the_first_of_its_own_kind_goes_anywhere_and_the_others_follow() -> None:
    own = {"role": "db", f"{PREFIX}container_label": "role=db"}
    answer = choose_host(PlacementRequirements(labels=own), Fleet(HOSTS))
    assert isinstance(answer, Placed)
    assert answer.host_id == 1
    assert "the first one of its kind may go anywhere (role=db)" in answer.trace[0]["reasons"]
    assert choice(own, Neighbour(3, "first", labels=own)) == 3


def test_company_of_another_kind_is_not_waived() -> None:
    assert isinstance(choice({"role": "web", f"{PREFIX}container_label": "role=db"}), str)


def test_company_on_a_host_that_takes_nothing_does_not_hold_a_successor_back() -> None:
    """A service that wants its own company could never leave a host otherwise."""
    own = {"role": "db", f"{PREFIX}container_label": "role=db"}
    hosts = [HostView(1, "leaving", "evacuating"), HostView(2, "free")]
    answer = choose_host(PlacementRequirements(labels=own), Fleet(hosts, [Neighbour(1, "old", labels=own)]))
    assert isinstance(answer, Placed)
    assert answer.host_id == 2


def test_a_rule_that_names_the_container_itself_is_met_by_any_host() -> None:
    assert choice({f"{PREFIX}container": "me"}, names=frozenset({"me"})) == 1


def test_never_two_of_a_service_on_one_host() -> None:
    rule = {**OWN, f"{PREFIX}container_label_ne": f"{STACK_SERVICE_LABEL}=${{stack_name}}/${{service_name}}"}
    fleet, found = Fleet(HOSTS), []
    for number in range(3):
        answer = choose_host(PlacementRequirements(labels=rule), fleet)
        assert isinstance(answer, Placed)
        found.append(answer.host_id)
        fleet.place(Neighbour(answer.host_id, f"shop_web_{number}", labels=rule))
    assert sorted(found) == [1, 2, 3]
    answer = choose_host(PlacementRequirements(labels=rule), fleet)
    assert isinstance(answer, Unplaced)
    assert answer.reasons == (
        "a container with the label io.rancher.stack_service.name=shop/web is there (one, two, three)",
    )


def test_dropped_preferences_are_named_for_the_host_that_was_chosen() -> None:
    labels = {f"{PREFIX}host_label_soft": "ssd,gpu", f"{PREFIX}container_label_soft": "role=db"}
    hosts = [HostView(1, "one"), HostView(2, "two", labels={"ssd": "1"}), HostView(3, "three", "inactive")]
    answer = choose_host(PlacementRequirements(labels=labels), hosts)
    assert answer.trace[0] == {
        "verdict": "chosen",
        "reasons": [
            "it keeps the most preferences",
            "a preference was dropped: the label gpu is missing",
            "a preference was dropped: no container with the label role=db is there",
        ],
        "hosts": ["two"],
        "count": 1,
    }
    assert answer.trace[1]["reasons"] == ["it keeps fewer of the preferences", "the label ssd is missing"]


@pytest.mark.parametrize(
    ("label", "unknown"),
    [
        ("host_label", False),
        ("container_soft_ne", False),
        ("container_label_ne_soft", True),
        ("containers", True),
        ("", True),
    ],
)
def test_a_misspelt_rule_is_found(label: str, unknown: bool) -> None:
    assert is_unknown_rule(PREFIX + label) is unknown


@pytest.mark.parametrize(
    ("rule", "text", "part"),
    [
        ("host_label", "foo", "foo"),
        ("host_label", "a=b, foo ,c=d", "foo"),
        ("host_label_soft", "a=", "a="),
        ("container_label_ne", "=b", "="),
        ("container_label_soft_ne", " = ", "="),
        ("host_label", "", None),
        ("host_label", "a=b", None),
        ("host_label", "a=b=c", None),
        ("container_label", "a=b,", None),
        ("container_label", "io.rancher.stack_service.name=$${stack_name}/$${service_name}", None),
        ("container", "shop_db_1", None),
        ("container_ne", "x", None),
        ("host_labels", "foo", None),
    ],
)
def test_a_rule_about_labels_has_a_name_and_a_value(rule: str, text: str, part: str | None) -> None:
    found = malformed_rule(PREFIX + rule, text)
    assert found is None if part is None else found is not None and part in found
    assert malformed_rule(rule, text) is None


def test_a_label_of_any_length_gives_a_short_reason() -> None:
    assert len(str(choice({f"{PREFIX}container_label": f"a={'x' * 100_000}"}))) < 400


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
PEERS = st.lists(st.builds(Neighbour, st.integers(1, 3), st.sampled_from(["x", "y"]), st.just(""), LABELS), max_size=6)
PARTS = st.sampled_from(["a=1", "a=2", "b", "x", "y"])


@given(st.sampled_from(["container", "container_label"]), PARTS, PEERS)
def test_a_host_keeps_a_rule_exactly_if_it_breaks_the_opposite(rule: str, part: str, peers: list[Neighbour]) -> None:
    fleet = Fleet(HOSTS, peers)
    (wanted,), (unwanted,) = (parse_rules({f"{PREFIX}{rule}{kind}": part}) for kind in ("", "_ne"))
    assert fleet.hosts_against(wanted) == fleet.ids - fleet.hosts_against(unwanted)
    holders = {
        peer.host_id for peer in peers if (peer.name == part if rule == "container" else wanted.holds_for(peer.labels))
    }
    assert fleet.hosts_with(wanted) == holders


def test_what_the_benchmark_places_has_room() -> None:
    assert place_all(60, 30) == 60


def test_a_rule_that_is_written_twice_is_one() -> None:
    assert len(parse_rules({"io.rancher.scheduler.affinity:host_label": "zone=a,zone=a"})) == 1
