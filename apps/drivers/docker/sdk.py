"""The Docker SDK's low-level client as Corral wants it: one version round trip, time-outs, and `EngineError`s only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from apps.core import read_budgets
from apps.core.metered_socket import MeteredSocket
from apps.core.read_budgets import OverBudget, ReadMeter
from apps.drivers.base import Endpoint, EngineDown, EngineError, EngineRefused
from apps.drivers.docker.connections import CONNECT_TIMEOUT, connect
from apps.drivers.docker.errors import (
    UNEXPECTED_ANSWER_ERRORS,
    error_from_response,
    over_budget_error,
    unexpected_answer_error,
    unreachable_error,
)
from apps.drivers.docker.json_rows import parse_rows
from apps.drivers.docker.safe_json import parse_json

MAX_API_VERSION = "1.44"  # the newest API this was written for; older engines are spoken to in theirs
_TIMEOUT = 60.0
_PING_TIMEOUT = 3.0
_LOGIN_TIMEOUT = 40.0  # engines give a registry 15 seconds, after its name was looked up, which may take 20
_POOL = 16
_PIECE = 65536
_LIST_PATHS = ("/containers/json", "/images/json", "/networks", "/volumes", "/system/df")


class DockerClient(docker.APIClient):  # type: ignore[misc]  # the SDK is not typed
    """A connected client; making one asks the engine for its version, once."""

    def __init__(self, endpoint: Endpoint) -> None:
        # Whatever the endpoint, the SDK assumes a unix socket; our adapter beneath it makes the real connection.
        super().__init__("unix:///engine", version=MAX_API_VERSION, timeout=_TIMEOUT)
        self.mount("http+docker://", _Adapter(endpoint))
        self.headers["Accept-Encoding"] = "identity"  # a megabyte that unpacks to a gigabyte is not asked for
        self.trust_env = False  # neither proxies nor ~/.netrc, and no time spent searching for them
        found = self._result(self._get_unversioned("/version"), json=True)
        self.engine_api_version = str(found["ApiVersion"])
        self._version = _negotiate_version(self.engine_api_version, str(found.get("MinAPIVersion", "")))

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Connecting gets a shorter timeout than answering."""
        kwargs["timeout"] = (CONNECT_TIMEOUT, kwargs.get("timeout", self.timeout))
        return kwargs

    def _get_unversioned(self, path: str) -> Any:
        return self._get(self._url(path, versioned_api=False), timeout=_PING_TIMEOUT)

    def _result(self, response: Any, json: bool = False, binary: bool = False) -> Any:  # noqa: FBT001, FBT002  # as the SDK
        """Whatever the engine answers may end up in the database, so it is parsed for that."""
        if not json:
            return super()._result(response, json, binary)
        self._raise_for_status(response)
        try:
            return parse_json(response.content)
        except ValueError as error:
            raise requests.JSONDecodeError(str(error), "", 0) from None

    def get_agent_json(self, name: str) -> Any:
        """The JSON that the agent beside the engine answers at `/corral/v1/<name>`; None where there is none."""
        response = self._get(f"{self.base_url}/corral/v1/{name}", timeout=_TIMEOUT)
        return None if response.status_code == 404 else self._result(response, json=True)

    def rows(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The objects of the list at `path`, parsed as they arrive."""
        response = self._get(self._url(path), params=query, stream=True)
        with response:
            self._raise_for_status(response)
            yield from parse_rows(iter(lambda: response.raw.read(_PIECE), b""))

    def get_json(self, path: str, timeout: float = _TIMEOUT, **query: Any) -> Any:
        """The JSON at a path."""
        return self._result(self._get(self._url(path), params=query, timeout=timeout), json=True)

    def head_header(self, path: str, name: str, query: Mapping[str, str]) -> str:
        """One header of the answer to a HEAD request, empty if it is not there."""
        response = self.head(self._url(path), params=dict(query), timeout=(CONNECT_TIMEOUT, _TIMEOUT))
        self._raise_for_status(response)
        return str(response.headers.get(name) or "")

    def log_in(self, auth: Mapping[str, str]) -> None:
        """Have the engine log in to a registry; not the SDK's `login`, which reads and remembers accounts itself."""
        response = self._post_json(self._url("/auth"), data=dict(auth), timeout=_LOGIN_TIMEOUT)
        self._raise_for_status(response)

    def check_alive(self) -> None:
        """Raise unless the engine answers within a few seconds."""
        self._raise_for_status(self._get_unversioned("/_ping"))


class _Connection(HTTPConnection):
    """A connection whose socket is made as for streams, and counts what it reads."""

    sock: Any

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("engine")
        self._endpoint = endpoint
        self._is_list = False

    def connect(self) -> None:
        self.sock = MeteredSocket(connect(self._endpoint), ReadMeter(read_budgets.ENGINE_CALL))

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Send it; what it asks for decides how much may be answered."""
        self._is_list = method == "GET" and url.partition("?")[0].endswith(_LIST_PATHS)
        super().request(method, url, *args, **kwargs)

    def getresponse(self) -> Any:
        """The answer, whose budget begins now: by now `timeout` is the one for reading."""
        budget = read_budgets.ENGINE_LIST if self._is_list else read_budgets.ENGINE_CALL
        seconds = self.timeout if isinstance(self.timeout, int | float) and not self._is_list else None
        self.sock.meter = ReadMeter(budget, seconds=seconds)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("engine", maxsize=_POOL)
        self._endpoint = endpoint

    def _new_conn(self) -> _Connection:
        return _Connection(self._endpoint)


class _Adapter(HTTPAdapter):
    """All requests go to the one engine."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._pool = _Pool(endpoint)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> _Pool:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002  # as requests calls it
        return request.path_url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise OverBudget("compressed its answer, though that was not asked for.")
        return response

    def close(self) -> None:
        self._pool.close()
        super().close()


def _negotiate_version(newest: str, oldest: str) -> str:
    """The newest API version that both sides know."""
    if oldest and _version_tuple(oldest) > _version_tuple(MAX_API_VERSION):
        return oldest
    return min(newest, MAX_API_VERSION, key=_version_tuple)


def _version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


class EngineConnection:
    """The client of one engine: connects when first needed, and again after the engine was down."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connect_lock = threading.Lock()
        self._sdk: DockerClient | None = None
        # In words: a kept exception would keep its traceback, and with it every frame it came through.
        self._failure: tuple[float, str] | None = None

    @contextmanager
    def __call__(self, semaphore: AbstractContextManager[Any] | None = None) -> Iterator[DockerClient]:
        """The client, for one or more calls; `semaphore` is held meanwhile. Whatever goes wrong becomes an
        `EngineError`.
        """
        try:
            with semaphore or nullcontext():
                yield self.client()
        except EngineError:
            raise
        except OverBudget as error:
            raise over_budget_error(self._endpoint.url, error) from None
        except APIError as error:
            raise error_from_response(error.status_code or 500, str(error.explanation or error)) from None
        except DockerException as error:
            raise EngineRefused(str(error)) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, requests.ConnectionError):
                self._sdk = None  # it may come back with another version
            raise unreachable_error(self._endpoint.url, error) from None
        except UNEXPECTED_ANSWER_ERRORS as error:
            raise unexpected_answer_error(self._endpoint.url) from error

    def client(self) -> DockerClient:
        """The connected client; a caller that waited for another's failed attempt shares its failure."""
        if self._sdk is not None:
            return self._sdk
        started = time.monotonic()
        with self._connect_lock:
            if self._sdk is None:
                if self._failure is not None and self._failure[0] > started:
                    raise EngineDown(self._failure[1])
                self._sdk = self._connect()
            return self._sdk

    def _connect(self) -> DockerClient:
        try:
            return DockerClient(self._endpoint)
        except (APIError, DockerException, requests.JSONDecodeError, KeyError, TypeError):
            failure = EngineDown(f"What answers at {self._endpoint.url} is not a Docker engine.")
        except OverBudget as error:
            failure = over_budget_error(self._endpoint.url, error)
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = unreachable_error(self._endpoint.url, error)
        self._failure = (time.monotonic(), str(failure))
        raise failure

    def close(self) -> None:
        """Close the connections."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()
