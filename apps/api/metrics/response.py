"""`GET /metrics` and `GET /v1/projects/<id>/metrics`: the figures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from django.http import HttpResponse

from apps.api.metrics.families import MetricFamily
from apps.api.metrics.installation import installation_families
from apps.api.metrics.inventory import inventory_families
from apps.api.wire.context import ApiCaller
from apps.core.defaults import setting
from apps.core.errors import Forbidden

if TYPE_CHECKING:
    from prometheus_client.core import Metric

ENABLED = "metrics.enabled"
_OFF = "Metrics are off; an administrator allows them with the setting metrics.enabled."
_WHERE = "Only administrators see the whole installation; an environment's metrics are at /v1/projects/<id>/metrics."


def metrics_response(caller: ApiCaller) -> HttpResponse:
    """An environment's metrics for its members, else those of the installation for administrators."""
    if setting(ENABLED) != "true":
        raise Forbidden(_OFF)
    if caller.environment is not None:
        return _response(inventory_families(caller.environments()))
    if not caller.actor.is_admin:
        raise Forbidden(_WHERE)
    return _response([*installation_families(), *inventory_families(caller.environments())])


class _Collector:
    """The families as prometheus-client wants them."""

    def __init__(self, families: Iterable[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Each family with its samples."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for family in self._families:
            kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
            metric = kind(family.name, family.about, labels=family.labels)
            for labels, value in family.samples:
                metric.add_metric(list(labels), value)
            yield metric


def _response(families: Iterable[MetricFamily]) -> HttpResponse:
    # Imported by who scrapes: most portals never are, and the package makes metrics of its own process when it is.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(families))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
