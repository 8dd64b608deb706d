"""Asking registries: each tag once an hour, spread over it, and nothing while one of them says to wait.

Level-triggered: which tag is due, and who holds off, is in the tables. Whoever asks claims the tag first, so that two
processes ask once; one that dies half-way leaves a tag that is due again in a few minutes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.db.models import F, Q

from apps.core.defaults import setting
from apps.stacks.updates import registry_client
from apps.stacks.updates.accounts import login_of
from apps.stacks.updates.image_names import ImageTag
from apps.stacks.updates.models import RegistryHold, RegistryTag
from apps.stacks.updates.pacing import pause_delay, retry_delay, share_of_round
from apps.stacks.updates.reachable import endpoint_of, read_trusted
from apps.stacks.updates.registry_client import ManifestAnswer, RegistryClient

log = logging.getLogger(__name__)

PERIOD = timedelta(seconds=30)  # of the job
MAX_ASKING = 20.0  # seconds of one run
_CLAIM = timedelta(minutes=5)
_FAILED = frozenset({registry_client.MISSING, registry_client.REFUSED, registry_client.INVALID})


@dataclass
class RegistryQuestions:
    """One run: asks what is due, at most its share, and keeps the answers."""

    now: datetime
    interval: timedelta
    random: Random
    lent_domains: set[str] = field(default_factory=set)

    def ask_all(self) -> int:
        """Ask; return how many tags were asked for."""
        self._trusted = read_trusted(setting("updates.registries"))
        self._holds = {(row.domain, row.account): row for row in RegistryHold.objects.all()}
        left = share_of_round(RegistryTag.objects.count(), self.interval, PERIOD)
        deadline, asked = time.monotonic() + MAX_ASKING, 0
        due = RegistryTag.objects.filter(Q(next_at__lte=self.now) | Q(requested_at__isnull=False))
        for tag in due.order_by(F("requested_at").asc(nulls_last=True), "next_at", "pk"):
            is_requested = tag.requested_at is not None
            if time.monotonic() > deadline or (not is_requested and left <= 0):
                break
            if self._is_held(tag):
                RegistryTag.objects.filter(pk=tag.pk, requested_at__isnull=False).update(requested_at=None)
                continue
            if self._claim(tag):
                self._ask(tag)
                asked, left = asked + 1, left - (not is_requested)
        return asked

    def _is_held(self, tag: RegistryTag) -> bool:
        hold = self._holds.get((tag.domain, tag.account))
        return hold is not None and hold.until is not None and hold.until > self.now

    def _claim(self, tag: RegistryTag) -> bool:
        """Whether nobody else asks for it now: whose update comes first asks."""
        same = RegistryTag.objects.filter(pk=tag.pk, next_at=tag.next_at, requested_at=tag.requested_at)
        return bool(same.update(next_at=self.now + _CLAIM, requested_at=None))

    def _ask(self, tag: RegistryTag) -> None:
        hold = self._holds.get((tag.domain, tag.account)) or RegistryHold(domain=tag.domain, account=tag.account)
        wanted = ImageTag(tag.domain, tag.repository, tag.tag)
        endpoint = endpoint_of(tag.domain, self._trusted, self.lent_domains)
        client = RegistryClient(endpoint, login_of(tag.account), setting("updates.authority"), self._trusted)
        answer = client.head(wanted, self.now, tag.etag if tag.digest else "", hold.challenge)
        self._keep_hold(hold, answer)
        self._keep_answer(tag, hold, answer)

    def _keep_hold(self, hold: RegistryHold, answer: ManifestAnswer) -> None:
        before = (hold.until, hold.reason, hold.failures, hold.challenge)
        hold.challenge = dict(answer.challenge)
        hold.failures = hold.failures + 1 if answer.kind == registry_client.UNREACHABLE else 0
        if answer.hold is not None:
            hold.until, hold.reason = self.now + timedelta(seconds=answer.hold), _LIMIT_SET
        elif hold.failures:
            hold.until, hold.reason = self.now + pause_delay(hold.failures, self.random), answer.reason
        else:
            hold.until, hold.reason = None, ""
        if before == (hold.until, hold.reason, hold.failures, hold.challenge):
            return
        kept = {"until": hold.until, "reason": hold.reason, "failures": hold.failures, "challenge": hold.challenge}
        self._holds[hold.domain, hold.account], _new = RegistryHold.objects.update_or_create(
            domain=hold.domain, account=hold.account, defaults=kept
        )

    def _keep_answer(self, tag: RegistryTag, hold: RegistryHold, answer: ManifestAnswer) -> None:
        tag.checked_at, tag.next_at = self.now, self.now + self.interval
        if answer.kind in {registry_client.FOUND, registry_client.UNCHANGED}:
            tag.failures, tag.problem, tag.message = 0, "", ""
        else:
            tag.problem, tag.message = answer.kind, answer.reason
        if answer.kind == registry_client.FOUND:
            if answer.digest != tag.digest:
                tag.digest, tag.digest_since = answer.digest, self.now
            tag.etag = answer.etag
        elif answer.kind in _FAILED:
            tag.failures += 1
            tag.next_at = self.now + retry_delay(tag.failures, self.interval, self.random)
        elif hold.until is not None and answer.kind != registry_client.UNCHANGED:
            tag.next_at = hold.until
        tag.requested_at = None
        tag.save()


_LIMIT_SET = "The registry limits how often it may be asked."
