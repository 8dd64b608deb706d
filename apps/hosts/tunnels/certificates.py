"""TLS between the installation's own processes: one self-made certificate, and trust in that one alone."""

from __future__ import annotations

import functools
import ssl
import tempfile
from pathlib import Path


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """For the process that holds tunnels."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The library takes keys from files only; this one lives just as long as that takes.
    with tempfile.TemporaryDirectory(prefix="corral-door-") as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_text(f"{certificate.rstrip()}\n{key.rstrip()}\n")
        context.load_cert_chain(pair)
    return context


@functools.lru_cache(maxsize=4)
def client_context(certificate: str) -> ssl.SSLContext:
    """For the process that wants through: it takes this certificate and no other, whatever name it was reached by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    return context
