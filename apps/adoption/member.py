"""One container of a project that runs on a host, as its engine shows it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.adoption.origin import Origin, origin_of
from apps.containers.launch.engine_values import as_map, as_text

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectMember:
    """One container of a project: its row's number, the engine's inspect answer, and what its image says.

    `image` is the image's `Config`, None where the image is gone; `image_now` the id of what its name means on the host
    today, empty where it means nothing.
    """

    key: int
    raw: Json
    image: Json | None = None
    image_now: str = ""

    @property
    def name(self) -> str:
        """Its name on the engine."""
        return as_text(self.raw.get("Name")).lstrip("/")

    @property
    def engine_id(self) -> str:
        """The engine's id."""
        return as_text(self.raw.get("Id"))

    @property
    def state(self) -> str:
        """The engine's word for its state."""
        return as_text(as_map(self.raw.get("State")).get("Status"))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        found = as_map(as_map(self.raw.get("Config")).get("Labels"))
        return {str(name): str(value) for name, value in found.items()}

    @property
    def origin(self) -> Origin:
        """What its labels say it is."""
        return origin_of(self.name, self.labels)
