"""Builds of images as engines do them: what is asked for, what comes back, and that part of the `Driver` protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What an image is built with: `name` with its tag, and the path of the Dockerfile in the context.

    `arguments` are the values of ARG instructions, `target` the stage to stop at, empty for the last one. `logins`
    are accounts at registries as the Engine API takes them, for the images that the build starts from.
    """

    name: str
    dockerfile: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: str = ""
    no_cache: bool = False
    pull: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    logins: tuple[Mapping[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """A piece of what a build says; `image_id` is set once the image is there."""

    text: str
    image_id: str = ""


class BuildStream(Protocol):
    """What a build says while it goes on; `close` may be called from another thread, and ends the build."""

    def __iter__(self) -> Iterator[BuildOutput]: ...
    def close(self) -> None: ...


class BuildCalls(Protocol):
    """What a driver does to build images."""

    def build(self, request: BuildRequest, context: Iterable[bytes]) -> BuildStream:
        """Build an image from a context, a tar archive in pieces, which is sent when the iteration begins.

        Iterating raises `EngineRefused` for what is no context, `EngineError` with the words of the step that failed,
        `EngineDown`, and what `context` raises.
        """
