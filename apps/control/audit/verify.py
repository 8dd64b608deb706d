"""Verifying the audit log: whatever was changed, deleted or inserted is found and named."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from apps.control.audit.chain import is_head_intact
from apps.control.models import AuditEntry, AuditHead
from apps.core.encrypted import is_signed
from apps.core.plurals import counted
from apps.environments.models import Environment

MAX_FAULTS = 100  # reported of one chain


@dataclass(frozen=True, slots=True)
class ChainFault:
    """One thing that is wrong: with which entry (0: the chain as a whole), and what."""

    line: int
    what: str


@dataclass
class ChainReport:
    """What verifying one chain found; its end `digest`, kept elsewhere, proves later that nothing was cut off.

    `verdict` is None until the chain is verified.
    """

    chain: int
    name: str
    lines: int = 0
    links: int = 0
    pruned: int = 0
    digest: str = ""
    faults: list[ChainFault] = field(default_factory=list)
    verdict: bool | None = None

    @property
    def environment_id(self) -> int | None:
        """The environment whose chain it is; None for the installation's."""
        return self.chain or None

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass
class _Cursor:
    """How far the check is: the digest that the next link must follow on, and the place that it must have."""

    previous_digest: str
    expected: int


def chain_numbers(numbers: Iterable[int] | None = None) -> list[int]:
    """The existing chains, the installation's (0) first, or those of `numbers` among them."""
    known = set(AuditHead.objects.values_list("environment_number", flat=True))
    known |= {key or 0 for key in AuditEntry.all_objects.order_by().values_list("environment", flat=True).distinct()}
    return sorted(known if numbers is None else known & set(numbers))


def verify(chain: int) -> ChainReport:
    """Check every link of one chain against the one before it, its beginning and its end."""
    head = AuditHead.objects.filter(environment_number=chain).first() or AuditHead(environment_number=chain)
    names = dict(Environment.objects.filter(pk=chain).values_list("pk", "name"))
    report = ChainReport(chain, _chain_name(chain, names), pruned=head.pruned_lines, digest=head.digest)
    _check_beginning(head, report)
    cursor = _Cursor(head.pruned_digest, head.pruned + 1)
    rows = AuditEntry.all_objects.filter(environment=chain or None)
    for number, row, is_answer in _links(rows.exclude(number=None).order_by("number", "pk").iterator(2000)):
        report.links += 1
        report.lines += not is_answer
        for what in _link_faults(cursor, number, row, is_answer=is_answer):
            _add_fault(report, row.pk, what)
        cursor.previous_digest, cursor.expected = (
            (row.answer_digest if is_answer else row.digest),
            max(cursor.expected, number + 1),
        )
    for key in rows.filter(number=None).values_list("pk", flat=True)[:MAX_FAULTS]:
        _add_fault(report, key, "was not written by Corral")
    _check_end(head, cursor, report)
    report.verdict = report.is_intact
    return report


def _links(rows: Iterator[AuditEntry]) -> Iterator[tuple[int, AuditEntry, bool]]:
    """Entries and answers in the order in which they were written."""
    waiting: list[tuple[int, int, AuditEntry]] = []
    for row in rows:
        number = row.number or 0
        while waiting and waiting[0][0] < number:
            place, _key, answer_number = heapq.heappop(waiting)
            yield place, answer_number, True
        yield number, row, False
        if row.answer_number is not None:
            heapq.heappush(waiting, (row.answer_number, row.pk, row))
    while waiting:
        place, _key, answer_number = heapq.heappop(waiting)
        yield place, answer_number, True


def _link_faults(cursor: _Cursor, number: int, row: AuditEntry, *, is_answer: bool) -> Iterator[str]:
    if number < cursor.expected:
        yield "was put in between"
        return
    if number > cursor.expected:
        yield f"follows on {_link_count_text(number - cursor.expected)} taken out"
    follows = number == cursor.expected
    yield from (
        _answer_faults(cursor, row, follows=follows) if is_answer else _entry_faults(cursor, row, follows=follows)
    )


def _answer_faults(cursor: _Cursor, row: AuditEntry, *, follows: bool) -> Iterator[str]:
    if follows and row.answer_digest != row.answer_fingerprint(cursor.previous_digest):
        yield "has an answer that was changed"


def _entry_faults(cursor: _Cursor, row: AuditEntry, *, follows: bool) -> Iterator[str]:
    if row.digest != row.fingerprint():
        yield "was changed"
    if follows and row.previous_digest != cursor.previous_digest:
        yield "does not follow on the line before it"
    if row.account_id not in {None, row.account_number} or row.key_id not in {None, row.key_number}:
        yield "names another account or key than it was written with"
    if row.answer_number is None and (row.code or row.response or row.answer_digest):
        yield "has an answer that Corral did not give"


def _link_count_text(missing: int) -> str:
    return "a link" if missing == 1 else counted(missing, "link")


def _check_beginning(head: AuditHead, report: ChainReport) -> None:
    if (head.pruned or head.pruned_digest) and not is_signed(head.beginning, head.pruned_seal):
        _add_fault(report, 0, "the checkpoint at its beginning was changed")


def _check_end(head: AuditHead, cursor: _Cursor, report: ChainReport) -> None:
    if head.length != cursor.expected - 1:
        _add_fault(report, 0, f"{_link_count_text(head.length - cursor.expected + 1)} taken out at its end")
    elif head.digest != cursor.previous_digest:
        _add_fault(report, 0, "its last link is not the one that was written last")
    if not is_head_intact(head):
        _add_fault(report, 0, "its end was changed")


def _add_fault(report: ChainReport, line: int, what: str) -> None:
    if len(report.faults) < MAX_FAULTS:
        report.faults.append(ChainFault(line, what))


def unverified_reports(numbers: Iterable[int] | None = None) -> list[ChainReport]:
    """The chains by name, not verified yet: all of them, or those of `numbers`."""
    found = chain_numbers(numbers)
    names = dict(Environment.objects.filter(pk__in=found).values_list("pk", "name"))
    return [ChainReport(number, _chain_name(number, names)) for number in found]


def _chain_name(chain: int, names: Mapping[int, str]) -> str:
    """The name of a chain for people."""
    return names.get(chain) or f"environment {chain}" if chain else "installation"
