"""Reads of hosts: their drivers, when lost ones are given up, and registration commands."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from shlex import quote
from urllib.parse import urlencode, urlsplit

from django.db.models import QuerySet
from django.utils import timezone

from apps.core.defaults import setting
from apps.core.texts import is_storable
from apps.drivers.base import Driver, Endpoint, EngineDown
from apps.drivers.registry import get_driver
from apps.hosts.engine_ownership import why_unusable
from apps.hosts.models import Host, HostEvent, RegistrationToken

_CREDENTIAL_FIELDS = ("ca", "cert", "key", "host_key", "private_key", "password")
HOUR = 3600.0
AGENT_CONTAINER = "rancher-agent"
"""The name that playbooks look for before they register a host; it also keeps a second agent off the same engine."""
_DUMMY_TOKEN = RegistrationToken(public_value="none", secret_value="-" * 43)
MIN_CONFIRMED_LOSS = timedelta(seconds=10)


def endpoint_of(host: Host) -> Endpoint:
    """Where the host's engine listens, with what opens it."""
    tls = host.tls or {}
    return Endpoint(host.url, **{name: tls.get(name, "") for name in _CREDENTIAL_FIELDS})


def driver_of(host: Host) -> Driver:
    """The (shared) driver of the host's engine. Raises `EngineDown` unless the engine is known to be the host's own."""
    if reason := why_unusable(host):
        raise EngineDown(reason)
    return get_driver(endpoint_of(host))


def address_of(host: Host) -> str:
    """The address at which the host's published ports are reached: the user's, else the engine's."""
    return host.address or urlsplit(host.url).hostname or "127.0.0.1"


def is_local_engine(host: Host) -> bool:
    """Whether its engine is the portal's own machine's and nobody gave it an address: the portal's name leads to it."""
    return not host.address and host.url.startswith("unix://")


def lost_since(host: Host) -> datetime | None:
    """When a lost host was last known to answer; None while it does."""
    return (host.seen_at or host.lost_at) if host.lost_at else None


def reschedules_at(host: Host, after: int | None) -> datetime | None:
    """When a lost host's containers are replaced elsewhere, `after` seconds from the last contact (None: never).

    Up to a minute passes between two reconciles of a quiet host, so the portal itself has to get no answer for
    `MIN_CONFIRMED_LOSS` before it gives a host up.
    """
    since = lost_since(host)
    if since is None or after is None:
        return None
    return max(since + timedelta(seconds=after), (host.lost_at or since) + MIN_CONFIRMED_LOSS)


def token_value(token: RegistrationToken) -> str:
    """The token of the current hour: `<public value>:<epoch ms of the UTC hour>:<HMAC>` (v1 contract, 4.1)."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    return _sign(token, int(hour.timestamp() * 1000))


def _sign(token: RegistrationToken, timestamp_ms: int) -> str:
    head = f"{token.public_value}:{timestamp_ms}"
    mac = hmac.new(token.secret_value.encode(), head.encode(), hashlib.sha1).digest()
    return f"{head}:{base64.b64encode(mac).decode().translate({47: None, 61: None, 43: None})}"


def verify_token(text: str, now: datetime | None = None) -> RegistrationToken | None:
    """The active registration token behind a token of one of its hours, or None: bad, expired, revoked, all alike.

    A token serves until 24 hours after its own hour. However it fails, one signature is computed and compared.
    """
    public, _, rest = text.partition(":")
    timestamp_ms = rest.partition(":")[0]
    rows = RegistrationToken.all_objects.select_related("environment").filter(desired="active", removed=None)
    row = rows.filter(public_value=public, environment__desired="active").first() if is_storable(public) else None
    when = int(timestamp_ms) if timestamp_ms.isascii() and timestamp_ms.isdigit() and len(timestamp_ms) < 16 else 0
    expected = _sign(row or _DUMMY_TOKEN, when)
    age = (now or timezone.now()).timestamp() - when / 1000
    is_valid = hmac.compare_digest(expected.encode(), text.encode()) and -HOUR <= age < 25 * HOUR
    return row if is_valid else None


def portal_base_url(request_base: str) -> str:
    """The portal's URL for hosts and clients: the setting `api.host`, else the URL of the request,
    `request_base`.
    """
    configured = setting("api.host").strip().rstrip("/")
    if configured and "://" not in configured:
        configured = f"{request_base.partition('://')[0]}://{configured}"
    return configured or request_base.rstrip("/")


def network_scope(base: str) -> str:
    """Who reaches a portal at this URL: `local` only its own machine, `private` only its network, else ""."""
    host = (urlsplit(base).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return "local"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "" if "." in host.strip(".") and not host.endswith((".local", ".internal", ".lan")) else "private"
    if address.is_loopback or address.is_unspecified:
        return "local"
    return "private" if address.is_private or address.is_link_local else ""


def registration_command(
    token: RegistrationToken, base: str, *, labels: Mapping[str, str] | None = None, address: str = ""
) -> dict[str, str]:
    """The v1 fields `token`, `image`, `registrationUrl` and `command`, and the command's other forms.

    `base` is the API's root URL; `labels` and `address` are what the host is to have, woven into the commands.
    """
    value, image = token_value(token), setting("bootstrap.required.image")
    url = f"{base.rstrip('/')}/scripts/{value}"
    variables = {"CATTLE_AGENT_IP": address, "CATTLE_HOST_LABELS": urlencode(labels or {}, safe=":/.")}
    pairs = [quote(f"{name}={text}") for name, text in variables.items() if text]
    options = "".join(f"-e {pair} " for pair in pairs)
    command = (
        f"sudo docker run -d --name {AGENT_CONTAINER} --privileged --net=host {options}"
        "-v /var/run/docker.sock:/var/run/docker.sock "
        f"-v /var/lib/rancher:/var/lib/rancher {image} {url}"
    )
    prefix = "".join(f"{pair} " for pair in pairs)
    return {
        "token": value,
        "image": image,
        "registrationUrl": url,
        "command": command,
        "script": f"curl -fsS {url} | sudo {prefix}sh",
        "process": f"sudo {prefix}python3 -m corral_agent {url}",
    }


def events_of(host: Host) -> QuerySet[HostEvent]:
    """The host's timeline, the newest first; whoever may see the host may see it."""
    return HostEvent.objects.filter(host=host)


def events_within(hosts: QuerySet[Host]) -> QuerySet[HostEvent]:
    """The timelines of several hosts."""
    return HostEvent.objects.filter(host__in=hosts.values("pk"))
