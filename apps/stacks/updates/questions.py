"""Asking registries: each tag once an hour, spread over it, and nothing while one of them says to wait.

Level-triggered: which tag is due, and who holds off, is in the tables. Whoever asks claims the tag first, so that two
processes ask once; one that dies half-way leaves a tag that is due again in a few minutes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from django.db.models import F, Q

from apps.core.defaults import setting
from apps.stacks.updates import registry_client
from apps.stacks.updates.accounts import RegistryAccounts, login_of
from apps.stacks.updates.image_names import ImageTag
from apps.stacks.updates.models import RegistryHold, RegistryTag
from apps.stacks.updates.pacing import pause_delay, retry_delay, share_of_round
from apps.stacks.updates.reachable import endpoint_of, read_trusted
from apps.stacks.updates.registry_client import ManifestAnswer, RegistryClient
from apps.vault.registries.mirrors import mirror_domain

log = logging.getLogger(__name__)

PERIOD = timedelta(seconds=30)  # of the job
MAX_ASKING = 20.0  # seconds of one run
_CLAIM = timedelta(minutes=5)
_MAX_REASON = 400
_FAILED = frozenset({registry_client.MISSING, registry_client.REFUSED, registry_client.INVALID})


@dataclass
class RegistryQuestions:
    """One run: asks what is due, at most its share, and keeps the answers."""

    now: datetime
    interval: timedelta
    random: Random
    accounts: RegistryAccounts

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
            if self._is_held(tag.domain, tag.account) and not self._may_ask_mirror(tag):
                RegistryTag.objects.filter(pk=tag.pk, requested_at__isnull=False).update(requested_at=None)
                continue
            if self._claim(tag):
                self._ask(tag)
                asked, left = asked + 1, left - (not is_requested)
        return asked

    def _is_held(self, domain: str, account: str) -> bool:
        hold = self._holds.get((domain, account))
        return hold is not None and hold.until is not None and hold.until > self.now

    def _claim(self, tag: RegistryTag) -> bool:
        """Whether nobody else asks for it now: whose update comes first asks."""
        same = RegistryTag.objects.filter(pk=tag.pk, next_at=tag.next_at, requested_at=tag.requested_at)
        return bool(same.update(next_at=self.now + _CLAIM, requested_at=None))

    def _ask(self, tag: RegistryTag) -> None:
        """Ask the registry, and where it cannot be reached its mirror."""
        wanted, mirror = ImageTag(tag.domain, tag.repository, tag.tag), ""
        if self._is_held(tag.domain, tag.account):
            reason = self._hold_of(tag.domain, tag.account).reason
            answer = ManifestAnswer(registry_client.UNREACHABLE, reason=reason)
        else:
            answer = self._ask_one(wanted, tag.account, tag.etag if tag.digest else "")
        if answer.kind == registry_client.UNREACHABLE and self._may_ask_mirror(tag):
            mirror, answer = self._ask_mirror(tag, wanted, answer)
        self._keep_answer(tag, self._hold_of(tag.domain, tag.account), answer, mirror)

    def _hold_of(self, domain: str, account: str) -> RegistryHold:
        return self._holds.get((domain, account)) or RegistryHold(domain=domain, account=account)

    def _ask_one(self, wanted: ImageTag, account: str, etag: str = "") -> ManifestAnswer:
        hold = self._hold_of(wanted.domain, account)
        endpoint = endpoint_of(wanted.domain, self._trusted, self.accounts.lent_domains)
        client = RegistryClient(endpoint, login_of(account), setting("updates.authority"), self._trusted)
        answer = client.head(wanted, self.now, etag, hold.challenge)
        self._keep_hold(hold, answer)
        return answer

    def _may_ask_mirror(self, tag: RegistryTag) -> bool:
        """Whether a mirror may say what the tag means: the registry cannot be reached, and never answered.

        A mirror may be behind: once the registry has said a digest, an older one would look like a newer image.
        """
        mirror = self.accounts.mirror_of(tag.account)
        if mirror is None or (tag.digest and not tag.mirror):
            return False
        hold = self._holds.get((tag.domain, tag.account))
        is_limited = hold is not None and self._is_held(tag.domain, tag.account) and not hold.failures
        return not is_limited and not self._is_held(mirror_domain(mirror.address), mirror.account)

    def _ask_mirror(self, tag: RegistryTag, wanted: ImageTag, before: ManifestAnswer) -> tuple[str, ManifestAnswer]:
        """The mirror's address and its digest; without one nothing, and why neither of both answered."""
        mirror = self.accounts.mirror_of(tag.account)
        if mirror is None:
            return "", before
        domain, _slash, path = mirror.address.partition("/")
        repository = f"{path}/{wanted.repository}" if path else wanted.repository
        answer = self._ask_one(ImageTag(domain, repository, wanted.tag), mirror.account)
        if answer.kind == registry_client.FOUND:
            return mirror.address, replace(answer, etag="")
        return "", replace(before, reason=f"{before.reason} Its mirror: {answer.reason}"[:_MAX_REASON])

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

    def _keep_answer(self, tag: RegistryTag, hold: RegistryHold, answer: ManifestAnswer, mirror: str) -> None:
        tag.checked_at, tag.next_at = self.now, self.now + self.interval
        if answer.kind in {registry_client.FOUND, registry_client.UNCHANGED}:
            tag.failures, tag.problem, tag.message = 0, "", ""
        else:
            tag.problem, tag.message = answer.kind, answer.reason
        if answer.kind == registry_client.FOUND:
            if answer.digest != tag.digest:
                tag.digest, tag.digest_since = answer.digest, self.now
            tag.etag, tag.mirror = answer.etag, mirror
        elif answer.kind in _FAILED:
            tag.failures += 1
            tag.next_at = self.now + retry_delay(tag.failures, self.interval, self.random)
        elif hold.until is not None and answer.kind != registry_client.UNCHANGED:
            tag.next_at = hold.until
        tag.requested_at = None
        tag.save()


_LIMIT_SET = "The registry limits how often it may be asked."
