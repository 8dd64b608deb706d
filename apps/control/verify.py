"""Verifying the audit log: whatever was changed, taken out or put in between is found and named."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from apps.control.chain import is_whole
from apps.control.models import AuditEntry, AuditHead
from apps.core.encrypted import is_signed
from apps.environments.models import Environment

MOST = 100  # faults told of one chain


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the line (0: none, or the chain as a whole) and what about it."""

    line: int
    what: str


@dataclass
class Report:
    """What verifying one chain found; its end `digest`, kept elsewhere, proves later that nothing was cut off.

    `verdict` is None until the chain was looked at.
    """

    chain: int
    name: str
    lines: int = 0
    links: int = 0
    forgotten: int = 0
    digest: str = ""
    faults: list[Fault] = field(default_factory=list)
    verdict: bool | None = None

    @property
    def environment_id(self) -> int | None:
        """The environment whose chain it is; None for the installation's."""
        return self.chain or None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass
class _Walk:
    """Where the check stands: the digest that the next link must follow on, and the place it must have."""

    before: str
    expected: int


def chains(numbers: Iterable[int] | None = None) -> list[int]:
    """The chains there are, the system's (0) first, or those of `numbers` among them."""
    known = set(AuditHead.objects.values_list("environment_number", flat=True))
    known |= {key or 0 for key in AuditEntry.all_objects.order_by().values_list("environment", flat=True).distinct()}
    return sorted(known if numbers is None else known & set(numbers))


def verify(chain: int) -> Report:
    """Check every link of one chain against the one before it, its beginning and its end."""
    head = AuditHead.objects.filter(environment_number=chain).first() or AuditHead(environment_number=chain)
    names = dict(Environment.objects.filter(pk=chain).values_list("pk", "name"))
    report = Report(chain, _name(chain, names), forgotten=head.forgotten_lines, digest=head.digest)
    _check_beginning(head, report)
    walk = _Walk(head.forgotten_digest, head.forgotten + 1)
    rows = AuditEntry.all_objects.filter(environment=chain or None)
    for number, row, is_answer in _links(rows.exclude(number=None).order_by("number", "pk").iterator(2000)):
        report.links += 1
        report.lines += not is_answer
        for what in _wrong(walk, number, row, is_answer=is_answer):
            _tell(report, row.pk, what)
        walk.before, walk.expected = (row.sealed if is_answer else row.digest), max(walk.expected, number + 1)
    for key in rows.filter(number=None).values_list("pk", flat=True)[:MOST]:
        _tell(report, key, "was not written by Corral")
    _check_end(head, walk, report)
    report.verdict = report.is_whole
    return report


def _links(rows: Iterator[AuditEntry]) -> Iterator[tuple[int, AuditEntry, bool]]:
    """Lines and answers in the order in which they were written."""
    waiting: list[tuple[int, int, AuditEntry]] = []
    for row in rows:
        number = row.number or 0
        while waiting and waiting[0][0] < number:
            place, _key, answered = heapq.heappop(waiting)
            yield place, answered, True
        yield number, row, False
        if row.answered is not None:
            heapq.heappush(waiting, (row.answered, row.pk, row))
    while waiting:
        place, _key, answered = heapq.heappop(waiting)
        yield place, answered, True


def _wrong(walk: _Walk, number: int, row: AuditEntry, *, is_answer: bool) -> Iterator[str]:
    if number < walk.expected:
        yield "was put in between"
        return
    if number > walk.expected:
        yield f"follows on {_count(number - walk.expected)} taken out"
    follows = number == walk.expected
    yield from _wrong_answer(walk, row, follows=follows) if is_answer else _wrong_line(walk, row, follows=follows)


def _wrong_answer(walk: _Walk, row: AuditEntry, *, follows: bool) -> Iterator[str]:
    if follows and row.sealed != row.answer_fingerprint(walk.before):
        yield "has an answer that was changed"


def _wrong_line(walk: _Walk, row: AuditEntry, *, follows: bool) -> Iterator[str]:
    if row.digest != row.fingerprint():
        yield "was changed"
    if follows and row.before != walk.before:
        yield "does not follow on the line before it"
    if row.account_id not in {None, row.account_number} or row.key_id not in {None, row.key_number}:
        yield "names another account or key than it was written with"
    if row.answered is None and (row.code or row.response or row.sealed):
        yield "has an answer that Corral did not give"


def _count(missing: int) -> str:
    return "a link" if missing == 1 else f"{missing} links"


def _check_beginning(head: AuditHead, report: Report) -> None:
    if (head.forgotten or head.forgotten_digest) and not is_signed(head.beginning, head.forgotten_seal):
        _tell(report, 0, "the checkpoint at its beginning was changed")


def _check_end(head: AuditHead, walk: _Walk, report: Report) -> None:
    if head.length != walk.expected - 1:
        _tell(report, 0, f"{_count(head.length - walk.expected + 1)} taken out at its end")
    elif head.digest != walk.before:
        _tell(report, 0, "its last link is not the one that was written last")
    if not is_whole(head):
        _tell(report, 0, "its end was changed")


def _tell(report: Report, line: int, what: str) -> None:
    if len(report.faults) < MOST:
        report.faults.append(Fault(line, what))


def unverified(numbers: Iterable[int] | None = None) -> list[Report]:
    """The chains by name, not looked at yet: all of them, or those of `numbers`."""
    found = chains(numbers)
    names = dict(Environment.objects.filter(pk__in=found).values_list("pk", "name"))
    return [Report(number, _name(number, names)) for number in found]


def _name(chain: int, names: Mapping[int, str]) -> str:
    """What people call a chain."""
    return names.get(chain) or f"environment {chain}" if chain else "installation"
