"""Health checks in the console: what is checked, what was found and why nobody checks, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.network_checks import store_reports
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create

CHECK = {"port": 80, "requestLine": "GET /up HTTP/1.0", "interval": 500, "strategy": "none"}

pytestmark = pytest.mark.faces


@pytest.fixture
def serve(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Callable[..., Service]:
    """A service of one container with a health check."""

    def make(**check: Any) -> Service:
        stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "healthCheck": {**CHECK, **check}})
        row = service_create(
            actor=actor_of("bob"), stack=stack, name="web", config=config, scale=1, start_on_create=True
        )
        run_loop()
        return row

    return make


@pytest.fixture
def text_of(browser_as: Any, lab: Environment) -> Callable[[str], str]:
    """A page of the environment as a person reads it."""

    def read(path: str) -> str:
        page = browser_as("bob").get(f"/env/{lab.pk}/{path}").content.decode()
        return " ".join(re.sub(r"<[^>]*>", " ", page).split())

    return read


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("", "", "Has not succeeded often enough yet."),
        ("healthy", "", "Succeeds."),
        ("unhealthy", "HTTP status 500", "Fails: HTTP status 500"),
        ("unchecked", "The agent of this host is read-only.", "Not made: The agent of this host is read-only."),
    ],
)
def test_a_container_s_page_says_what_was_found(
    serve: Any, text_of: Any, run_loop: Callable[[], None], state: str, reason: str, words: str
) -> None:
    serve()
    row = Container.all_objects.get()
    if state:
        report = {"state": state, "reason": reason, "run": row.status["started_at"]}
        store_reports(row.host_id or 0, {str(row.uuid): report})
        run_loop()
    text = text_of(f"containers/{row.pk}")
    assert "GET /up HTTP/1.0 on port 80, every 0.5 s" in text
    assert words in text


def test_lists_have_the_reason_beside_the_state(
    serve: Any, browser_as: Any, lab: Environment, run_loop: Callable[[], None]
) -> None:
    serve()
    row = Container.all_objects.get()
    report = {"state": "unhealthy", "reason": "connection refused", "run": row.status["started_at"]}
    store_reports(row.host_id or 0, {str(row.uuid): report})
    run_loop()
    page = browser_as("bob").get(f"/env/{lab.pk}/containers").content.decode()
    assert "Its health check fails: connection refused" in page


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"strategy": "none"}, "GET /up HTTP/1.0 on port 80, every 0.5 s Created"),
        ({"strategy": "recreate", "requestLine": None}, "TCP connection on port 80, every 0.5 s It is replaced when"),
        (
            {"strategy": "recreateOnQuorum", "recreateOnQuorumStrategyConfig": {"quorum": 3}},
            "when it is unhealthy and at least 3 of its like are healthy.",
        ),
    ],
)
def test_a_service_s_page_says_what_is_checked_and_what_comes_of_it(
    serve: Any, text_of: Any, check: dict[str, Any], words: str
) -> None:
    service = serve(**check)
    text = text_of(f"services/{service.pk}")
    for between in ("Newer images notify only Change ", "When a host is lost Wait for the host "):
        text = text.replace(between, "")
    assert words in text
