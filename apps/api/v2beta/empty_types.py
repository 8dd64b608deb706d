"""Types of v2-beta that its clients list whatever they do, and of which there are none here.

The command line looks for what a person names among all types that its command takes, and stops at one that the schema
lacks.
"""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Resource, counterpart
from apps.api.wire.roles import READ_ONLY


class NoRowsResource(Resource):
    """A type without rows; no type itself."""

    dialect = V2_BETA
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        name                 string r
        description          string r
        state                enum   r
        transitioning        enum   r :yes|no|error
        transitioningMessage string r
    """)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """None."""
        return []

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none."""
        return None


class SecretResource(NoRowsResource):
    """A secret that containers get as a file; values are kept in environment variables here."""

    name = "secret"


class ServiceLogResource(NoRowsResource):
    """What happened to a service; here it is in the operations and events of the console."""

    name = "serviceLog"


class VolumeTemplateResource(NoRowsResource):
    """A volume that is made with the containers of a stack; named volumes are made by the engine here."""

    name = "volumeTemplate"


_volume = counterpart("volume", V2_BETA)

if _volume is None or not _volume.listable:

    class V2VolumeResource(NoRowsResource):
        """A volume of the environment."""

        name = "volume"
