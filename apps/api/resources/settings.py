"""`setting`: what is in force in the whole installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register
from apps.core.defaults import DEFAULTS
from apps.core.models import Setting
from apps.core.services import setting_reset, setting_write


@dataclass(frozen=True, slots=True)
class Row:
    """A setting as it is in force."""

    name: str
    value: str | None
    stored: bool

    @property
    def source(self) -> str:
        """Where the value comes from."""
        return "Database" if self.stored else "Code Packaged Defaults"


def _rows(*, everything: bool) -> dict[str, Row]:
    names = [name for name, default in DEFAULTS.items() if everything or default.public]
    stored: Mapping[str, str] = dict(Setting.objects.filter(name__in=names).values_list("name", "value"))
    return {name: Row(name, stored.get(name, DEFAULTS[name].value), name in stored) for name in names}


@register
class SettingType(Resource):
    """One setting; administrators see all and change them, others read the public ones."""

    name = "setting"
    sortable = False
    own = table("""
        name        string  c  <name * 1..255
        value       string  cu <value 0..1024
        activeValue string  r  <value
        source      string  r  <source ^
        inDb        boolean r  <stored ^ ~
    """)

    def key_of(self, row: Any) -> str:
        """Settings are known by name."""
        return str(row.name)

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:
        """All, or the public ones."""
        everything = caller.actor.is_admin and asked.get("all") != "false"
        found = _rows(everything=everything)
        return [found[name] for name in asked.getlist("name") or sorted(found) if name in found]

    def find(self, caller: Caller, key: int | str | None) -> Row | None:
        """The setting of this name; one that nobody knows has no value."""
        if not isinstance(key, str) or len(key) > 255:
            return None
        return _rows(everything=caller.actor.is_admin).get(key, Row(key, None, stored=False))

    def create(self, caller: Caller, data: Data) -> Row:
        """Set it; the same as an update."""
        return self._write(caller, data["name"], data.get("value", ""))

    def update(self, caller: Caller, row: Row, data: Data) -> None:
        """Set it."""
        self._write(caller, row.name, data.get("value", ""))

    def act(self, caller: Caller, row: Row, action: str) -> None:  # noqa: ARG002 - there is only one
        """Back to the default."""
        setting_reset(row.name, actor=caller.actor)

    def _write(self, caller: Caller, name: str, value: str) -> Row:
        setting_write(name, value, actor=caller.actor)
        return Row(name, value, stored=True)
