"""Metrics: off until they are allowed, each caller's own only, in the format that Prometheus reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.api.metrics.http_counts import HttpCounts, counts, interface_of
from apps.api.metrics.response import ENABLED
from apps.core.ids import wire_id
from apps.core.models import Setting
from apps.core.services import setting_write
from apps.environments.actor import actor_of_user
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient, ApiResponse, http_client, run_until_idle

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def allowed(people: Any) -> None:
    """Metrics are on."""
    setting_write(ENABLED, "true", actor=actor_of_user(people.root, "api"))


def scraped(caller: ApiClient, path: str = "/metrics") -> Samples:
    """Every sample, by name and labels."""
    answer = caller.get(path)
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def one(samples: Samples, metric: str, /, **labels: str) -> float:
    """The one sample with these labels."""
    found = [
        value for (known, has), value in samples.items() if known == metric and labels.items() <= dict(has).items()
    ]
    assert len(found) == 1, (metric, labels, found)
    return found[0]


def test_they_are_off_until_an_administrator_allows_them(api_of: Any, people: Any, lab: Any):
    assert Setting.objects.filter(name=ENABLED).count() == 0
    for caller, path in ((api_of("root"), "/metrics"), (api_of("alice").inside(lab), "metrics")):
        refused = caller.get(path)
        assert refused.status == 403
        assert ENABLED in refused["message"]


def test_nobody_reads_them_without_a_credential(allowed: None):
    answer = ApiClient().get("/metrics")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_only_administrators_read_those_of_the_installation(api_of: Any, allowed: None):
    refused: ApiResponse = api_of("bob").get("/metrics")
    assert refused.status == 403
    assert "/v1/projects/<id>/metrics" in refused["message"]


def test_administrators_read_the_whole_installation(api_of: Any, allowed: None, lab: Any, stack: Any):
    found = scraped(api_of("root"))
    place = wire_id("a", lab.pk)
    assert one(found, "corral_environment_info", environment=place, name=lab.name) == 1
    assert one(found, "corral_hosts", environment=place, state="active") == 1
    assert one(found, "corral_services", environment=place, state="active") == 2
    assert one(found, "corral_containers", environment=place, state="running") == 3
    assert one(found, "corral_service_health", environment=place, health="healthy") == 2
    assert one(found, "corral_load_level") == 0
    assert ("corral_seconds_behind", frozenset()) in found
    assert one(found, "corral_http_requests_total", interface="api", method="POST", status="201") > 0


def test_an_environments_key_reads_its_own_environment_only(
    key_of: Any, allowed: None, lab: Any, stack: Any, foreign_environment: Any
):
    found = scraped(key_of("alice"))
    places = {value for _name, labels in found for label, value in labels if label == "environment"}
    assert places == {wire_id("a", lab.pk)}
    assert not any(name.startswith(("corral_http", "corral_queue", "corral_build")) for name, _labels in found)


def test_a_member_reads_them_below_the_environment_and_a_non_member_does_not(api_of: Any, allowed: None, lab: Any):
    assert one(scraped(api_of("rita").inside(lab), "metrics"), "corral_environment_info", name=lab.name) == 1
    assert api_of("mallory").inside(lab).get("metrics").status == 404


def test_agents_and_due_work_are_counted(api_of: Any, allowed: None, lab: Any, stack: Any):
    root, now, place = api_of("root"), timezone.now(), wire_id("a", lab.pk)
    Host.all_objects.update(
        url="agent://x", tunnel_socket="/run/x", gateway="here", gateway_until=now + timedelta(hours=1)
    )
    Service.all_objects.update(next_attempt_at=now - timedelta(seconds=90))
    found = scraped(root)
    assert one(found, "corral_agents", environment=place, connected="yes") == 1
    assert one(found, "corral_agents", environment=place, connected="no") == 0
    assert one(found, "corral_reconciles_due", environment=place, kind="service") == 2
    assert one(found, "corral_reconcile_lag_seconds", environment=place, kind="service") >= 90


def test_a_scrape_takes_as_many_queries_for_many_rows_as_for_few(api_of: Any, allowed: None, lab: Any, stack: Any):
    root = api_of("root")
    scraped(root)
    with CaptureQueriesContext(connection) as few:
        root.get("/metrics")
    for number in range(3):
        made = root.post("projects", {"name": f"more{number}"})
        inside = root.inside(made["id"])
        inside.post("environments", {"name": "web"})
    run_until_idle()
    with CaptureQueriesContext(connection) as many:
        root.get("/metrics")
    assert len(many) == len(few)


@pytest.mark.parametrize(
    ("path", "interface"),
    [
        ("/v1/services", "api"),
        ("/v1", "api"),
        ("/v2-beta/projects/1a5/stacks", "api"),
        ("/", "console"),
        ("/env/5/stacks", "console"),
        ("/static/dist/x.js", "static"),
        ("/metrics", "metrics"),
        ("/v1beta", "console"),
    ],
)
def test_requests_are_counted_by_the_interface_of_their_path(path: str, interface: str):
    assert interface_of(path) == interface


def test_methods_that_nobody_knows_share_one_label(db: None):
    for number in range(3):
        http_client.generic(f"FOO{number}", "/v1")
    methods = {labels[1] for labels, _value in counts.families()[0].samples}
    assert "other" in methods
    assert not any(each.startswith("FOO") for each in methods)


def test_requests_and_their_seconds_add_up():
    found = HttpCounts()
    for status in ("200", "200", "404"):
        found.add(("api", "GET", status), 0.5)
    requests, seconds = found.families()
    assert dict(requests.samples) == {("api", "GET", "200"): 2, ("api", "GET", "404"): 1}
    assert dict(seconds.samples) == {("api",): 1.5}
    assert requests.is_counter
