"""Reads of builds for the console and the API."""

from __future__ import annotations

from dataclasses import dataclass

from apps.builds.models import BuildLogPart, ImageBuild
from apps.core.models import TenantQuerySet
from apps.environments.actor import Actor

MAX_PARTS = 40


def builds_of(actor: Actor, environment_id: int) -> TenantQuerySet[ImageBuild]:
    """The builds of an environment, the newest first."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: TenantQuerySet[ImageBuild] = ImageBuild.objects.within(mine).filter(removed=None)
    return rows.select_related("host").order_by("-pk")


@dataclass(frozen=True, slots=True)
class BuildLog:
    """Some of what a build said; `following` is what to ask for next."""

    text: str
    following: int


def read_log(build: ImageBuild, after: int = 0) -> BuildLog:
    """What a build said after the part with this number, up to a megabyte or so at a time."""
    parts = BuildLogPart.all_objects.filter(build=build, pk__gt=after).order_by("pk")[:MAX_PARTS]
    found = list(parts)
    return BuildLog("".join(part.text for part in found), found[-1].pk if found else after)


def log_tail(build: ImageBuild, parts: int = 4) -> str:
    """The end of what a build said, for a page."""
    found = BuildLogPart.all_objects.filter(build=build).order_by("-pk")[:parts]
    return "".join(part.text for part in reversed(list(found)))
