"""Changes to environments, their members, roles and keys."""

from apps.environments.services.device_login import (
    DeviceCodes,
    DeviceLoginRefused,
    FetchedKey,
    device_login_allow,
    device_login_begin,
    device_login_deny,
    device_login_fetch,
    device_login_find,
    device_logins_expire,
)
from apps.environments.services.environments import (
    ensure_default_environment,
    ensure_own_environment,
    environment_act,
    environment_create,
    environment_update,
)
from apps.environments.services.keys import (
    account_key_create,
    choose_key_role,
    environment_key_create,
    key_act,
    key_change,
    key_create_for,
    require_may_make_key,
)
from apps.environments.services.members import member_change, members_set, memberships_sync, owner_add, role_groups_sync
from apps.environments.services.permissions import permissions_sync
from apps.environments.services.revocation import revoking
from apps.environments.services.roles import role_create, role_remove, role_update
from apps.environments.services.websockets import (
    socket_register,
    socket_unregister,
    sockets_heartbeat,
    ticket_issue,
    ticket_redeem,
)

__all__ = [
    "DeviceCodes",
    "DeviceLoginRefused",
    "FetchedKey",
    "account_key_create",
    "choose_key_role",
    "device_login_allow",
    "device_login_begin",
    "device_login_deny",
    "device_login_fetch",
    "device_login_find",
    "device_logins_expire",
    "ensure_default_environment",
    "ensure_own_environment",
    "environment_act",
    "environment_create",
    "environment_key_create",
    "environment_update",
    "key_act",
    "key_change",
    "key_create_for",
    "member_change",
    "members_set",
    "memberships_sync",
    "owner_add",
    "permissions_sync",
    "require_may_make_key",
    "revoking",
    "role_create",
    "role_groups_sync",
    "role_remove",
    "role_update",
    "socket_register",
    "socket_unregister",
    "sockets_heartbeat",
    "ticket_issue",
    "ticket_redeem",
]
