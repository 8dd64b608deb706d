"""What a page of 100 among 10,000 containers costs; run as a process of its own: `python -m bench.pages`."""

from __future__ import annotations

import base64
import json
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import django

ROWS = 10_000
RUNS = 9
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a throw-away database


def main() -> None:
    """Fill an empty database, ask for the pages, print what they cost as JSON."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True)
    auth, session, number = _fill_database()
    pages = {
        "/v1/containers?limit=100": {"HTTP_AUTHORIZATION": auth, "HTTP_ACCEPT": "application/json"},
        f"/env/{number}/containers": {"HTTP_COOKIE": session},
    }
    print(json.dumps({path: _measure_page(path, headers) for path, headers in pages.items()}))


def _fill_database() -> tuple[str, str, int]:
    from django.conf import settings
    from django.test import Client

    from apps.accounts.services import first_admin_create
    from apps.control.reconcile import reconcile_until_idle
    from apps.environments.actor import actor_of_user
    from apps.environments.services import ensure_default_environment, environment_key_create, owner_add
    from apps.hosts.services import host_create

    admin = first_admin_create(login="root", password=PASSWORD)
    environment = ensure_default_environment()
    owner_add(environment, admin)
    host = host_create(actor=None, environment=environment, url="sim://bench", name="sim")
    made = environment_key_create(actor=actor_of_user(admin, "cli"), environment=environment, name="bench")
    reconcile_until_idle()
    _create_containers(environment, host)
    pair = f"{made.key.public_value}:{made.secret}".encode()
    browser = Client()
    browser.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    return f"Basic {base64.b64encode(pair).decode()}", cookie, environment.pk


def _create_containers(environment: Any, host: Any) -> None:
    from apps.containers.launch.config import LaunchConfig
    from apps.containers.models import Container

    spec = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "ports": ["80/tcp"], "labels": {"a": "b"}}).to_json()
    Container.all_objects.bulk_create(
        [
            Container(
                environment=environment,
                host=host,
                name=f"box-{number:05}",
                spec=spec,
                image="bb:local",
                desired="running",
                state="running",
                generation=1,
                observed_generation=1,
                external_id=f"{number:064x}",
                address="10.42.0.2",
                status={"ports": [{"private": 80, "public": 30000, "protocol": "tcp", "address": "192.0.2.1"}]},
            )
            for number in range(ROWS)
        ],
        batch_size=500,
    )


def _measure_page(path: str, headers: dict[str, str]) -> dict[str, float]:
    """Median milliseconds, queries and bytes of one request; of a page also what its live refreshes weigh."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client: Any = Client()

    def request() -> Any:
        answer = client.get(path, **headers)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:300]!r}"
        return answer

    request()
    with CaptureQueriesContext(connection) as queries:
        answer = request()
        count = len(queries)
    times = [_timed(request) for _ in range(RUNS)]
    figures = {"milliseconds": 1000 * statistics.median(times), "queries": count, "bytes": len(answer.content)}
    figures["compressed"] = len(client.get(path, **headers, HTTP_ACCEPT_ENCODING="gzip").content)
    version = re.search(rb'data-version="(\w+)"', answer.content)
    return figures | _measure_refreshes(client, path, headers, version[1].decode()) if version else figures


def _measure_refreshes(client: Any, path: str, headers: dict[str, str], version: str) -> dict[str, float]:
    """The compressed bytes of a live refresh: of a page that has changed, and of one that has not."""
    refresh = {**headers, "HTTP_HX_REQUEST": "true", "HTTP_X_CORRAL_REFRESH": "true", "HTTP_ACCEPT_ENCODING": "gzip"}
    changed = client.get(path, **refresh)
    unchanged = client.get(path, **refresh, HTTP_IF_NONE_MATCH=f'"{version}"')
    assert unchanged.status_code == 304, f"{path}: an unchanged page was sent again ({unchanged.status_code})"
    return {"refresh": len(changed.content), "unchanged": len(unchanged.content)}


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
