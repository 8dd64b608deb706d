"""Images as archives that people download, passed on while their host sends them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

from apps.containers.images.services import require
from apps.containers.models import HostImage
from apps.control.services import record
from apps.core.errors import NotFound, Problem
from apps.core.streams import FileDownload
from apps.drivers.base import EngineError, EngineNotFound, Stream
from apps.environments.actor import Actor
from apps.hosts.selectors import driver_of

MAX_DOWNLOADS = 4
"""Archives that are sent at a time: each holds a thread of the portal for as long as a slow client takes."""
_downloads = threading.BoundedSemaphore(MAX_DOWNLOADS)


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


def archive_name(image: str) -> str:
    """The file's name: of `registry/team/app:1.0` it is `app-1.0.tar`."""
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", image.rpartition("/")[2].partition("@")[0]).strip("-.")
    return f"{last[:100] or 'image'}.tar"
