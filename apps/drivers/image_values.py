"""Images as engines show them: frozen values, and the part of the `Driver` protocol that is about a single image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image on the engine; `size` in bytes, `created` unix time in seconds.

    `tags` are its names, none for one that lost its last; `digests` are how registries know it (`name@sha256:...`).
    `config` is what containers made from it have unless they say otherwise (Env, Cmd); `find_image` alone tells it.
    """

    id: str
    tags: tuple[str, ...]
    size: int
    created: int
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One step of an image's history: what it did, and the bytes it added; `created` unix time in seconds."""

    command: str
    size: int
    created: int
    tags: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """An image in full: for which machine it is, what it starts, and its history, the newest step first."""

    image: EngineImage
    os: str
    architecture: str
    author: str = ""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    working_directory: str = ""
    user: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[ImageLayer, ...] = ()


class ImageCalls(Protocol):
    """What a driver does with one image."""

    def image_details(self, image: str) -> ImageDetails:
        """The image of this name or id with its history. Raises `EngineNotFound`."""

    def tag_image(self, image: str, name: str) -> None:
        """Give the image another name, with its tag; an image that had the name loses it.

        Raises `EngineNotFound`, and `EngineRefused` for what cannot be a name.
        """

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove a name, and with its last name the image; or by its id an image that has one name at most.

        `force`: also one that a stopped container uses, and by id with all its names. Raises `EngineNotFound`,
        and `EngineConflict` while it is used.
        """
