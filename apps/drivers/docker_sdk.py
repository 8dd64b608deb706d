"""The Docker SDK's low-level client as Corral wants it: one version round trip, time-outs, and `EngineError`s only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from ssl import SSLContext
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from apps.drivers.base import Endpoint, EngineDown, EngineRefused
from apps.drivers.docker_errors import down, refusal
from apps.drivers.docker_wire import CONNECT_TIMEOUT, address_of, tls_context

NEWEST = "1.44"  # the newest API this was written for; older engines are spoken to in theirs
_TIMEOUT = 60.0
_PING_TIMEOUT = 3.0
_POOL = 16


class Sdk(docker.APIClient):  # type: ignore[misc]  # the SDK is not typed
    """A connected client; making one asks the engine for its version, once."""

    def __init__(self, endpoint: Endpoint) -> None:
        url = endpoint.url
        super().__init__(url, version=NEWEST, timeout=_TIMEOUT, max_pool_size=_POOL)
        self.trust_env = False  # neither proxies nor ~/.netrc, and no time spent on looking for them
        if not url.startswith("unix://"):
            host, port = address_of(endpoint)
            context = tls_context(endpoint)
            scheme = "https" if context else "http"
            self.base_url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
            self.mount(f"{scheme}://", _Adapter(context))
        found = self._plain("/version")
        self.engine_api = str(found.get("ApiVersion", NEWEST))
        self._version = _common(self.engine_api, str(found.get("MinAPIVersion", "")))

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Connecting is never given as long as answering is."""
        kwargs["timeout"] = (CONNECT_TIMEOUT, kwargs.get("timeout", self.timeout))
        return kwargs

    def _plain(self, path: str) -> Any:
        found = self._get(self._url(path, versioned_api=False), timeout=_PING_TIMEOUT)
        return self._result(found, json=True)

    def alive(self) -> None:
        """Raise unless the engine answers within a few seconds."""
        self._raise_for_status(self._get(self._url("/_ping", versioned_api=False), timeout=_PING_TIMEOUT))


class _Adapter(HTTPAdapter):
    """Connections over TCP, verified by the endpoint's own TLS context and by nothing else."""

    def __init__(self, context: SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_maxsize=_POOL)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ARG002  # requests' signature
        # The inherited one would add the public authorities to those the endpoint trusts.
        if self._context is not None:
            conn.cert_reqs = "CERT_REQUIRED"


def _common(newest: str, oldest: str) -> str:
    """The newest API version that both sides know."""
    if oldest and _number(oldest) > _number(NEWEST):
        return oldest
    return min(newest, NEWEST, key=_number)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


class Line:
    """The way to one engine: connects at the first need, and anew after the engine was away."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._making = threading.Lock()
        self._sdk: Sdk | None = None
        self._failure: tuple[float, EngineDown] | None = None

    @contextmanager
    def __call__(self, gate: AbstractContextManager[Any] | None = None) -> Iterator[Sdk]:
        """The client, for one or more calls; `gate` is held meanwhile. Whatever goes wrong becomes an `EngineError`."""
        try:
            with gate or nullcontext():
                yield self.client()
        except APIError as error:
            raise refusal(error.status_code or 500, str(error.explanation or error)) from None
        except DockerException as error:
            raise EngineRefused(str(error)) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, requests.ConnectionError):
                self._sdk = None  # it may come back as another version
            raise down(self._endpoint.url, error) from None

    def client(self) -> Sdk:
        """The connected client; who waited for another's vain attempt shares its outcome."""
        if self._sdk is not None:
            return self._sdk
        asked = time.monotonic()
        with self._making:
            if self._sdk is None:
                if self._failure is not None and self._failure[0] > asked:
                    raise EngineDown(str(self._failure[1]))
                self._sdk = self._connect()
            return self._sdk

    def _connect(self) -> Sdk:
        try:
            return Sdk(self._endpoint)
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = down(self._endpoint.url, error)
            self._failure = (time.monotonic(), failure)
            raise failure from None

    def close(self) -> None:
        """Let the connections go."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()
