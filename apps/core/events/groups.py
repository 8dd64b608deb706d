"""The channel groups that events are sent to."""

from __future__ import annotations


def group_of_account(account_id: int) -> str:
    """The channel group of the sockets that an account has open."""
    return f"account.{account_id}"


def group(environment_id: int | None) -> str:
    """The channel group of one environment's events; None is the group of site-wide ones."""
    return f"env.{environment_id}" if environment_id else "site"


def agent_group(host_id: int) -> str:
    """The channel group of the tunnels of one host's agent."""
    return f"agent.{host_id}"
