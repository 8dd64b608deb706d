"""Writing the audit log: every line and every answer is a link of its environment's chain."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from apps.control.models import AuditEntry, AuditHead
from apps.core.encrypted import is_signed, sign
from apps.core.texts import storable

log = logging.getLogger(__name__)

LONGEST = 32_768  # characters of JSON that a request or an answer takes up at most


def append(entry: AuditEntry) -> AuditEntry:
    """Save a new line as the next link of its chain."""
    with transaction.atomic():
        head = _head(entry.environment_id)
        entry.before = head.digest
        entry.number = head.length + 1
        entry.digest = entry.fingerprint()
        _extend(head, entry.digest)
        entry.save(force_insert=True)
    return entry


def answer(entries: Iterable[AuditEntry], code: str, response: Any) -> int:
    """Complete lines with how their request was answered, once; the first takes the answer's text. Returns how many.

    Lines that were taken back with their transaction, or are answered already, are left out.
    """
    done = 0
    for entry in entries:
        with transaction.atomic():
            head = _head(entry.environment_id)
            entry.code, entry.response = code[:8], {} if done else response
            entry.answered, entry.sealed = head.length + 1, entry.answer_fingerprint(head.digest)
            mine = AuditEntry.all_objects.filter(pk=entry.pk, digest=entry.digest, answered=None)
            told = {"code": entry.code, "response": entry.response, "answered": entry.answered, "sealed": entry.sealed}
            if mine.update(**told):
                _extend(head, entry.sealed)
                done += 1
    return done


def _head(environment_id: int | None) -> AuditHead:
    """The end of the chain, held until the transaction ends."""
    head, _new = AuditHead.objects.select_for_update().get_or_create(environment_number=environment_id or 0)
    return head


def _extend(head: AuditHead, digest: str) -> None:
    """Move the end by one link; a seal that somebody broke is never mended, so that verifying tells of it for ever."""
    whole = is_whole(head)
    head.length, head.digest = head.length + 1, digest
    head.seal = sign(head.end) if whole else ""
    if not whole:
        log.error("The end of the audit log's %s was changed by somebody else than Corral.", head)
    head.save(update_fields=["length", "digest", "seal"])


def is_whole(head: AuditHead) -> bool:
    """Whether the end of a chain is as Corral left it."""
    return not (head.length or head.digest) or is_signed(head.end, head.seal)


def limited(value: Any) -> Any:
    """`value` as JSON that every database takes, if it is not too long to be kept, else how long it was."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if len(text) > LONGEST:
        return {"omitted": f"{len(text)} characters"}
    return storable(json.loads(text, parse_constant=lambda _word: None))
