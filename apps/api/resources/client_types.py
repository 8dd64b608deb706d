"""Types that clients of v1 ask for before they do anything: `instance`, `machine` and `subscribe`."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.resources.containers import ContainerResource
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Resource
from apps.api.wire.roles import READ_ONLY, TypeRoles


class InstanceResource(ContainerResource):
    """What containers are a kind of: the same rows, read-only."""

    name = "instance"
    shown_type = "container"
    roles = READ_ONLY

    def actions_for(self, caller: ApiCaller) -> list[str]:  # noqa: ARG002 - the base's signature
        """None: what is done is done to a container."""
        return []

    def kind_of(self, row: Any) -> str:  # noqa: ARG002 - the base's signature
        """Every instance is a container."""
        return "container"


class MachineResource(Resource):
    """A host made at a cloud; there are none, and the clients that list hosts list machines too."""

    name = "machine"
    base_type = "physicalHost"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        name        string r
        description string r
        driver      string r
        state       enum   r
    """)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """None."""
        return []

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none."""
        return None


class SubscribeResource(Resource):
    """Where events are heard: the schema says the URL, which is one of WebSockets."""

    name = "subscribe"
    plural = "subscribe"
    roles = TypeRoles(environment={"view": "r"})
    sortable = False
    own_fields = parse_fields("eventNames array[string] r")

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """None: the same URL opened as a WebSocket tells events."""
        return []

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none."""
        return None
