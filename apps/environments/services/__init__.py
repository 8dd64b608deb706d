"""Changes to environments, their members, roles and keys."""

from apps.environments.services.default import environment_default
from apps.environments.services.grants import members_apply
from apps.environments.services.keys import account_key_create, environment_key_create, key_change
from apps.environments.services.life import environment_act, environment_create, environment_update
from apps.environments.services.members import members_set, owner_add
from apps.environments.services.memberships import memberships_of_account
from apps.environments.services.revoking import revoking
from apps.environments.services.roles import role_create, role_remove, role_update
from apps.environments.services.sockets import socket_closed, socket_opened, sockets_seen
from apps.environments.services.tickets import ticket_issue, ticket_redeem

__all__ = [
    "account_key_create",
    "environment_act",
    "environment_create",
    "environment_default",
    "environment_key_create",
    "environment_update",
    "key_change",
    "members_apply",
    "members_set",
    "memberships_of_account",
    "owner_add",
    "revoking",
    "role_create",
    "role_remove",
    "role_update",
    "socket_closed",
    "socket_opened",
    "sockets_seen",
    "ticket_issue",
    "ticket_redeem",
]
