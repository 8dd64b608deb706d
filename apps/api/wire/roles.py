"""Who may use which methods of a v1 type: what each type declares, and how that is evaluated (v1 contract, 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from apps.environments.roles import PERMISSIONS, ROLES

SITE_ROLES = ("token", "user", "admin")
RoleOrPermissions = str | frozenset[str]

_CRUD = "crud"
_CHOOSE_ENVIRONMENT = (
    "choose an environment: use .../projects/<id>/..., the header X-API-Project-Id, or a key of the environment"
)
_SHOWN_TO_OPERATORS = frozenset({"own", "members", "admin"})
"""v1 names owners' actions to whoever may operate; the row's own `actions` say who may do them."""


@dataclass(frozen=True, slots=True)
class TypeRoles:
    """The methods of one type by role, as letters: `c` POST, `r` GET, `u` PUT, `d` DELETE.

    Outside any environment a caller is anonymous (v1's role `token`), `user` or `admin`; a role without letters does
    not know the type. Inside an environment each permission held adds its letters, so the built-in roles, custom roles
    and restricted keys all follow from one declaration.
    """

    anonymous: str = ""
    user: str = ""
    admin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse letters and permissions that do not exist: a typo would silently deny access."""
        letters = {*self.anonymous, *self.user, *self.admin, *"".join(self.environment.values())}
        if unknown := sorted(letters - set(_CRUD)) + sorted(set(self.environment) - set(PERMISSIONS)):
            raise ValueError(f"Unknown methods or permissions: {', '.join(unknown)}")

    def allowed_crud(self, who: RoleOrPermissions) -> str:
        """The letters for one of `SITE_ROLES`, for a built-in role, or for the permissions held in an environment."""
        by_site_role = {"token": self.anonymous, "user": self.user, "admin": self.admin}
        if isinstance(who, str) and who in by_site_role:
            return by_site_role[who]
        held = _permissions_of(who)
        granted = "".join(letters for permission, letters in self.environment.items() if permission in held)
        return "".join(letter for letter in _CRUD if letter in granted)

    def missing_right(self, who: RoleOrPermissions, letter: str) -> str:
        """What somebody lacks who has not the method `letter` here, for people; empty where nobody has it."""
        permission = next((each for each, letters in self.environment.items() if letter in letters), "")
        if isinstance(who, str) and who in SITE_ROLES:
            if permission:
                return _CHOOSE_ENVIRONMENT
            return "only administrators may" if letter in self.admin else ""
        if permission:
            return f"it takes the permission `{permission}` ({PERMISSIONS[permission]}), which your role or key lacks"
        if letter in self.user + self.admin:
            return "a key of an environment acts within it: use one of your account"
        return ""


READ_ONLY = TypeRoles(user="r", admin="r", environment={"view": "r"})
"""What everybody with an account may read and nobody writes."""

OPERATOR_INPUT = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "c"})
"""The input of an action that takes the permission to operate."""

USER_INPUT = TypeRoles(user="cr", admin="cr", environment={"view": "r", "operate": "c"})
"""An input that v1 also gives to users outside any environment."""


def _permissions_of(who: RoleOrPermissions) -> frozenset[str]:
    return ROLES.get(who, frozenset()) if isinstance(who, str) else who


def available_actions(who: RoleOrPermissions, actions: Collection[str], required: Mapping[str, str]) -> list[str]:
    """Those of the type's actions that exist for `who`; `required` says which permission each of them takes."""
    if isinstance(who, str) and who in SITE_ROLES:
        return list(actions)
    held = _permissions_of(who)
    operator_extras = _SHOWN_TO_OPERATORS if "operate" in held else frozenset()
    return [action for action in actions if required[action] in held | operator_extras]
