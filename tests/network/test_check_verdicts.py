"""What a check of the hosts makes of their reports: each fault with its direction and its remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.network.addressing import PLAIN, WIREGUARD
from apps.network.check_reports import CheckReport, Way, storable_report
from apps.network.check_verdicts import (
    BROKEN,
    LONGEST,
    OK,
    PATIENCE,
    WARNING,
    CheckedHost,
    Terms,
    count_open,
    is_decided,
    judge_hosts,
    judge_pairs,
    worst,
)

PLAINLY = Terms("10.42.0.0/16", 1450, PLAIN, 4789)
ENCRYPTED = Terms("10.42.0.0/16", 1370, WIREGUARD, 51820)
ONE = CheckedHost("k1", "h1", "192.0.2.1", "10.42.0.1")
TWO = CheckedHost("k2", "h2", "192.0.2.2", "10.42.0.2")
GOOD = Way(largest=1450, received=5, expected=5, clock=0.001, round_trip=0.4, direct=0.3)
SILENT = Way(direct=0.3)
DEAD = Way()


def report(ways: dict[str, Way], **fields: Any) -> CheckReport:
    return CheckReport(
        **{"check": 1, "seconds": 5, "answers_names": True, "upstream": {"9.9.9.9": True}, **fields}, ways=ways
    )


def judged(there: Way, back: Way, terms: Terms = PLAINLY) -> list[tuple[str, str]]:
    """The findings of two hosts: `there` is the way from h1 to h2."""
    reports = {"k1": report({"k2": back}), "k2": report({"k1": there})}
    (pair,) = judge_pairs(terms, (ONE, TWO), reports, is_over=True)
    return [(finding.level, finding.text) for finding in pair.findings]


IN_NO_DIRECTION = (
    "UDP 4789 arrives in neither direction between h1 and h2: open it in the firewalls of both and between"
)
UNREACHED = (
    "h1 and h2 do not reach each other at 192.0.2.1 and 192.0.2.2:"
    " check these addresses, and the routes and firewalls between them."
)
TOO_LONG = (
    "Packets of 1450 bytes from h1 do not arrive at h2, those of 1280 do:"
    " have the network between them carry 1500 bytes (MTU)."
)


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        (SILENT, GOOD, "UDP 4789 from h1 to h2 does not arrive: open it in the firewall between them, or on h2."),
        (GOOD, SILENT, "UDP 4789 from h2 to h1 does not arrive: open it in the firewall between them, or on h1."),
        (SILENT, SILENT, f"{IN_NO_DIRECTION} them."),
        (DEAD, DEAD, UNREACHED),
        (replace(GOOD, largest=1280), GOOD, TOO_LONG),
    ],
)
def test_what_does_not_arrive_has_a_direction_and_a_remedy(there: Way, back: Way, expected: str):
    assert judged(there, back) == [(BROKEN, expected)]


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        (
            replace(SILENT, is_carried=False),
            replace(SILENT, is_carried=True),
            "UDP 51820 from h1 to h2 does not arrive",
        ),
        (
            replace(SILENT, is_carried=True),
            replace(SILENT, is_carried=False),
            "UDP 51820 from h2 to h1 does not arrive",
        ),
        (
            replace(SILENT, is_carried=False),
            replace(SILENT, is_carried=False),
            "UDP 51820 arrives in neither direction",
        ),
        (
            replace(SILENT, is_carried=True),
            replace(SILENT, is_carried=True),
            "nothing comes out of the tunnel on h2 and h1",
        ),
    ],
)
def test_below_the_encryption_the_counters_of_wireguard_say_the_direction(there: Way, back: Way, expected: str):
    ((level, text),) = judged(there, back, ENCRYPTED)
    assert level == BROKEN
    assert expected in text


@pytest.mark.parametrize(
    ("there", "back", "level", "expected"),
    [
        (replace(GOOD, received=2, expected=8), GOOD, WARNING, "Of 8 packets from h1, 2 arrived at h2"),
        (replace(GOOD, round_trip=None), replace(GOOD, round_trip=None), WARNING, "answer no echo"),
        (replace(GOOD, round_trip=250.0), replace(GOOD, round_trip=260.0), WARNING, "takes 250 ms"),
        (
            replace(GOOD, clock=4.001),
            replace(GOOD, clock=-3.999),
            WARNING,
            "The clock of h2 is 4 s ahead of that of h1",
        ),
        (
            replace(GOOD, clock=-3599),
            replace(GOOD, clock=3601),
            BROKEN,
            "The clock of h1 is 3600 s ahead of that of h2",
        ),
    ],
)
def test_what_is_odd_though_it_works(there: Way, back: Way, level: str, expected: str):
    ((found, text),) = judged(there, back)
    assert found == level
    assert expected in text


def test_a_good_pair_has_figures_and_no_findings():
    reports = {
        "k1": report({"k2": replace(GOOD, clock=-0.4, round_trip=0.5)}),
        "k2": report({"k1": replace(GOOD, clock=0.6)}),
    }
    (pair,) = judge_pairs(PLAINLY, (ONE, TWO), reports, is_over=True)
    assert (pair.level, pair.findings, pair.round_trip, pair.clock, pair.largest) == (OK, (), 0.4, 0.5, 1450)


def test_silence_means_nothing_before_the_end():
    reports = {"k1": report({"k2": DEAD}), "k2": report({"k1": DEAD})}
    assert judge_pairs(PLAINLY, (ONE, TWO), reports, is_over=False)[0].level == OK
    assert judge_hosts(PLAINLY, (ONE, TWO), {}, is_over=False)[0].level == OK
    assert judge_hosts(PLAINLY, (ONE, TWO), {}, is_over=True)[0].findings[0].text.startswith("h1 has not reported")


@pytest.mark.parametrize(
    ("member", "fields", "level", "expected"),
    [
        (
            ONE,
            {"routes": ("10.42.9.0/24 via eth1",)},
            BROKEN,
            "h1 has a route to 10.42.9.0/24 via eth1, which overlaps",
        ),
        (ONE, {"answers_names": False}, BROKEN, "The name server at 169.254.169.250 does not answer on h1"),
        (ONE, {"upstream": {"9.9.9.9": False}}, WARNING, "None of its name servers (9.9.9.9) answers"),
        (ONE, {"upstream": {}}, WARNING, "It has no name server"),
        (ONE, {"upstream": {"9.9.9.9": False, "8.8.8.8": True}}, OK, ""),
        (ONE, {"reason": "Nothing can be sent."}, BROKEN, "h1: Nothing can be sent."),
        (replace(ONE, trouble="no bridge."), {}, BROKEN, "h1 does not take part: no bridge."),
        (replace(ONE, absence="it has no agent."), {}, WARNING, "h1 was not checked: it has no agent."),
    ],
)
def test_a_host_by_itself(member: CheckedHost, fields: dict[str, Any], level: str, expected: str):
    (verdict,) = judge_hosts(PLAINLY, [member], {"k1": report({}, **fields)}, is_over=True)
    assert verdict.level == level
    assert expected in " ".join(finding.text for finding in verdict.findings)


def test_failed_pairs_come_first_and_absent_hosts_have_none():
    three, gone = CheckedHost("k3", "h3", "192.0.2.3"), CheckedHost("k4", "a4", absence="it has no agent.")
    ways = {"k1": GOOD, "k2": GOOD, "k3": GOOD}
    reports = {"k1": report(ways), "k2": report(ways), "k3": report({**ways, "k2": SILENT})}
    pairs = judge_pairs(PLAINLY, (ONE, TWO, three, gone), reports, is_over=True)
    assert [(pair.first.name, pair.second.name, pair.level) for pair in pairs] == [
        ("h2", "h3", BROKEN),
        ("h1", "h2", OK),
        ("h1", "h3", OK),
    ]
    assert worst(pair.level for pair in pairs) == BROKEN


def test_a_check_ends_when_all_is_well_or_everybody_had_time():
    members = (ONE, TWO, CheckedHost("k3", "h3", absence="off."))
    good = {"k1": report({"k2": GOOD}), "k2": report({"k1": GOOD})}
    assert is_decided(PLAINLY, members, good, 1)
    silent = {**good, "k2": report({"k1": SILENT})}
    assert count_open(PLAINLY, members, silent) == 1
    assert not is_decided(PLAINLY, members, silent, 1)
    assert not is_decided(PLAINLY, members, {**silent, "k1": report({"k2": GOOD}, seconds=PATIENCE)}, 30)
    patient = {"k1": report({"k2": GOOD}, seconds=PATIENCE), "k2": report({"k1": SILENT}, seconds=PATIENCE)}
    assert is_decided(PLAINLY, members, patient, 30)
    assert not is_decided(PLAINLY, members, {"k1": good["k1"]}, LONGEST - 1)
    assert is_decided(PLAINLY, members, {"k1": good["k1"]}, LONGEST)
    assert is_decided(PLAINLY, (), {}, 0)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"check": "1"},
        {"check": True},
        {"check": 1, "peers": [], "routes": 5, "names": "x", "seconds": "long"},
        {"check": 1, "peers": {"a\0": {"sizes": {"x": 1, "99999999": 2, "128": -1, "576": True}}}},
        {"check": 1, "peers": {"a": {"clock": float("nan"), "direct": float("inf")}}},
        {"check": 1, "peers": {"a": {"carried": "yes", "roundTrip": 10.0**300, "expected": None}}, "names": {"own": 1}},
        {"check": 1, "routes": [None, {}, "x" * 5000, "a\0b"], "peers": {str(n): {} for n in range(5000)}},
        {"check": 1, "names": {"upstream": {"a": {"b": {"c": {"d": {"e": "f"}}}}}}},
    ],
)  # fmt: skip
def test_what_an_agent_makes_up_is_read_and_kept_without_harm(status: dict[str, Any]):
    found = CheckReport.parse(status)
    if found is None:
        return
    kept = storable_report(status)
    assert "\0" not in str(kept)
    assert len(str(kept)) < 100_000
    again = CheckReport.parse(kept)
    assert again is not None
    assert (again.ways, again.routes[:1], again.answers_names) == (found.ways, found.routes[:1], found.answers_names)
    judge_pairs(PLAINLY, (ONE, TWO), {"k1": again, "k2": again}, is_over=True)
    judge_hosts(PLAINLY, (ONE, TWO), {"k1": again, "k2": again}, is_over=True)


def test_two_hosts_at_one_address_are_named_without_waiting():
    members = (ONE, replace(TWO, address=ONE.address))
    reports = {"k1": report({}), "k2": report({})}
    assert is_decided(PLAINLY, members, reports, 1)
    (pair,) = judge_pairs(PLAINLY, members, reports, is_over=True)
    assert [finding.text for finding in pair.findings] == [
        "h1 and h2 are both to be reached at 192.0.2.1: set the address of each on its page."
    ]
