"""`setting`: the settings of the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import TypeRoles
from apps.core.defaults import DEFAULTS
from apps.core.models import Setting
from apps.core.redact import BLANK
from apps.core.services import setting_reset, setting_write


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting's effective value; that of a secret one stays unknown."""

    name: str
    value: str | None
    stored: bool

    @property
    def source(self) -> str:
        """Where the value comes from, in v1's words."""
        return "Database" if self.stored else "Code Packaged Defaults"


def _load_settings(*, everything: bool) -> dict[str, EffectiveSetting]:
    names = [name for name, default in DEFAULTS.items() if everything or default.public]
    stored: Mapping[str, str] = dict(Setting.objects.filter(name__in=names).values_list("name", "value"))
    return {
        name: EffectiveSetting(name, _shown(name, stored.get(name, DEFAULTS[name].value)), name in stored)
        for name in names
    }


def _shown(name: str, value: str) -> str | None:
    return None if _is_secret(name) else value


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and name in DEFAULTS and DEFAULTS[name].secret


class SettingResource(Resource):
    """One setting; administrators see all and change them, others read the public ones."""

    name = "setting"
    roles = TypeRoles(user="r", admin="crud", environment={"view": "r"})
    sortable = False
    own_fields = parse_fields("""
        name        string  c  <name * 1..255
        value       string  cu <value 0..1024
        activeValue string  r  <value
        source      string  r  <source ^
        inDb        boolean r  <stored ^ ~
    """)

    def key_of(self, row: Any) -> str:
        """The name."""
        return str(row.name)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[EffectiveSetting]:
        """All for administrators, else the public ones."""
        everything = caller.actor.is_admin and query_params.get("all", "").lower() != "false"
        found = _load_settings(everything=everything)
        return [found[name] for name in query_params.getlist("name") or sorted(found) if name in found]

    def find(self, caller: ApiCaller, key: int | str | None) -> EffectiveSetting | None:
        """The setting of this name; an unknown one has no value."""
        if not isinstance(key, str) or len(key) > 255:
            return None
        return _load_settings(everything=caller.actor.is_admin).get(key, EffectiveSetting(key, None, stored=False))

    def create(self, caller: ApiCaller, data: Data) -> EffectiveSetting:
        """Set it, like an update."""
        return self._write(caller, data["name"], data.get("value", ""))

    def update(self, caller: ApiCaller, row: EffectiveSetting, data: Data) -> None:
        """Set it."""
        self._write(caller, row.name, data.get("value", ""))

    def act(self, caller: ApiCaller, row: EffectiveSetting, action: str) -> None:  # noqa: ARG002 - the only action is remove
        """Return to the default."""
        setting_reset(row.name, actor=caller.actor)

    def _write(self, caller: ApiCaller, name: str, value: str) -> EffectiveSetting:
        setting_write(name, value, actor=caller.actor)
        return EffectiveSetting(name, _shown(name, value), stored=True)

    def auditable(self, row: EffectiveSetting | None, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request without the value of a secret setting."""
        name = row.name if row is not None else body.get("name")
        return {**body, "value": BLANK} if "value" in body and (name is None or _is_secret(name)) else dict(body)
