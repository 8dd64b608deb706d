"""Probes a directory's servers before libldap connects: its TLS handshake has no time-out and gives no reasons."""

from __future__ import annotations

import socket
import ssl

from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.config import DirectoryProviderConfig

# Always the same bytes, so no BER library is needed: an anonymous bind and the StartTLS request.
_ANONYMOUS_BIND = bytes.fromhex("300c020101600702010304008000")
_START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
_SUCCESS = b"\x0a\x01\x00"


def first_reachable_server(config: DirectoryProviderConfig) -> tuple[str, int]:
    """The first server of the fail-over list that answers, over TLS where that is configured.

    Raises `DirectoryDown` with the reason of each when none does.
    """
    reasons = []
    for host, port in config.servers:
        try:
            _probe(config, host, port)
        except (OSError, ValueError) as error:
            reasons.append((f"{host}:{port}", _failure_reason(error, config.timeout)))
        else:
            return host, port
    raise _unreachable_error(reasons)


def _unreachable_error(reasons: list[tuple[str, str]]) -> DirectoryDown:
    """The reasons for everybody; with the addresses of the servers only for administrators."""
    summary = "; ".join(dict.fromkeys(word for _address, word in reasons))
    details = "; ".join(f"{address}: {word}" for address, word in reasons)
    return DirectoryDown(
        f"The directory cannot be reached: {summary}.", admin_detail=f"The directory cannot be reached. {details}"
    )


def _probe(config: DirectoryProviderConfig, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=config.timeout) as plain:
        if not config.tls and not config.start_tls:
            _exchange(plain, _ANONYMOUS_BIND)
            return
        if config.start_tls and _SUCCESS not in _exchange(plain, _START_TLS):
            raise OSError("the server does not offer StartTLS")
        with tls_context(config).wrap_socket(plain, server_hostname=host) as secure:
            _exchange(secure, _ANONYMOUS_BIND)


def _exchange(connection: socket.socket, message: bytes) -> bytes:
    connection.sendall(message)
    answer = connection.recv(512)
    if not answer.startswith(b"\x30"):
        raise OSError("what answers there is not an LDAP server" if answer else "the server hung up")
    return answer


def tls_context(config: DirectoryProviderConfig) -> ssl.SSLContext:
    """Verifies against the directory's own CA when there is one, else against the system's; raises for a bad PEM."""
    return ssl.create_default_context(cadata=config.ca or None)


def _failure_reason(error: Exception, timeout: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or error}"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
