"""Reads of environments, their members and what these may do."""

from apps.environments.grants import Principal
from apps.environments.selectors.members import (
    accounts_of_members,
    display_names_of,
    find_person,
    is_member,
    members_matching,
)
from apps.environments.selectors.permissions import (
    Rights,
    environment_refs_of,
    environments_by_id,
    environments_of,
    member_accounts_of,
    rights_of,
    subject_of_key,
    subjects_of,
)
from apps.environments.selectors.roles import RoleChoice, RoleUsage, role_choices, role_usage

__all__ = [
    "Principal",
    "Rights",
    "RoleChoice",
    "RoleUsage",
    "accounts_of_members",
    "display_names_of",
    "environment_refs_of",
    "environments_by_id",
    "environments_of",
    "find_person",
    "is_member",
    "member_accounts_of",
    "members_matching",
    "rights_of",
    "role_choices",
    "role_usage",
    "subject_of_key",
    "subjects_of",
]
