"""Images that no registry has to have: this portal builds them itself, and sends them to the engines of its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.conf import settings
from django.utils.module_loading import import_string

from apps.drivers.base import Driver, EngineError

Builder = Callable[[str], Iterable[bytes]]


def builder_of(image: str) -> Builder | None:
    """What makes the archive of an image; None for one that comes from a registry."""
    name, _colon, _tag = image.partition(":")
    path = settings.IMAGE_BUILDERS.get(name)
    return None if path is None else import_string(path)


def send_built_image(engine: Driver, image: str) -> str:
    """Build the image and load it into the engine; why it could not be, empty when it was.

    Raises `EngineDown` when the engine went away.
    """
    build = builder_of(image)
    if build is None:
        return "It is not built here."
    try:
        archive = build(image)
    except EngineError as error:
        return str(error)
    engine.load(archive)
    return ""
