"""What a simulated engine does with images, as the driver protocol has it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

from apps.drivers.base import PULL_IDLE_TIMEOUT, EngineError, EngineImage, PullProgress, Stream
from apps.drivers.docker.errors import error_from_response
from apps.drivers.docker.parsing import parse_image, parse_image_details
from apps.drivers.image_builds import BuildRequest, BuildStream
from apps.drivers.image_values import ImageDetails
from apps.drivers.simulated.builds import SimulatedBuild
from apps.drivers.simulated.registry import SimulatedRegistry
from apps.drivers.simulated.streams import ArchiveReader, SimulatedArchive
from simulated_engine.builds import BuildStep, build_steps, read_context
from simulated_engine.engine import EngineCore
from simulated_engine.errors import EngineApiError
from simulated_engine.images import read_archive, tagged_name


class SimulatedImageCalls:
    """The image calls of a simulated driver, which has the engine and counts the calls."""

    registry: SimulatedRegistry
    delay: float

    def _begin_call(self, name: str) -> None:
        raise NotImplementedError

    def _call(self, name: str) -> AbstractContextManager[EngineCore]:
        raise NotImplementedError

    def _locked(self) -> AbstractContextManager[EngineCore]:
        raise NotImplementedError

    def _is_down(self) -> bool:
        raise NotImplementedError

    def images(self) -> list[EngineImage]:
        """Every image that is there by name."""
        with self._call("images") as core:
            return [parse_image(summary) for summary in core.images.summaries()]

    def find_image(self, image: str) -> EngineImage | None:
        """The image of this name, or None."""
        with self._call("find_image") as core:
            return parse_image(core.images.details(image)) if core.images.has(image) else None

    def save(self, image: str) -> Stream[bytes]:
        """The image as an archive, piece by piece."""
        with self._call("save") as core:
            return SimulatedArchive(core.images.save([image]), self._is_down)

    def load(self, pieces: Iterable[bytes]) -> tuple[str, ...]:
        """Take in an archive that `save` gave; the names, or ids, of its images."""
        self._begin_call("load")
        try:
            loaded = read_archive(ArchiveReader(iter(pieces), self._is_down))
        except EngineApiError as error:
            raise error_from_response(error.status, str(error)) from None
        with self._locked() as core:  # only now: another engine may take its time to send the pieces
            for each in loaded:
                core.images.load(each)
        return tuple(name for each in loaded for name in each.names or (each.id,))

    def build(self, request: BuildRequest, context: Iterable[bytes]) -> BuildStream:
        """Build an image from a context: what `simulated_engine.builds` understands of it."""
        self._begin_call("build")
        return SimulatedBuild(self._build_steps(request, context), self._is_down, self.delay)

    def _build_steps(self, request: BuildRequest, context: Iterable[bytes]) -> Iterator[BuildStep]:
        try:
            parsed = read_context(ArchiveReader(iter(context), self._is_down), request.dockerfile)
            with self._locked() as core:
                steps = build_steps(core.images, parsed, request.name, request.arguments)
        except EngineApiError as error:
            raise error_from_response(error.status, str(error)) from None
        yield from steps

    def pull(
        self,
        image: str,
        auth: Mapping[str, str] | None = None,
        *,
        platform: str = "",
        idle_timeout: float = PULL_IDLE_TIMEOUT,  # noqa: ARG002 - no simulated registry is silent
    ) -> Iterator[PullProgress]:
        """Pull an image that `registry` has, in a few steps."""
        self._begin_call("pull")
        if not self._has_image(image):
            self.registry.require(image, auth)
        for percent in (0, 40, 70):
            yield PullProgress(percent, f"{secrets.token_hex(6)}: Downloading")
            time.sleep(self.delay)
        with self._locked() as core:
            core.images.receive(image, self.registry.only_platform.get(tagged_name(image), platform))
            try:
                core.images.require_platform(image, platform)
            except EngineApiError as error:
                raise EngineError(str(error)) from None
        yield PullProgress(100, f"Downloaded newer image for {tagged_name(image)}")

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image. Raises `EngineConflict` while containers use it."""
        with self._call("remove_image") as core:
            core.images.remove(image, core.containers, force=force)

    def image_details(self, image: str) -> ImageDetails:
        """The image of this name or id with its history."""
        with self._call("image_details") as core:
            return parse_image_details(core.images.details(image), core.images.history(image))

    def tag_image(self, image: str, name: str) -> None:
        """Give the image another name, with its tag."""
        with self._call("tag_image") as core:
            core.images.tag(image, name)

    def _has_image(self, image: str) -> bool:
        with self._locked() as core:
            return core.images.has(image)
