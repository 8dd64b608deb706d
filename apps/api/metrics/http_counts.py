"""How many requests this process has answered, by interface, method and status."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from apps.api.metrics.families import MetricFamily, labelled

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_API, _OWN_NAMES = frozenset({"v1", "v2-beta", "v1-catalog"}), frozenset({"static", "healthz", "metrics", "cli"})
Labels = tuple[str, str, str]


class HttpCounts:
    """Counts requests and their seconds; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[Labels] = Counter()
        self._seconds: dict[str, float] = {}

    def add(self, labels: Labels, seconds: float) -> None:
        """Count one request that took so long."""
        with self._lock:
            self._requests[labels] += 1
            self._seconds[labels[0]] = self._seconds.get(labels[0], 0.0) + seconds

    def families(self) -> list[MetricFamily]:
        """The metrics."""
        with self._lock:
            requests, seconds = dict(self._requests), dict(self._seconds)
        return [
            labelled(
                "corral_http_requests_total",
                "Requests that this process answered.",
                "interface method status",
                requests.items(),
            ),
            labelled(
                "corral_http_request_seconds_total",
                "Seconds that this process took for them.",
                "interface",
                (((name,), value) for name, value in seconds.items()),
            ),
        ]


counts = HttpCounts()


class HttpCountsMiddleware:
    """Counts every request that reaches Django."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and count."""
        began = time.monotonic()
        response = self._get_response(request)
        # Anybody may send any method: as a label each new word would be kept for ever.
        method = request.method if request.method in _METHODS else "other"
        counts.add((interface_of(request.path), str(method), str(response.status_code)), time.monotonic() - began)
        return response


def interface_of(path: str) -> str:
    """Which interface a path belongs to."""
    first = path.lstrip("/").partition("/")[0]
    if first in _API:
        return "api"
    return first if first in _OWN_NAMES else "console"
