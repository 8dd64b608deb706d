"""One HTTP request to one of a server's addresses, limited in bytes and time; nothing is followed or kept open.

For servers that tenants name: the caller has looked up the addresses and refused those that must not be reached, and
the connection is made to one of them, whatever the name leads to by then.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.core.metered_socket import MeteredSocket
from apps.core.read_budgets import OverBudget, ReadBudget, ReadMeter

DEFAULT_PORTS = {"https": 443, "http": 80}
_CONNECT_SECONDS = 5.0
_MAX_ADDRESSES = 2  # of a name with many: the time is limited


class HttpUnreachable(Exception):
    """There is no answer; `str()` says why, to whoever named the server."""


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """Where a server answers; `scheme` is https or http."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer; `headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class _PinnedConnection(http.client.HTTPConnection):
    """To an address that was looked at before: the name is not looked up once more, and may lead elsewhere by then."""

    def __init__(self, endpoint: HttpEndpoint, address: str, authority: str, budget: ReadBudget) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._endpoint, self._address, self._authority, self._budget = endpoint, address, authority, budget

    def connect(self) -> None:
        sock = socket.create_connection((self._address, self._endpoint.port), timeout=_CONNECT_SECONDS)
        try:
            if self._endpoint.scheme == "https":
                context = ssl.create_default_context()
                if self._authority:
                    context.load_verify_locations(cadata=self._authority)
                sock = context.wrap_socket(sock, server_hostname=self._endpoint.host)
            self.sock = MeteredSocket(sock, ReadMeter(self._budget))
        except BaseException:
            sock.close()
            raise


def send_pinned(
    method: str,
    endpoint: HttpEndpoint,
    path: str,
    headers: Mapping[str, str],
    *,
    addresses: Sequence[str],
    budget: ReadBudget,
    authority: str = "",
) -> HttpReply:
    """Send one request to the first of `addresses` that answers; `authority` is PEM of who else certifies the server.

    Raises `HttpUnreachable`.
    """
    reason = "its name leads to no address"
    for address in addresses[:_MAX_ADDRESSES]:
        connection = _PinnedConnection(endpoint, address, authority, budget)
        try:
            return _exchange(connection, method, path, {**headers, "Host": endpoint.authority, "Connection": "close"})
        except ssl.SSLCertVerificationError as error:
            raise HttpUnreachable(
                f"The certificate of {endpoint.authority} is not valid: {error.verify_message}."
            ) from None
        except ssl.SSLError as error:
            reason = f"no TLS there ({error.reason or 'refused'})"
        except TimeoutError:
            reason = "it does not answer in time"
        except OverBudget as error:
            reason = f"it {str(error).rstrip('.')}"
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", "") or "the answer is no HTTP"
    raise HttpUnreachable(f"{endpoint.authority} cannot be reached: {reason}.")


def _exchange(connection: _PinnedConnection, method: str, path: str, headers: Mapping[str, str]) -> HttpReply:
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return HttpReply(answer.status, found, answer.read() if method != "HEAD" else b"")
    finally:
        connection.close()
