"""HTTP to log-in providers: the only place that makes such requests, so that none is without a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from apps.core import read_budgets
from apps.core.metered_socket import MeteredSocket
from apps.core.read_budgets import OverBudget, ReadMeter

MAX_REDIRECTS = 5
_pages_meter: ContextVar[ReadMeter | None] = ContextVar("pages_meter", default=None)


class ProviderOverBudget(requests.RequestException):
    """A provider sent more, or for longer, than is read from one."""


@contextmanager
def one_budget() -> Iterator[None]:
    """All requests made meanwhile share one budget: a list whose pages never end is one answer."""
    token = _pages_meter.set(ReadMeter(read_budgets.PROVIDER_PAGES))
    try:
        yield
    finally:
        _pages_meter.reset(token)


def send_request(
    method: str, url: str, *, timeout: float, headers: dict[str, Any] | None = None, **options: Any
) -> requests.Response:
    """The whole response, redirects followed. Raises `requests.RequestException`.

    `timeout` limits each silence, the budget all that is read, heads and redirects included.
    """
    meter = ReadMeter(read_budgets.PROVIDER_CALL, within=_pages_meter.get())
    try:
        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            for scheme in ("https://", "http://"):
                session.mount(scheme, _MeteredAdapter(meter))
            asked = {**(headers or {}), "Accept-Encoding": "identity"}
            response = session.request(method, url, headers=asked, timeout=timeout, stream=True, **options)
            _refuse_compressed(response)
            _ = response.content  # read here, where its budget is held
            return response
    except OverBudget as error:
        raise ProviderOverBudget(f"the server {error}") from None


def _refuse_compressed(response: requests.Response) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise OverBudget("compressed its answer, though that was not asked for.")


class _MeteredAdapter(HTTPAdapter):
    """Connections whose sockets count what they read."""

    def __init__(self, meter: ReadMeter) -> None:
        self._meter = meter
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes()

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes()
        return manager

    def _pool_classes(self) -> dict[str, Any]:
        meter = self._meter

        class MeteredHttp(HTTPConnection):
            def getresponse(self) -> Any:
                self.sock = MeteredSocket(self.sock, meter)
                return super().getresponse()

        class MeteredHttps(HTTPSConnection):
            def getresponse(self) -> Any:
                self.sock = MeteredSocket(self.sock, meter)
                return super().getresponse()

        return {
            "http": type("HttpPool", (HTTPConnectionPool,), {"ConnectionCls": MeteredHttp}),
            "https": type("HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": MeteredHttps}),
        }
