"""Trying an engine before its host is saved, each refusal under the field that it is about."""

from __future__ import annotations

from apps.core.errors import Invalid
from apps.drivers import registry
from apps.drivers.base import (
    CredentialRefused,
    EngineError,
    EngineInfo,
    HostKeyRefused,
)
from apps.hosts.models import Host
from apps.hosts.selectors import endpoint_of

_WIRE_FIELDS = {"private_key": "privateKey", "password": "password"}


def probe_engine(row: Host, *, detailed: bool = True) -> EngineInfo:
    """What answers there. Raises `Invalid`; for an unconfirmed host key its `detail` is the key that was shown.

    Without `detailed` a refusal does not say whether nothing, or something that is no engine, answers there: whoever
    may add hosts could scan the portal's network otherwise.
    """
    endpoint = endpoint_of(row)
    try:
        return registry.get_driver(endpoint).info()
    except EngineError as error:
        registry.discard_driver(endpoint)
        raise _as_invalid(row, error, detailed=detailed) from None


def _as_invalid(row: Host, error: EngineError, *, detailed: bool) -> Invalid:
    if isinstance(error, HostKeyRefused):
        code = "InvalidOption" if (row.tls or {}).get("host_key") else "MissingRequired"
        return Invalid("hostKey", code, str(error), detail=error.presented_key)
    if isinstance(error, CredentialRefused):
        return Invalid(_WIRE_FIELDS[error.field], "InvalidOption", str(error))
    why = str(error) if detailed else "check the address, the port and the certificates, and that it is an engine."
    return Invalid("url", "InvalidReference", f"The engine at {row.url} does not answer: {why}")
