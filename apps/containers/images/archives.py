"""Images as archives: downloaded while their host sends them, and sent to a host while they arrive."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from apps.containers.built_images import is_own_name, require_other_name
from apps.containers.images.services import list_again, require
from apps.containers.models import HostImage
from apps.control.services import record
from apps.core.errors import Conflict, Invalid, NotFound, Problem
from apps.core.streams import FileDownload
from apps.drivers.base import EngineDown, EngineError, EngineNotFound, Stream
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

MAX_DOWNLOADS = 4
"""Archives that are sent at a time: each holds a thread of the portal for as long as a slow client takes."""
MAX_IMPORTS = 4
"""The same of archives that arrive."""
MAX_ARCHIVE = 64 * 1024**3
"""Bytes of one archive that is sent to a host."""
_downloads = threading.BoundedSemaphore(MAX_DOWNLOADS)
_imports = threading.BoundedSemaphore(MAX_IMPORTS)
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_TAR_MARK = slice(257, 262)
_HEAD = 512


class ImageDownload(FileDownload):
    """An image on its way to somebody; nothing of it is stored. `close` it in any case."""

    kind = "application/x-tar"
    size = None  # an engine does not say before it has sent everything

    def __init__(self, name: str, archive: Stream[bytes]) -> None:
        self.name = name
        self._archive = archive
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._archive
        finally:
            self.close()

    def close(self) -> None:
        """End the sending; called again it does nothing."""
        if not self._is_closed:
            self._is_closed = True
            _downloads.release()
            self._archive.close()


def image_download(image: HostImage, *, actor: Actor) -> ImageDownload:
    """The image with all its names, as an archive of the engine.

    Raises `Forbidden`, `NotFound`, and `Problem` while others download (429) or with the engine's words (502).
    """
    require(actor, "images", image.environment_id)
    if not _downloads.acquire(blocking=False):
        raise Problem("Others are downloading images; try again in a moment.", status=429, retry_after=10)
    try:
        archive = driver_of(image.host).save(image.tag_list[0] if image.tag_list else image.image_id)
    except EngineNotFound:
        _downloads.release()
        raise NotFound(f"{image.host} does not have {image} any more.") from None
    except EngineError as error:
        _downloads.release()
        raise Problem(f"{image.host} does not send {image}: {error}", status=502, code="EngineError") from None
    except BaseException:
        _downloads.release()
        raise
    details = {"image": str(image), "id": image.image_id}
    record(
        "image.download", actor=actor, row=image.host, environment_id=image.environment_id, request=details, code="200"
    )
    return ImageDownload(archive_name(str(image)), archive)


def image_import(host: Host, receive: Callable[[int], Iterator[bytes]], *, actor: Actor) -> list[str]:
    """Load the images of an archive, as `docker save` makes it, on a host; their names, or ids where they have none.

    `receive` is called with the largest size in bytes and returns the pieces of the archive while they arrive; the
    host's engine is sent each of them at once, and nothing is stored here. Raises `Forbidden`, `Invalid` for what is no
    archive of images, `Conflict` for a host that is not active, what reading the pieces raises, and `Problem` while
    others send archives (429) or with the engine's words (502).
    """
    require(actor, "operate", host.environment_id)
    require(actor, "images", host.environment_id)
    if host.state != "active":
        raise Conflict(f"{host} is {host.display_state}: images are imported to active hosts only.")
    if not _imports.acquire(blocking=False):
        raise Problem("Others are importing images; try again in a moment.", status=429, retry_after=10)
    try:
        names = driver_of(host).load(check_archive(receive(MAX_ARCHIVE)))
    except EngineDown as error:
        raise Problem(f"{host} did not take the archive: {error}", status=502, code="EngineError") from None
    except EngineError as error:
        raise Invalid("file", "InvalidFormat", f"{host} cannot load this archive: {error}") from None
    finally:
        _imports.release()
    _refuse_own_names(host, names)
    record(
        "image.import",
        actor=actor,
        row=host,
        environment_id=host.environment_id,
        request={"images": list(names[:100])},
        code="200",
    )
    list_again(host)
    return list(names)


def _refuse_own_names(host: Host, names: Iterable[str]) -> None:
    """Take names of the portal's own images away again: an archive says what is in it only when the engine has it."""
    own = [name for name in names if is_own_name(name)]
    for name in own:
        with suppress(EngineError):  # the portal sends its own image under this name when it is needed
            driver_of(host).remove_image(name, force=True)
    if own:
        list_again(host)
        require_other_name("file", own[0])


def check_archive(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of a tar archive, which may be compressed. Raises `Invalid` at the first for anything else.

    Only its beginning is looked at: what is in it is for the engine to judge.
    """
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            break
    if not head:
        raise Invalid("file", "MissingRequired", "There is no file in the request: send the archive as its body.")
    if head[_TAR_MARK] != b"ustar" and not head.startswith(_COMPRESSED):
        raise Invalid("file", "InvalidFormat", "The file is no tar archive: send what docker save, or tar, wrote.")
    return itertools.chain([head], pieces)


def archive_name(image: str) -> str:
    """The file's name: of `registry/team/app:1.0` it is `app-1.0.tar`."""
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", image.rpartition("/")[2].partition("@")[0]).strip("-.")
    return f"{last[:100] or 'image'}.tar"
