"""Looking for newer images: what runs, what registries have, and the difference of both, for whoever reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from random import Random

from django.db.models import Q
from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.events import row_changed
from apps.stacks.updates.accounts import RegistryAccounts
from apps.stacks.updates.models import ImageUpdate, RegistryHold, RegistryTag
from apps.stacks.updates.pacing import interval_of
from apps.stacks.updates.questions import RegistryQuestions
from apps.stacks.updates.running import NOT_SEEN, ImageInUse, RunningImages

SETTING = "updates.check.minutes"
NOT_ASKED = "Its registry has not been asked yet."
_KEPT = timedelta(days=1)  # a tag that nobody uses: whatever is stopped for a night need not begin anew
_COLUMNS = ("tag_id", "state", "reason", "running", "digest", "since")

TagKey = tuple[str, str, str, str]


def check_images(now: datetime | None = None, random: Random | None = None) -> int:
    """Look once: ask what is due, and note who runs what is not the newest. Returns how many tags were asked for."""
    now, minutes = now or timezone.now(), setting_int(SETTING)
    if not minutes:
        ImageUpdate.objects.all().delete()
        return 0
    running, accounts, interval = RunningImages(), RegistryAccounts(), interval_of(minutes)
    running.learn_digests(now)
    keys = {use.key: _tag_key(use, accounts) for use in running.uses}
    _follow_tags({key for key in keys.values() if key is not None}, accounts, now)
    asked = RegistryQuestions(now, interval, random or Random(), accounts).ask_all()  # noqa: S311 - jitter
    tags = {_key_of(tag): tag for tag in RegistryTag.objects.all()}
    holds = {(row.domain, row.account): row.reason for row in RegistryHold.objects.filter(until__gt=now)}
    found = []
    for use in running.uses:
        key = keys[use.key]
        tag = tags.get(key) if key is not None else None
        found.append(_compare(use, running, tag, holds.get((tag.domain, tag.account), "") if tag else ""))
    _keep(found)
    return asked


def _tag_key(use: ImageInUse, accounts: RegistryAccounts) -> TagKey | None:
    tag = use.tag
    if tag is None:
        return None
    return (tag.domain, tag.repository, tag.tag, accounts.key_for(use.environment_id, tag.domain))


def _key_of(tag: RegistryTag) -> TagKey:
    return (tag.domain, tag.repository, tag.tag, tag.account)


def _follow_tags(wanted: Iterable[TagKey], accounts: RegistryAccounts, now: datetime) -> None:
    """Have a row for each tag in use, and none for what nobody has used for a day; a new password is tried at once."""
    known = {_key_of(tag): tag for tag in RegistryTag.objects.all()}
    new = [
        RegistryTag(domain=domain, repository=repository, tag=tag, account=account, next_at=now)
        for domain, repository, tag, account in sorted(set(wanted) - known.keys())
    ]
    RegistryTag.objects.bulk_create(new, ignore_conflicts=True, batch_size=100)
    stale = [tag.pk for key, tag in known.items() if key not in wanted]
    RegistryTag.objects.filter(Q(checked_at=None) | Q(checked_at__lt=now - _KEPT), pk__in=stale).delete()
    retried = [tag.pk for tag in known.values() if tag.problem and _has_newer_account(tag, accounts)]
    RegistryTag.objects.filter(pk__in=retried).update(next_at=now)
    if stale:
        in_use = {(tag.domain, tag.account) for tag in RegistryTag.objects.all()}
        gone = [row.pk for row in RegistryHold.objects.all() if (row.domain, row.account) not in in_use]
        RegistryHold.objects.filter(Q(until=None) | Q(until__lt=now), pk__in=gone).delete()


def _has_newer_account(tag: RegistryTag, accounts: RegistryAccounts) -> bool:
    changed = accounts.changed_at(tag.account)
    return changed is not None and tag.checked_at is not None and changed > tag.checked_at


def _compare(use: ImageInUse, running: RunningImages, tag: RegistryTag | None, hold: str) -> ImageUpdate:
    """What the row of an image in use is to say; `hold` is why its registry is asked nothing now."""
    found = ImageUpdate(
        environment_id=use.environment_id,
        service_id=use.service_id,
        container_id=use.container_id,
        image=use.image,
        tag=tag,
        reason=use.reason,
    )
    known = running.digests_of(use)
    if tag is None or not known:
        found.reason = use.reason or NOT_SEEN
        return found
    if not tag.digest:
        found.reason, found.running = tag.message or hold or NOT_ASKED, known[0][0]
        return found
    older = [each for each in known if tag.digest not in each]
    found.state = ImageUpdate.NEWER if older else ImageUpdate.CURRENT
    found.running, found.digest = older[0][0] if older else tag.digest, tag.digest
    found.since = tag.digest_since if older else None
    return found


def _keep(wanted: Iterable[ImageUpdate]) -> None:
    """Bring the rows up to date; whoever looks at a page hears of what changed."""
    existing: Mapping[object, ImageUpdate] = {
        (row.service_id, row.container_id, row.image): row for row in ImageUpdate.objects.all()
    }
    found = {(row.service_id, row.container_id, row.image): row for row in wanted}
    new, changed = [], []
    for key, row in found.items():
        before = existing.get(key)
        if before is None:
            new.append(row)
        elif any(getattr(before, name) != getattr(row, name) for name in _COLUMNS):
            for name in _COLUMNS:
                setattr(before, name, getattr(row, name))
            changed.append(before)
    gone = [row for key, row in existing.items() if key not in found]
    ImageUpdate.objects.filter(pk__in=[row.pk for row in gone]).delete()
    ImageUpdate.objects.bulk_create(new, ignore_conflicts=True, batch_size=100)
    ImageUpdate.objects.bulk_update(changed, _COLUMNS, batch_size=100)
    for row in (*new, *changed, *gone):
        _notify(row)


def _notify(row: ImageUpdate) -> None:
    if row.service_id is not None:
        row_changed(row.environment_id, "service", row.service_id)
    elif row.container_id is not None:
        row_changed(row.environment_id, "container", row.container_id)
