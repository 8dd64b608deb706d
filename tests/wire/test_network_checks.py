"""`networkCheck`: creating one has the hosts check each other; it says what they found."""

from __future__ import annotations

from typing import Any

from apps.control.reconcile import reconcile_one
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.network.models import NetworkCheck
from tests.network.joined_hosts import answer, join


def test_a_check_is_created_read_and_run_again(api_of: Any, lab: Environment):
    api = api_of("bob").inside(lab)
    made = api.post("networkchecks", {})
    assert (made.status, made["type"], made["state"], made["transitioning"]) == (201, "networkCheck", "checking", "yes")
    assert (made["verdict"], made["hosts"], made["pairs"]) == (None, [], [])
    hosts = [join(lab, number) for number in (1, 2)]
    answer(*hosts)
    reconcile_one("networkCheck", NetworkCheck.all_objects.get().pk)
    found = api.get(f"networkchecks/{made['id']}")
    assert (found["state"], found["verdict"], found["checkedAt"] is not None) == ("checked", "ok", True)
    assert found["hosts"][0] == {"hostUuid": str(hosts[0].uuid), "name": "h1", "verdict": "ok", "findings": []}
    (pair,) = found["pairs"]
    assert (pair["hosts"], pair["verdict"], pair["roundTripMilliseconds"]) == (["h1", "h2"], "ok", 0.5)
    assert (pair["clockDifferenceSeconds"], pair["longestPacket"]) == (0, 1370)
    again = api.post(f"networkchecks/{made['id']}?action=run", {})
    assert (again.status, again["state"]) == (202, "checking")
    assert api.post("networkchecks", {})["id"] == made["id"]


def test_readers_read_and_do_not_run_it(api_of: Any, lab: Environment):
    api_of("bob").inside(lab).post("networkchecks", {})
    reader = api_of("rita").inside(lab)
    (found,) = reader.get("networkchecks")["data"]
    assert found["actions"] == {}
    assert reader.post("networkchecks", {}).status in {403, 405}


def test_owners_have_the_throughput_between_two_hosts_measured(api_of: Any, lab: Environment):
    hosts = [join(lab, number) for number in (1, 2)]
    sent = {"throughputBetween": [wire_id("h", each.pk) for each in hosts]}
    refused = api_of("bob").inside(lab).post("networkchecks", sent)
    assert (refused.status, "fills the link" in refused["message"]) == (403, True)
    owner = api_of("alice").inside(lab)
    made = owner.post("networkchecks", sent)
    assert made.status == 201
    answer(*hosts)
    reconcile_one("networkCheck", NetworkCheck.all_objects.get().pk)
    (pair,) = owner.get(f"networkchecks/{made['id']}")["pairs"]
    assert pair["bitsPerSecond"] == [1e9, 1e9]
    for ids, why in ((["1h999999", sent["throughputBetween"][0]], "no host"), (sent["throughputBetween"][:1], "two")):
        wrong = owner.post("networkchecks", {"throughputBetween": ids})
        assert (wrong.status, wrong["fieldName"]) == (422, "throughputBetween")
        assert why in wrong["message"]
