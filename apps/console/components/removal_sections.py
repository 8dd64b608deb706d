"""What hangs on something that is deleted, in the words of its dialog: what goes, what loses it, stops or stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.components.event_titles import operation_title
from apps.console.components.plurals import counted
from apps.containers.models import Container
from apps.core.models import Managed
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Stack
from apps.stacks.removal_preview import MountedVolume, RemovalPreview

MAX_LINES = 12


@dataclass(frozen=True, slots=True)
class RemovalSection:
    """Some lines of the dialog under a title; `more` is how many were left out."""

    title: str
    lines: tuple[str, ...]
    tone: str = ""
    more: int = 0


def removal_sections(row: Managed, found: RemovalPreview, goes: str = "") -> list[RemovalSection]:
    """The sections that have something to say, the worst first; `goes` is the title of what goes with the row."""
    is_host = isinstance(row, Host)
    goes = goes or _("This will also be deleted:")
    stay_on_host = _("These keep running on the host, but Corral no longer manages them:")
    sections = (
        (stay_on_host if is_host else goes, _what_goes(row, found), "is-calm" if is_host else ""),
        (_("These will lose their link to it:"), _what_loses(found), "is-warn"),
        (_("These published ports will close:"), () if is_host else _ports(found), "is-warn"),
        (_("This is under way and will stop:"), _what_stops(found), "is-warn"),
        (_("These volumes stay on their hosts:"), _volumes(found, is_kept=True), "is-calm"),
    )
    return [
        RemovalSection(title, tuple(lines[:MAX_LINES]), tone, max(0, len(lines) - MAX_LINES))
        for title, lines, tone in sections
        if lines
    ]


def _what_goes(row: Managed, found: RemovalPreview) -> list[str]:
    """Containers are named where they are few by nature, else counted, with their service."""
    unnamed = _volumes(found, is_kept=False)
    if isinstance(row, (Host, Environment)):
        places = [_("stack %(name)s") % {"name": name} for name in found.stacks]
        places += [_("host %(name)s") % {"name": name} for name in found.hosts]
        count = len(found.containers) + len(found.sidekicks)
        return places + ([counted("container", count)] if count else []) + _services(found) + unnamed
    hooks = [_("deploy webhook %(name)s") % {"name": name} for name in found.webhooks]
    if isinstance(row, Stack):
        return _services(found) + hooks + unnamed
    names = [] if isinstance(row, Container) else found.containers
    beside = [name for name in found.sidekicks if name != row.name] if isinstance(row, Container) else found.sidekicks
    lines = _named(_("container %(name)s"), names, found.kept)
    return lines + _named(_("sidekick %(name)s"), beside, found.kept) + hooks + unnamed


def _named(text: str, names: Iterable[str], kept: Collection[str]) -> list[str]:
    """A line for each container; old ones, which have the name of another, come after it."""
    left, lines = Counter(kept), []
    counts = Counter(names)
    for name, count in counts.items():
        old = min(count, left[name])
        lines += [text % {"name": name}] * (count - old)
        lines += [_("%(what)s (old, kept for a rollback)") % {"what": text % {"name": name}}] * old
    return lines


def _services(found: RemovalPreview) -> list[str]:
    text = _("service %(name)s with %(containers)s")
    return [text % {"name": name, "containers": counted("container", count)} for name, count in found.services]


def _what_loses(found: RemovalPreview) -> list[str]:
    text, alias = _("%(stack)s/%(service)s, as %(name)s"), _("the service alias %(stack)s/%(service)s")
    return [
        *(text % {"stack": each.stack, "service": each.service, "name": each.name} for each in found.links),
        *(alias % {"stack": each.stack, "service": each.service} for each in found.aliases),
        *(_("the balancer %(name)s") % {"name": name} for name in found.balancers),
        *(_("%(name)s, whose selector finds its containers") % {"name": name} for name in found.selectors),
    ]


def _ports(found: RemovalPreview) -> list[str]:
    return [f"{each.address}:{each.port}/{each.protocol}" for each in found.ports]


def _what_stops(found: RemovalPreview) -> list[str]:
    shells = ngettext("%(count)d open shell", "%(count)d open shells", found.shells)
    streams = ngettext("%(count)d open log stream", "%(count)d open log streams", found.log_streams)
    work = [
        _("%(what)s: %(name)s") % {"what": operation_title(each.name), "name": each.target} for each in found.operations
    ]
    return [
        *(_("the upgrade of %(name)s, which is not finished") % {"name": name} for name in found.upgrades),
        *(_("a run of %(name)s") % {"name": name} for name in found.runs),
        *work,
        *([shells % {"count": found.shells}] if found.shells else []),
        *([streams % {"count": found.log_streams}] if found.log_streams else []),
    ]


def _volumes(found: RemovalPreview, *, is_kept: bool) -> list[str]:
    return [_volume(each) for each in found.volumes if each.is_kept == is_kept]


def _volume(volume: MountedVolume) -> str:
    size = _("size unknown") if volume.size is None else filesizeformat(volume.size)
    text = _("volume %(name)s on %(host)s (%(size)s)")
    if not volume.is_kept:
        text = _("the unnamed volume %(name)s on %(host)s (%(size)s)")
    return text % {"name": volume.name, "host": volume.host, "size": size}
