"""`sharedRegistry` (not in Rancher's v1): registries that administrators lend to environments."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number, wire_id
from apps.vault.models import SharedRegistry
from apps.vault.registries.shared_services import (
    shared_registry_act,
    shared_registry_create,
    shared_registry_update,
)

_COLUMNS = {
    "name": "name",
    "description": "description",
    "server_address": "serverAddress",
    "public_value": "publicValue",
    "secret_value": "secretValue",
    "email": "email",
    "mirror": "mirror",
}


class SharedRegistryResource(Resource):
    """A registry with an account and a mirror, lent to the environments `lentTo`, all of them while that is null."""

    name = "sharedRegistry"
    id_letters = "shreg"
    former_id_letters = "sr"
    plural = "sharedRegistries"
    model = SharedRegistry
    roles = TypeRoles(admin="crud")
    omitted_fields = frozenset({"accountId"})
    own_fields = parse_fields("""
        email         string                    cu <email 0..255
        lentTo        array[reference[project]] cu ?
        mirror        string                    cu <mirror 0..255
        publicValue   string                    cu <public_value 0..255
        secretValue   password                  cu ! 0..32768
        serverAddress string                    cr <server_address * 1..255
    """)
    computed = {
        "lentTo": lambda context: _ids(context.row.lent_to),
        "secretValue": lambda _context: None,
    }

    def rows(self, caller: ApiCaller) -> Any:
        """All of them: only administrators know the type."""
        rows = SharedRegistry.objects.all()
        return rows if caller.actor.is_admin else rows.none()

    def create(self, caller: ApiCaller, data: Data) -> SharedRegistry:
        """Lend a registry to environments."""
        account = {"public_value": "", "secret_value": ""}
        return shared_registry_create(actor=caller.actor, **account | pick(data, **_COLUMNS) | _lent_to(data))

    def update(self, caller: ApiCaller, row: SharedRegistry, data: Data) -> None:
        """Change the account, the mirror, or to whom it is lent."""
        shared_registry_update(row, actor=caller.actor, **pick(data, **_COLUMNS) | _lent_to(data))

    def act(self, caller: ApiCaller, row: SharedRegistry, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        shared_registry_act(row, action, actor=caller.actor)


def _ids(keys: list[int] | None) -> list[str] | None:
    return None if keys is None else [wire_id("a", key) for key in keys]


def _lent_to(data: Data) -> Data:
    """The environments by number; null is all of them."""
    if "lentTo" not in data:
        return {}
    if data["lentTo"] is None:
        return {"lent_to": None}
    keys = [row_number(text) for text in data["lentTo"]]
    if None in keys:
        raise Invalid("lentTo", "InvalidReference", "lentTo: list environments by their ids, such as 1a5.")
    return {"lent_to": keys}
