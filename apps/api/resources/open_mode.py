"""`openMode`: whether access control is off."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from apps.accounts.login.open_mode import open_mode_enabled, open_mode_off, open_mode_on
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import TypeRoles


@dataclass(frozen=True, slots=True)
class OpenModeState:
    """The state of access control."""

    enabled: bool
    pk: str = "openmode"


class OpenModeResource(Resource):
    """POST sets it, like v1's configurations; switching it on takes the administrator's own password."""

    name = "openMode"
    roles = TypeRoles(admin="cr")
    sortable = False
    own_fields = parse_fields("""
        enabled  boolean  cr <enabled *
        password password c
    """)
    computed = {"password": lambda _context: None}

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[OpenModeState]:  # noqa: ARG002 - the base's signature
        """How it is now."""
        return [OpenModeState(open_mode_enabled())]

    def find(self, caller: ApiCaller, key: int | str | None) -> OpenModeState | None:  # noqa: ARG002 - the base's signature
        """How it is now."""
        return OpenModeState(open_mode_enabled()) if key == "openmode" else None

    def create(self, caller: ApiCaller, data: Data) -> OpenModeState:
        """Switch it on or off."""
        if data["enabled"]:
            open_mode_on(data.get("password", ""), actor=caller.actor)
        else:
            open_mode_off(actor=caller.actor)
        return OpenModeState(open_mode_enabled())
