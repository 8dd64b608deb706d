"""What people do about builds of images: begin one, send its context, stop it, remove it."""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.builds.context_files import max_context, remove_context, store_context
from apps.builds.lifecycle import PERMISSION
from apps.builds.models import CONTEXT, GIT, ImageBuild
from apps.catalog.git import GitCredential
from apps.catalog.git_url import parse_branch, parse_git_url
from apps.containers.built_images import require_other_name
from apps.containers.images.archives import check_archive
from apps.containers.images.services import require
from apps.containers.launch.values import check_image_reference
from apps.control.services import create, request_change
from apps.core.errors import ActionNotAvailable, Conflict, Invalid, Problem
from apps.core.fields import text
from apps.environments.actor import Actor
from apps.hosts.models import Host

MAX_ARGUMENTS = 100
MAX_ARGUMENT_LENGTH = 4096
MAX_UNDER_WAY = 10  # of one host
MAX_UPLOADS = 4
"""Contexts that arrive at a time: each holds a thread of the portal for as long as a slow client takes."""
_uploads = threading.BoundedSemaphore(MAX_UPLOADS)
_ARGUMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_username = text(high=255, pattern=r"[^\x00-\x1f:]*", hint="a user name has no colon")
_secret = text(high=32_768)
_target = text(high=128, pattern=r"[A-Za-z0-9_.-]*", hint="name a stage of the Dockerfile")


@dataclass(frozen=True, slots=True)
class GitSource:
    """Where a context is fetched from: `folder` of a branch or commit of a repository; without `url` it is sent."""

    url: str = ""
    branch: str = ""
    folder: str = ""
    username: str = ""
    secret: str = field(default="", repr=False)


_NO_GIT = GitSource()


def build_create(
    *,
    actor: Actor,
    host: Host,
    image: str,
    git: GitSource = _NO_GIT,
    dockerfile: str = "",
    target: str = "",
    arguments: Mapping[str, str] | None = None,
    no_cache: bool = False,
    pull: bool = False,
) -> ImageBuild:
    """Begin a build of an image on a host.

    Without a repository it waits for `build_send_context`. `pull` looks for newer images to start from. Raises
    `Forbidden`, `Invalid` at the field that is wrong, and `Conflict` for a host that cannot build now.
    """
    require(actor, PERMISSION, host.environment_id)
    require(actor, "operate", host.environment_id)
    image = _check_image(image)
    columns = {
        "dockerfile": _check_path("dockerfile", dockerfile) or "Dockerfile",
        "target": _target("target", target.strip()),
        "arguments": _check_arguments(arguments or {}),
        **_check_source(git),
    }
    _require_able(host)
    row = ImageBuild(
        environment_id=host.environment_id,
        host=host,
        name=image[:255],
        image=image,
        no_cache=no_cache,
        pull=pull,
        **columns,
    )
    create(row, actor=actor, request=_describe(row))
    return row


def _require_able(host: Host) -> None:
    if host.removed is not None or host.state != "active":
        raise Conflict(f"{host} is {host.display_state}: images are built on active hosts only.")
    under_way = ImageBuild.all_objects.filter(host=host, removed=None, ended=None, desired="built")
    if under_way.count() >= MAX_UNDER_WAY:
        raise Conflict(f"{MAX_UNDER_WAY} builds are under way on {host} already: wait for one, or cancel it.")


def _describe(row: ImageBuild) -> dict[str, Any]:
    """What the audit log keeps: of arguments the names only."""
    shown = {
        "image": row.image,
        "host": str(row.host),
        "url": row.url,
        "branch": row.branch,
        "folder": row.folder,
        "dockerfile": row.dockerfile,
        "target": row.target,
        "arguments": sorted(row.arguments),
    }
    return {name: value for name, value in shown.items() if value}


def _check_image(image: str) -> str:
    if not image.strip():
        raise Invalid("imageName", "MissingRequired", "Enter the name that the image gets, such as shop:2.")
    name = check_image_reference("imageName", image.strip())
    if "@" in name:
        raise Invalid("imageName", "InvalidFormat", "A name has a tag such as shop:2, and no digest.")
    require_other_name("imageName", name)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _check_path(field: str, path: str) -> str:
    """A path inside the context, without anything that leads out of it."""
    found = path.strip()
    if not found or found == ".":
        return ""
    clean = posixpath.normpath(found)
    if clean.startswith(("/", "..")) or len(found) > 512 or re.search(r"[\x00-\x1f\x7f\\]", found):
        remedy = "write it from the folder that is built, such as docker/Dockerfile"
        raise Invalid(field, "InvalidFormat", f"{found[:100]!r} is not a path in the context: {remedy}.")
    return clean


def _check_arguments(arguments: Mapping[str, str]) -> dict[str, str]:
    if len(arguments) > MAX_ARGUMENTS:
        raise Invalid("buildArgs", "MaxLimitExceeded", f"A build has at most {MAX_ARGUMENTS} arguments.")
    for name, value in arguments.items():
        if not _ARGUMENT_NAME.fullmatch(name):
            raise Invalid("buildArgs", "InvalidFormat", f"{name[:60]!r} is not the name of an ARG of a Dockerfile.")
        if not isinstance(value, str) or len(value) > MAX_ARGUMENT_LENGTH or "\x00" in value:
            raise Invalid(
                "buildArgs", "MaxLengthExceeded", f"The value of {name} is a text of {MAX_ARGUMENT_LENGTH} characters."
            )
    return dict(arguments)


def _check_source(git: GitSource) -> dict[str, str]:
    if not git.url.strip():
        given = {"branch": git.branch, "folder": git.folder, "username": git.username, "secretValue": git.secret}
        if extra := next((name for name, value in given.items() if value), ""):
            raise Invalid(extra, "InvalidOption", f"{extra} is for builds from a git repository: send gitUrl, too.")
        return {"source": CONTEXT}
    parsed = parse_git_url("gitUrl", git.url, allow_local=settings.CATALOG_LOCAL_REPOSITORIES)
    if git.secret and parsed.scheme == "ssh" and not GitCredential(secret=git.secret).is_private_key:
        raise Invalid("secretValue", "InvalidFormat", "An address of ssh is opened by a private key: paste one.")
    return {
        "source": GIT,
        "url": parsed.text,
        "branch": parse_branch("branch", git.branch),
        "folder": _check_path("folder", git.folder),
        "username": _username("username", git.username),
        "secret": _secret("secretValue", git.secret),
    }


def build_send_context(row: ImageBuild, receive: Callable[[int], Iterator[bytes]], *, actor: Actor) -> None:
    """Take the context that a build waits for, a tar archive, and have it built.

    `receive` is called with the largest size in bytes and returns the pieces while they arrive. Raises `Forbidden`,
    `Invalid` for what is no archive or too large, what reading the pieces raises, `ActionNotAvailable` when the build
    does not wait for a context, and `Problem` while others send theirs (429) or when the disk is full (507).
    """
    require(actor, PERMISSION, row.environment_id)
    require(actor, "operate", row.environment_id)
    reason = row.refusal("sendcontext")
    if reason or not row.LIFECYCLE.allows("sendcontext", row.display_state):  # before any of it is read
        raise ActionNotAvailable(f"sendcontext: {reason or 'The build has ended.'}", field="action")
    if not _uploads.acquire(blocking=False):
        raise Problem("Others are sending contexts; try again in a moment.", status=429, retry_after=10)
    try:
        size = store_context(row.uuid, check_archive(receive(max_context())))
    finally:
        _uploads.release()
    try:
        changes = {"context_size": size}
        request_change(row, "sendcontext", actor=actor, changes=changes, request={"image": row.image, "size": size})
    except Problem:
        row.refresh_from_db()
        if row.context_size is None or row.ended is not None:
            remove_context(row.uuid)
        raise


def build_cancel(row: ImageBuild, *, actor: Actor) -> None:
    """Stop a build; the engine keeps the steps that are done, for the next one. Raises `ActionNotAvailable`."""
    request_change(row, "cancel", actor=actor, request={"image": row.image, "host": str(row.host)})


def build_remove(row: ImageBuild, *, actor: Actor) -> None:
    """Remove a build and its log, stopping it if need be; the image stays. Raises `Forbidden`."""
    request_change(row, "remove", actor=actor, request={"image": row.image, "host": str(row.host)})
