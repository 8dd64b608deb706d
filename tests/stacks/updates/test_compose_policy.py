"""The policy for newer images in compose files: read, written, changed by file in place, and whose decision it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.compose_export import to_compose_service
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_update, stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_plan import ServiceState
from apps.stacks.stack_upgrade import stack_upgrade
from apps.stacks.updates.policies import policy_owner
from apps.stacks.updates.policy import UPDATE_LABEL

LINE = "upgrade MON-FRI 02:00-05:00 Europe/Berlin"
WINDOW = {"mode": "upgrade", "days": "MON-FRI", "from": "02:00", "to": "05:00", "timeZone": "Europe/Berlin"}

pytestmark = pytest.mark.faces


def text(policy: str) -> str:
    """A file of one service with this policy; empty: without."""
    label = f", labels: {{{UPDATE_LABEL}: '{policy}'}}" if policy else ""
    return f"web: {{image: 'bb:local'{label}}}\n"


@pytest.fixture
def stack(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Callable[[str], Stack]:
    """Starts a stack of a file."""

    def make(file: str) -> Stack:
        row = stack_create(
            actor=actor_of("bob"), environment=lab, name="shop", docker_compose=file, start_on_create=True
        )
        run_loop()
        row.refresh_from_db()
        return row

    return make


def web() -> Service:
    return Service.all_objects.select_related("stack").get(name="web")


def test_a_label_of_a_file_is_the_policy_of_whoever_sent_it(stack: Callable[[str], Stack]):
    stack(text(LINE))
    assert (web().update_policy, policy_owner(web())) == (WINDOW, "Bob")


def test_what_is_exported_reads_back_as_the_same_policy(stack: Callable[[str], Stack], actor_of: Any):
    stack(text(""))
    service_update(web(), actor=actor_of("alice"), update_policy=WINDOW)
    exported = to_compose_service(web(), [])
    assert exported.config.labels[UPDATE_LABEL] == LINE
    assert ServiceState.from_compose(exported).update_policy == WINDOW
    assert policy_owner(web()) == "Alice"


def test_a_file_changes_the_policy_and_replaces_no_container(
    stack: Callable[[str], Stack], actor_of: Any, run_loop: Callable[[], None]
):
    row = stack(text("notify"))
    stack_upgrade(row, StackFiles(docker_compose=text(LINE), rancher_compose=""), actor=actor_of("alice"))
    run_loop()
    assert (web().update_policy, web().revision, policy_owner(web())) == (WINDOW, 1, "Alice")


def test_a_file_with_a_policy_that_is_none_is_refused(stack: Callable[[str], Stack]):
    with pytest.raises(Invalid, match=UPDATE_LABEL):
        stack(text("upgrade sometimes"))
    assert not Service.all_objects.exists()
