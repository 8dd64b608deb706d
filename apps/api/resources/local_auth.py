"""`localAuthConfig`: who may log in with a password kept here, and an administrator's password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.accounts.login.passwords import password_set
from apps.accounts.models import User
from apps.accounts.services import account_create, account_update
from apps.accounts.site_access import local_access, local_access_save
from apps.api.resources.login_providers import describe_identities
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid

KEY = "localAuthConfig"


@dataclass(frozen=True, slots=True)
class LocalAuthState:
    """The configuration, and the administrator whom the request named."""

    config: Data
    username: str | None = None
    name: str | None = None


class LocalAuthConfigResource(Resource):
    """Local accounts are always on; POST creates an administrator or sets their password, and sets who may log in."""

    name = KEY
    roles = TypeRoles(admin="cr")
    sortable = False
    own_fields = parse_fields("""
        username          string          c * <username 1..255
        password          password        c * !
        name              string          c <name 0..255
        accessMode        enum            c =unrestricted :restricted|unrestricted|required
        allowedIdentities array[identity] c
        enabled           boolean         c
    """)
    computed = {
        "password": lambda _context: None,
        "accessMode": lambda context: context.row.config["accessMode"],
        "allowedIdentities": lambda context: describe_identities(context.row.config["allowedIdentities"]),
        "enabled": lambda _context: True,
    }

    def key_of(self, row: Any) -> str:  # noqa: ARG002 - there is one
        """The type's own name."""
        return KEY

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[LocalAuthState]:  # noqa: ARG002 - the base's signature
        """The one there is."""
        return [LocalAuthState(local_access().to_wire())]

    def find(self, caller: ApiCaller, key: int | str | None) -> LocalAuthState | None:  # noqa: ARG002 - the base's signature
        """The one there is."""
        return LocalAuthState(local_access().to_wire()) if key == KEY else None

    def create(self, caller: ApiCaller, data: Data) -> tuple[LocalAuthState, Data]:
        """Create the administrator, or set the password of the one of that name; set who may log in."""
        if data.get("enabled") is False:
            raise Invalid("enabled", "InvalidOption", "Local accounts are always on, so that nobody is locked out.")
        login, password, name = data["username"], data["password"], data.get("name", "")
        user = User.objects.filter(login__iexact=login, removed=None).first()
        if user is None:
            user = account_create(actor=caller.actor, login=login, password=password, name=name, kind="admin")
        elif not user.is_admin or not user.has_usable_password():
            raise Invalid("username", "NotUnique", f"{login!r} is not a local administrator; choose another name.")
        else:
            password_set(user, password, actor=caller.actor)
            if name:
                account_update(user, actor=caller.actor, name=name)
        local_access_save(_access_fields(data), actor=caller.actor)
        shown_once = {"password": password, "username": user.login, "name": name or user.name}
        return LocalAuthState(local_access().to_wire()), shown_once


def _access_fields(data: Data) -> Data:
    return {name: data[name] for name in ("accessMode", "allowedIdentities") if name in data}
