"""The v1 types: one class each; importing this package puts all of them on the register."""

from apps.api.resources import (
    accounts,
    audit,
    containers,
    hosts,
    identities,
    keys,
    policies,
    processes,
    projects,
    registration,
    schemas,
    services,
    settings,
    stacks,
    tokens,
    values,
)

__all__ = [
    "accounts",
    "audit",
    "containers",
    "hosts",
    "identities",
    "keys",
    "policies",
    "processes",
    "projects",
    "registration",
    "schemas",
    "services",
    "settings",
    "stacks",
    "tokens",
    "values",
]
