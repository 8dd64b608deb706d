"""The base of v1 types without rows: parts of other types, and what actions take or answer."""

from __future__ import annotations

from typing import Any, ClassVar

from apps.api.wire.context import ApiCaller
from apps.api.wire.resource import Data, Resource
from apps.core.errors import MethodNotAllowed


class EmbeddedResource(Resource):
    """A type that has a schema only: its values travel inside other resources, so none is listed, found or made."""

    listable: ClassVar[bool] = False
    sortable: ClassVar[bool] = False

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> Any:  # noqa: ARG002 - the base's signature
        """Refuse: it is given as part of something else."""
        raise MethodNotAllowed(
            f"A {self.name} is not created on its own; send it inside the resource or action that takes it."
        )
