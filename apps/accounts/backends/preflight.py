"""A first knock at a directory's door with a time-out of our own: libldap's TLS handshake has none, and no reasons."""

from __future__ import annotations

import socket
import ssl

from apps.accounts.backends.directory import DirectoryDown
from apps.accounts.spec import Directory

# What is sent is always the same, so the few bytes are written out: an anonymous bind and the StartTLS request.
_HELLO = bytes.fromhex("300c020101600702010304008000")
_START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
_SUCCESS = b"\x0a\x01\x00"


def first_server(config: Directory) -> tuple[str, int]:
    """The first server of the fail-over list that answers, over TLS where that is asked for.

    Raises `DirectoryDown` with the reason of each when none does.
    """
    reasons = []
    for host, port in config.servers:
        try:
            _knock(config, host, port)
        except (OSError, ValueError) as error:
            reasons.append((f"{host}:{port}", _words(error, config.patience)))
        else:
            return host, port
    raise _down(reasons)


def _down(reasons: list[tuple[str, str]]) -> DirectoryDown:
    """Where its servers are is not for everybody who stands before the door."""
    words = "; ".join(dict.fromkeys(word for _address, word in reasons))
    places = "; ".join(f"{address}: {word}" for address, word in reasons)
    return DirectoryDown(
        f"The directory cannot be reached: {words}.", inside=f"The directory cannot be reached. {places}"
    )


def _knock(config: Directory, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=config.patience) as plain:
        if not config.tls and not config.start_tls:
            _ask(plain, _HELLO)
            return
        if config.start_tls and _SUCCESS not in _ask(plain, _START_TLS):
            raise OSError("the server does not offer StartTLS")
        with tls_context(config).wrap_socket(plain, server_hostname=host) as secure:
            _ask(secure, _HELLO)


def _ask(connection: socket.socket, message: bytes) -> bytes:
    connection.sendall(message)
    answer = connection.recv(512)
    if not answer.startswith(b"\x30"):
        raise OSError("what answers there is not an LDAP server" if answer else "the server hung up")
    return answer


def tls_context(config: Directory) -> ssl.SSLContext:
    """Verifies against the directory's own CA when there is one, else against the system's; raises for a bad PEM."""
    return ssl.create_default_context(cadata=config.ca or None)


def _words(error: Exception, patience: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {patience:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or error}"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
