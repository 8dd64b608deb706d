"""`catalog` (not in Rancher's v1): the git repositories that templates come from, managed; `/v1-catalog` reads them."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import Data, Resource, RowContext
from apps.api.wire.roles import TypeRoles
from apps.catalog.models import Catalog
from apps.catalog.services import WIRE_NAMES, catalog_act, catalog_create, catalog_update


def _username(context: RowContext) -> str | None:
    """The account's name, for those who may manage the catalog: one of the installation is lent without it."""
    row: Catalog = context.row
    return row.username if row.environment_id is not None or context.caller.actor.is_admin else None


class CatalogResource(Resource):
    """A catalog of an environment, or of the whole installation: then `accountId` is null."""

    name = "catalog"
    id_letters = "cat"
    former_id_letters = "c"
    model = Catalog
    roles = TypeRoles(user="r", admin="crud", environment={"view": "r", "catalogs": "cud"})
    own_fields = parse_fields("""
        branch      string   cu <branch 0..200
        commit      string   r  <commit
        indexedAt   date     r  <indexed_at
        name        string   cu <name * 1..63
        pollSeconds int      cu <poll_seconds 60..604800
        secretValue password cu ! 0..32768
        source      string   r  <source
        url         string   cu <url * 1..1024
        username    string   cu 0..255
    """)
    computed = {"secretValue": lambda _context: None, "username": _username}

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the caller's environments, and those of the whole installation."""
        return super().rows(caller).defer("secret")

    def create(self, caller: ApiCaller, data: Data) -> Catalog:
        """Add a catalog to the environment; an administrator who names none adds one to the installation."""
        return catalog_create(actor=caller.actor, environment=caller.environment, **pick(data, **WIRE_NAMES))

    def update(self, caller: ApiCaller, row: Catalog, data: Data) -> None:
        """Change where it is read from, its account, how often, or its name."""
        catalog_update(row, actor=caller.actor, **pick(data, **WIRE_NAMES))

    def act(self, caller: ApiCaller, row: Catalog, action: str) -> None:
        """Refresh, activate, deactivate, remove, purge."""
        catalog_act(row, action, actor=caller.actor)
