"""One HTTP request to one of a registry's addresses, limited in bytes and time; nothing is followed or kept open."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.metered_socket import MeteredSocket
from apps.core.read_budgets import REGISTRY_CALL, OverBudget, ReadMeter
from apps.stacks.updates.reachable import RegistryEndpoint, RegistryUnreachable, addresses_of

_CONNECT_SECONDS = 5.0
_MAX_ADDRESSES = 2  # of a name with many: the time is limited


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer; `headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class _PinnedConnection(http.client.HTTPConnection):
    """To an address that was looked at before: the name is not looked up once more, and may lead elsewhere by then."""

    def __init__(self, endpoint: RegistryEndpoint, address: str, authority: str) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._endpoint, self._address, self._authority = endpoint, address, authority

    def connect(self) -> None:
        sock = socket.create_connection((self._address, self._endpoint.port), timeout=_CONNECT_SECONDS)
        try:
            if self._endpoint.scheme == "https":
                context = ssl.create_default_context()
                if self._authority:
                    context.load_verify_locations(cadata=self._authority)
                sock = context.wrap_socket(sock, server_hostname=self._endpoint.host)
            self.sock = MeteredSocket(sock, ReadMeter(REGISTRY_CALL))
        except BaseException:
            sock.close()
            raise


def send(
    method: str, endpoint: RegistryEndpoint, path: str, headers: Mapping[str, str], *, authority: str = ""
) -> HttpReply:
    """Send one request; `authority` is PEM of who else certifies registries. Raises `RegistryUnreachable`."""
    reason = ""
    for address in addresses_of(endpoint)[:_MAX_ADDRESSES]:
        try:
            return _exchange(method, endpoint, address, path, headers, authority)
        except ssl.SSLCertVerificationError as error:
            raise RegistryUnreachable(
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
    raise RegistryUnreachable(f"{endpoint.authority} cannot be reached: {reason}.")


def _exchange(
    method: str, endpoint: RegistryEndpoint, address: str, path: str, headers: Mapping[str, str], authority: str
) -> HttpReply:
    connection = _PinnedConnection(endpoint, address, authority)
    try:
        connection.request(method, path, headers={**headers, "Host": endpoint.authority, "Connection": "close"})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return HttpReply(answer.status, found, answer.read() if method != "HEAD" else b"")
    finally:
        connection.close()
