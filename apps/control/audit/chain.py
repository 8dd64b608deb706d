"""Writing the audit log: every entry and every answer is a link of its environment's chain."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import transaction

from apps.control.models import AuditEntry, AuditHead
from apps.core.encrypted import is_signed, sign
from apps.core.texts import strip_unstorable

log = logging.getLogger(__name__)

MAX_JSON_LENGTH = 32_768  # characters of JSON, for a request and for an answer
BATCH = 100  # entries for each statement: SQLite takes a limited number of parameters


def append_entry(entry: AuditEntry) -> AuditEntry:
    """Save a new entry as the next link of its chain."""
    append_entries([entry])
    return entry


def append_entries(entries: Sequence[AuditEntry]) -> None:
    """Save new entries as the next links of their chains, in a constant number of queries for each hundred."""
    with transaction.atomic():
        for environment_id, own in _by_chain(entries):
            head = _lock_head(environment_id)
            last = head.digest
            for number, entry in enumerate(own, head.length + 1):
                entry.previous_digest, entry.number = last, number
                last = entry.digest = entry.fingerprint()
            _extend_chain(head, last, head.length + len(own))
            AuditEntry.all_objects.bulk_create(own, batch_size=BATCH)


def record_answers(entries: Iterable[AuditEntry], code: str, response: Any) -> int:
    """Complete entries with how their request was answered, once; the first one gets the body. Returns how many.

    Entries that were rolled back with their transaction, or are answered already, are left out.
    """
    done = 0
    for environment_id, own in _by_chain(entries):
        with transaction.atomic():
            head = _lock_head(environment_id)
            last = head.digest
            # Nobody else can answer them in between: whoever does locks the same head.
            unanswered = _unanswered(own)
            for number, entry in enumerate(unanswered, head.length + 1):
                entry.code, entry.response = code[:8], {} if done else response
                entry.answer_number, entry.answer_digest = number, entry.answer_fingerprint(last)
                last = entry.answer_digest
                done += 1
            if unanswered:
                _save_answers(unanswered)
                _extend_chain(head, last, head.length + len(unanswered))
    return done


def _by_chain(entries: Iterable[AuditEntry]) -> Iterator[tuple[int | None, list[AuditEntry]]]:
    """The entries in their order, those that follow each other in one chain together."""
    for environment_id, own in itertools.groupby(entries, key=lambda entry: entry.environment_id):
        yield environment_id, list(own)


def _unanswered(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    rows = AuditEntry.all_objects.filter(pk__in=[each.pk for each in entries], answer_number=None)
    digests = dict(rows.values_list("pk", "digest"))
    return [each for each in entries if digests.get(each.pk) == each.digest]


def _save_answers(entries: Sequence[AuditEntry]) -> None:
    """Save the answers of one request; they differ in their links only, except that the first has the body."""
    AuditEntry.all_objects.bulk_update(entries, ("answer_number", "answer_digest"), batch_size=BATCH)
    rows = AuditEntry.all_objects.filter(pk__in=[each.pk for each in entries])
    rows.update(code=entries[0].code, response={})
    if entries[0].response:
        rows.filter(pk=entries[0].pk).update(response=entries[0].response)


def _lock_head(environment_id: int | None) -> AuditHead:
    """The end of the chain, locked until the transaction ends."""
    head, _new = AuditHead.objects.select_for_update(no_key=True).get_or_create(environment_number=environment_id or 0)
    return head


def _extend_chain(head: AuditHead, digest: str, length: int) -> None:
    """Move the end to the link `length`; a broken seal is never made good, so that verifying reports it for ever."""
    whole = is_head_intact(head)
    head.length, head.digest = length, digest
    head.seal = sign(head.end) if whole else ""
    if not whole:
        log.error("The end of the audit log's %s was changed by somebody else than Corral.", head)
    head.save(update_fields=["length", "digest", "seal"])


def is_head_intact(head: AuditHead) -> bool:
    """Whether the end of a chain is as Corral wrote it."""
    return not (head.length or head.digest) or is_signed(head.end, head.seal)


def limit_size(value: Any) -> Any:
    """`value` as JSON that every database takes; what is too long is replaced by its length."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if len(text) > MAX_JSON_LENGTH:
        return {"omitted": f"{len(text)} characters"}
    return strip_unstorable(json.loads(text, parse_constant=lambda _word: None))
