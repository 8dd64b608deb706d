"""What the reports of a check mean: a verdict for each host and each pair of hosts, with the remedy; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from apps.network.addressing import PLAIN, WIREGUARD
from apps.network.check_reports import CheckReport, Way
from apps.network.check_throughput import ThroughputReport, in_words

OK, WARNING, BROKEN = "ok", "warning", "failed"
_RANKS = {OK: 0, WARNING: 1, BROKEN: 2}

PATIENCE = 15
"""Seconds for which all hosts took part before silence means something: WireGuard repeats a handshake after 5."""
LONGEST = 60.0
_OVERHEAD = {PLAIN: 50, WIREGUARD: 110}
_SLOW = 100.0
_CLOCK_WARNING, _CLOCK_BROKEN = 1.0, 30.0
SERVICE_ADDRESS = "169.254.169.250"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the network of the environment is made of."""

    subnet: str
    mtu: int
    encryption: str
    udp_port: int

    @property
    def underlay_mtu(self) -> int:
        """What the network between the hosts has to carry for the longest packets of containers."""
        return self.mtu + _OVERHEAD[self.encryption]


@dataclass(frozen=True, slots=True)
class CheckedHost:
    """A host of the environment: `key` is its uuid; `absence` says why it cannot be checked, empty when it can."""

    key: str
    name: str
    address: str = ""
    gateway: str = ""
    absence: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What is not as it should be, and the remedy."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """One host by itself."""

    member: CheckedHost
    findings: tuple[CheckFinding, ...] = ()
    is_reported: bool = False

    @property
    def level(self) -> str:
        """The worst that was found."""
        return worst(finding.level for finding in self.findings)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """Two hosts. `clock` is by how many seconds the second's clock is ahead, `largest` what arrives both ways.

    `throughput` is in bits a second from the first to the second and back, where that was measured.
    """

    first: CheckedHost
    second: CheckedHost
    findings: tuple[CheckFinding, ...] = ()
    round_trip: float | None = None
    clock: float | None = None
    largest: int = 0
    throughput: tuple[float | None, float | None] = (None, None)

    @property
    def level(self) -> str:
        """The worst that was found."""
        return worst(finding.level for finding in self.findings)

    @property
    def throughput_in_words(self) -> str:
        """What passes there and back; empty where it was not measured."""
        there, back = self.throughput
        return f"{in_words(there)} / {in_words(back)}" if there is not None and back is not None else ""


def worst(levels: Iterable[str]) -> str:
    """The worst of several verdicts; ok of none."""
    return max(levels, key=_RANKS.__getitem__, default=OK)


def rank(level: str) -> int:
    """For sorting: the failed ones first."""
    return -_RANKS[level]


def is_decided(
    terms: Terms, members: Sequence[CheckedHost], reports: Mapping[str, CheckReport], seconds: float
) -> bool:
    """Whether nothing new is to be expected `seconds` after the check began."""
    expected = [member.key for member in members if not member.absence]
    if seconds >= LONGEST or not expected:
        return True
    if any(key not in reports for key in expected):
        return False
    return min(reports[key].seconds for key in expected) >= PATIENCE or not count_open(terms, members, reports)


def count_open(terms: Terms, members: Sequence[CheckedHost], reports: Mapping[str, CheckReport]) -> int:
    """How many ways and hosts have not shown yet that all is well with them."""
    expected = [member for member in members if not member.absence]
    hosts = sum(not (each.key in reports and reports[each.key].answers_names) for each in expected)
    return hosts + sum(
        not _is_complete(terms, reports, sender.key, receiver.key)
        for sender in expected
        for receiver in expected
        # Two hosts at one address have nothing to try: agents get one of them only as a peer.
        if sender is not receiver and sender.address != receiver.address
    )


def _is_complete(terms: Terms, reports: Mapping[str, CheckReport], sender: str, receiver: str) -> bool:
    way = _way(reports, sender, receiver)
    return way is not None and way.largest >= terms.mtu and way.round_trip is not None


def _way(reports: Mapping[str, CheckReport], sender: str, receiver: str) -> Way | None:
    report = reports.get(receiver)
    return report.ways.get(sender) if report is not None else None


def judge_hosts(
    terms: Terms, members: Iterable[CheckedHost], reports: Mapping[str, CheckReport], *, is_over: bool
) -> list[HostVerdict]:
    """Each host by itself; before the check is over, silence means nothing."""
    return [
        HostVerdict(
            member,
            tuple(_host_findings(terms, member, reports.get(member.key), is_over=is_over)),
            member.key in reports,
        )
        for member in members
    ]


def _host_findings(
    terms: Terms, member: CheckedHost, report: CheckReport | None, *, is_over: bool
) -> list[CheckFinding]:
    if member.absence:
        return [CheckFinding(WARNING, f"{member.name} was not checked: {member.absence}")]
    if report is None:
        text = f"{member.name} has not reported in time: see on its page whether its agent is connected."
        return [CheckFinding(BROKEN, text)] if is_over else []
    found = [
        CheckFinding(
            BROKEN,
            f"{member.name} has a route to {route}, which overlaps the network {terms.subnet}:"
            " remove it, or choose another subnet for the environment.",
        )
        for route in report.routes
    ]
    if member.trouble and is_over:
        found.append(CheckFinding(BROKEN, f"{member.name} does not take part: {member.trouble}"))
    elif report.reason and is_over:
        found.append(CheckFinding(BROKEN, f"{member.name}: {report.reason}"))
    return found + _name_findings(member, report)


def _name_findings(member: CheckedHost, report: CheckReport) -> list[CheckFinding]:
    found = []
    if report.answers_names is False:
        text = f"The name server at {SERVICE_ADDRESS} does not answer on {member.name}:"
        found.append(CheckFinding(BROKEN, f"{text} have whatever else listens on port 53 there listen elsewhere."))
    silent = [server for server, answers in report.upstream.items() if not answers]
    if report.answers_names is not None and len(silent) == len(report.upstream):
        which = f"None of its name servers ({', '.join(silent)}) answers" if silent else "It has no name server"
        why = f"{member.name} resolves no names of the world outside. {which}: correct its /etc/resolv.conf."
        found.append(CheckFinding(WARNING, why))
    return found


def judge_pairs(
    terms: Terms, members: Sequence[CheckedHost], reports: Mapping[str, CheckReport], *, is_over: bool
) -> list[PairVerdict]:
    """Every two hosts that both reported, the failed ones first."""
    present = [member for member in members if not member.absence and member.key in reports]
    found = [_judge_pair(terms, first, second, reports, is_over=is_over) for first, second in combinations(present, 2)]
    return sorted(found, key=lambda pair: (rank(pair.level), pair.first.name, pair.second.name))


def _judge_pair(
    terms: Terms, first: CheckedHost, second: CheckedHost, reports: Mapping[str, CheckReport], *, is_over: bool
) -> PairVerdict:
    there = _way(reports, first.key, second.key) or Way()
    back = _way(reports, second.key, first.key) or Way()
    trips = [way.round_trip for way in (there, back) if way.round_trip is not None]
    clock = _clock(there, back)
    findings = _arrival_findings(terms, first, second, there, back) if is_over else []
    if is_over and not findings:
        findings = _length_findings(terms, first, second, there) + _length_findings(terms, second, first, back)
        findings += _echo_findings(first, second, there, back)
    findings += _clock_findings(first, second, clock)
    measured = [_throughput(reports, first, second), _throughput(reports, second, first)]
    findings += [
        CheckFinding(WARNING, f"The throughput from {sender.name} to {receiver.name} was not measured: {found.reason}.")
        for found, (sender, receiver) in zip(measured, ((first, second), (second, first)), strict=True)
        if found is not None and found.reason
    ]
    rates = tuple(found.bits_per_second if found is not None else None for found in measured)
    largest = min(there.largest, back.largest)
    return PairVerdict(first, second, tuple(findings), min(trips, default=None), clock, largest, (rates[0], rates[1]))


def _throughput(
    reports: Mapping[str, CheckReport], sender: CheckedHost, receiver: CheckedHost
) -> ThroughputReport | None:
    """What the receiver measured of the sender's, if it measured that."""
    found = reports[receiver.key].throughput if receiver.key in reports else None
    return found if found is not None and found.sender == sender.key else None


def _clock(there: Way, back: Way) -> float | None:
    """Half the difference of the two ways' delays: what both took longer for cancels itself."""
    if there.clock is None or back.clock is None:
        return None
    return (there.clock - back.clock) / 2


def _arrival_findings(
    terms: Terms, first: CheckedHost, second: CheckedHost, there: Way, back: Way
) -> list[CheckFinding]:
    """What does not arrive at all, with its direction."""
    if first.address == second.address:
        text = f"{first.name} and {second.name} are both to be reached at {first.address}:"
        return [CheckFinding(BROKEN, f"{text} set the address of each on its page.")]
    missing = [
        (sender, receiver, way)
        for sender, receiver, way in ((first, second, there), (second, first, back))
        if not way.largest
    ]
    if not missing:
        return []
    port, tunnel = f"UDP {terms.udp_port}", terms.encryption == WIREGUARD
    stopped = [(sender, receiver) for sender, receiver, way in missing if not (tunnel and way.is_carried)]
    if len(stopped) == 2 and there.direct is None and back.direct is None:
        text = (
            f"{first.name} and {second.name} do not reach each other at {first.address} and {second.address}:"
            " check these addresses, and the routes and firewalls between them."
        )
        return [CheckFinding(BROKEN, text)]
    if len(stopped) == 2:
        text = f"{port} arrives in neither direction between {first.name} and {second.name}:"
        return [CheckFinding(BROKEN, f"{text} open it in the firewalls of both and between them.")]
    if stopped:
        sender, receiver = stopped[0]
        text = f"{port} from {sender.name} to {receiver.name} does not arrive:"
        return [CheckFinding(BROKEN, f"{text} open it in the firewall between them, or on {receiver.name}.")]
    names = " and ".join(receiver.name for _, receiver, _ in missing)
    return [
        CheckFinding(BROKEN, f"{port} passes, but nothing comes out of the tunnel on {names}: restart the agent there.")
    ]


def _length_findings(terms: Terms, sender: CheckedHost, receiver: CheckedHost, way: Way) -> list[CheckFinding]:
    if way.largest < terms.mtu:
        text = (
            f"Packets of {terms.mtu} bytes from {sender.name} do not arrive at {receiver.name},"
            f" those of {way.largest} do: have the network between them carry {terms.underlay_mtu} bytes (MTU)."
        )
        return [CheckFinding(BROKEN, text)]
    if way.is_lossy:
        text = f"Of {way.expected} packets from {sender.name}, {way.received} arrived at {receiver.name}:"
        return [CheckFinding(WARNING, f"{text} look for an overloaded or faulty link between them.")]
    return []


def _echo_findings(first: CheckedHost, second: CheckedHost, there: Way, back: Way) -> list[CheckFinding]:
    trips = [way.round_trip for way in (there, back) if way.round_trip is not None]
    if not trips:
        text = (
            f"{first.name} and {second.name} hear each other, but their gateways {first.gateway} and {second.gateway}"
        )
        return [
            CheckFinding(
                WARNING, f"{text} answer no echo: allow ICMP from {first.gateway} and {second.gateway} on both."
            )
        ]
    if min(trips) > _SLOW:
        text = f"A round trip between {first.name} and {second.name} takes {min(trips):.0f} ms:"
        return [CheckFinding(WARNING, f"{text} keep services that talk much with each other on one of them.")]
    return []


def _clock_findings(first: CheckedHost, second: CheckedHost, clock: float | None) -> list[CheckFinding]:
    if clock is None or abs(clock) < _CLOCK_WARNING:
        return []
    ahead, behind = (second, first) if clock > 0 else (first, second)
    level = BROKEN if abs(clock) >= _CLOCK_BROKEN else WARNING
    text = f"The clock of {ahead.name} is {abs(clock):.0f} s ahead of that of {behind.name}: set both by NTP."
    return [CheckFinding(level, text)]
