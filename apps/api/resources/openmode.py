"""`openMode`: whether access control is off."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from apps.accounts.login.open_mode import is_open, open_mode_off, open_mode_on
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register


@dataclass(frozen=True, slots=True)
class Row:
    """The one there is."""

    enabled: bool
    pk: str = "openmode"


@register
class OpenMode(Resource):
    """POST sets it, as v1's configurations are set; switching it on takes the administrator's own password again."""

    name = "openMode"
    sortable = False
    own = table("""
        enabled  boolean  cr <enabled *
        password password c
    """)
    computed = {"password": lambda _seen: None}

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:  # noqa: ARG002 - the base's signature
        """How it is now."""
        return [Row(is_open())]

    def find(self, caller: Caller, key: int | str | None) -> Row | None:  # noqa: ARG002 - the base's signature
        """How it is now."""
        return Row(is_open()) if key == "openmode" else None

    def create(self, caller: Caller, data: Data) -> Row:
        """Switch it."""
        if data["enabled"]:
            open_mode_on(data.get("password", ""), actor=caller.actor)
        else:
            open_mode_off(actor=caller.actor)
        return Row(is_open())
