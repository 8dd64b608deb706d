"""`pullTask`: an image pulled to the hosts of an environment before anything needs it (v1 contract, section 4.6)."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import OPERATOR_INPUT
from apps.containers.image_pulls import PullTask, find_task, image_pull, tasks_of
from apps.core.plurals import counted


class PullTaskResource(Resource):
    """An image on its way to hosts, and how far each of them is.

    A task is all pulls of an image in an environment: it has the id of one of them, and no table of its own.
    """

    name = "pullTask"
    base_type = "genericObject"
    roles = OPERATOR_INPUT
    sortable = False
    own_fields = parse_fields("""
        image                 string             c <image * 1..512
        labels                map[string]        c
        mode                  enum               c :all|cached =all ~
        status                map[string]        r <status
        accountId             reference[account] r <environment_id
        created               date               r <created
        kind                  string             r
        name                  string             r <image
        state                 enum               r <display_state ~
        transitioning         enum               r :yes|no|error ~
        transitioningMessage  string             r
        transitioningProgress int                r
    """)
    computed = {
        "transitioningMessage": lambda context: _progress(context.row),
        "transitioningProgress": lambda context: _percent(context.row),
    }

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[PullTask]:  # noqa: ARG002 - the base's signature
        """One task for each image that was pulled somewhere in the environments of the request."""
        return tasks_of(caller.environments())

    def find(self, caller: ApiCaller, key: int | str | None) -> PullTask | None:
        """The task with this pull."""
        return find_task(caller.environments(), key) if isinstance(key, int) else None

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Pull an image to the hosts that the labels allow: to all of them, or to those that have it (`cached`)."""
        return image_pull(
            actor=caller.actor,
            environment=caller.require_environment(),
            image=data["image"],
            labels=data.get("labels") or {},
            only_present=data.get("mode") == "cached",
        )


def _progress(task: PullTask) -> str | None:
    """How many hosts are left: clients look at the status again whenever this changes. In the end what mirrors did."""
    if task.transitioning == "no":
        return "\n".join(task.messages) or None
    return f"{len(task.pulls) - task.hosts_left} of {counted(len(task.pulls), 'host')} done"


def _percent(task: PullTask) -> int | None:
    return None if task.transitioning == "no" else 100 * (len(task.pulls) - task.hosts_left) // len(task.pulls)
