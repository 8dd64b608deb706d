"""Writing the audit log: every entry and every answer is a link of its environment's chain."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from apps.control.models import AuditEntry, AuditHead
from apps.core.encrypted import is_signed, sign
from apps.core.texts import strip_unstorable

log = logging.getLogger(__name__)

MAX_JSON_LENGTH = 32_768  # characters of JSON, for a request and for an answer


def append_entry(entry: AuditEntry) -> AuditEntry:
    """Save a new entry as the next link of its chain."""
    with transaction.atomic():
        head = _lock_head(entry.environment_id)
        entry.previous_digest = head.digest
        entry.number = head.length + 1
        entry.digest = entry.fingerprint()
        _extend_chain(head, entry.digest)
        entry.save(force_insert=True)
    return entry


def record_answers(entries: Iterable[AuditEntry], code: str, response: Any) -> int:
    """Complete entries with how their request was answered, once; the first one gets the body. Returns how many.

    Entries that were rolled back with their transaction, or are answered already, are left out.
    """
    done = 0
    for entry in entries:
        with transaction.atomic():
            head = _lock_head(entry.environment_id)
            entry.code, entry.response = code[:8], {} if done else response
            entry.answer_number, entry.answer_digest = head.length + 1, entry.answer_fingerprint(head.digest)
            unanswered = AuditEntry.all_objects.filter(pk=entry.pk, digest=entry.digest, answer_number=None)
            values = {
                "code": entry.code,
                "response": entry.response,
                "answer_number": entry.answer_number,
                "answer_digest": entry.answer_digest,
            }
            if unanswered.update(**values):
                _extend_chain(head, entry.answer_digest)
                done += 1
    return done


def _lock_head(environment_id: int | None) -> AuditHead:
    """The end of the chain, locked until the transaction ends."""
    head, _new = AuditHead.objects.select_for_update().get_or_create(environment_number=environment_id or 0)
    return head


def _extend_chain(head: AuditHead, digest: str) -> None:
    """Move the end by one link; a broken seal is never made good, so that verifying reports it for ever."""
    whole = is_head_intact(head)
    head.length, head.digest = head.length + 1, digest
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
