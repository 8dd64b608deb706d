"""Releases that an upgrade judges, on real engines: what of the old one serves, and whether the policy went back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import docker

from tests.docker.container_counts import running_counts
from tests.docker.portal_process import Api

PREFIX = "judged_web_"
SERVE = ["sh", "-c", "trap exit TERM; echo level=info msg=started; sleep 600 & wait"]
CRASH = ["sh", "-c", "echo level=fatal msg=boom; exit 3"]
ROLLBACK = {"minutes": 5, "onBad": "rollback", "onGood": "finish"}


def serving(*clients: docker.APIClient) -> int:
    """How many containers of the old release run on these engines."""
    return sum(_serves(each) for client in clients for each in client.containers())


def _serves(summary: Any) -> bool:
    return summary["Names"][0].startswith(f"/{PREFIX}") and "msg=started" in summary["Command"]


def serving_counts(*urls: str) -> AbstractContextManager[Sequence[int]]:
    """How many of the old release run, looked at again and again from beside the portal."""
    return running_counts(*urls, which=_serves)


def upgrade(api: Api, row: Any, command: list[str], verdict: Any, **strategy: Any) -> Any:
    """Upgrade a service to this command, the new containers first."""
    config = {**api.reload(row)["launchConfig"], "command": command}
    wanted = {"launchConfig": config, "intervalMillis": 100, "startFirst": True, "verdict": verdict, **strategy}
    return api.act(api.reload(row), "upgrade", inServiceStrategy=wanted)


def rollbacks(api: Api) -> list[Any]:
    """The audited rollbacks, newest first."""
    entries = api.get("auditlogs?limit=100&sort=id&order=desc")["data"]
    return [each for each in entries if str(each["eventType"]).endswith(".rollback")]
