"""Who asks, what they may do where, and why not: `Actor`, `Verdict`, `can` and `available`."""

from apps.environments.access.actor import SYSTEM, Actor, actor_of_key, actor_of_stranger, actor_of_user
from apps.environments.access.membership import members_of
from apps.environments.access.owned import environment_of
from apps.environments.access.verdict import YES, Verdict, available, can, verdict

__all__ = [
    "SYSTEM",
    "YES",
    "Actor",
    "Verdict",
    "actor_of_key",
    "actor_of_stranger",
    "actor_of_user",
    "available",
    "can",
    "environment_of",
    "members_of",
    "verdict",
]
