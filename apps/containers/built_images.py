"""Images that no registry has to have: this portal builds them itself, and sends them to the engines of its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.drivers.base import Driver, EngineError

Builder = Callable[[str], Iterable[bytes]]


def builder_of(image: str) -> Builder | None:
    """What makes the archive of an image; None for one that comes from a registry."""
    name, _colon, _tag = image.partition(":")
    path = settings.IMAGE_BUILDERS.get(name)
    return None if path is None else import_string(path)


_AGENT = "corral/agent"
_HUB = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


def is_own_name(image: str) -> bool:
    """Whether a name belongs to the images that the portal itself puts on hosts, under whatever tag.

    Containers with rights on their host are made from these by name: whoever could give the name to another image
    would have those rights.
    """
    name = image.partition("@")[0]
    name = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    for prefix in _HUB:
        name = name.removeprefix(prefix)
    required = setting("bootstrap.required.image")
    required = required.rpartition(":")[0] if ":" in required.rpartition("/")[2] else required
    return name in {*settings.IMAGE_BUILDERS, _AGENT, required}


def require_other_name(field: str, image: str) -> None:
    """Raise `Invalid` for a name that belongs to the portal's own images."""
    if is_own_name(image):
        raise Invalid(field, "InvalidOption", f"{image} is a name of the portal's own images: choose another.")


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
