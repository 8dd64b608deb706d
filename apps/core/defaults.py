"""The installation's settings: their definitions, default values, and which of them every account may read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.core.addresses import parse_inside_networks
from apps.core.errors import Invalid
from apps.core.fields import (
    MAX_INTEGER,
    integer,
    option,
    text,
)
from apps.core.models import Setting

MAX_SETTING_LENGTH = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDefinition:
    """A known setting: its default `value`, which values it takes, and whether non-admins may read it (`public`).

    `options` are all its values, `low` and `high` bound a whole number, `pattern` is what any other text must match,
    and `networks` makes it a list of networks. `about` says what it does. `advanced` ones can break things,
    `has_own_page` ones are set on a page of their own.
    A `secret` one is never shown again, nor kept in the audit log.
    """

    value: str
    about: str = ""
    public: bool = False
    options: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    pattern: str = ""
    networks: bool = False
    advanced: bool = False
    has_own_page: bool = False
    secret: bool = False

    def check(self, value: Any) -> str:
        """The value if it may be stored; raises `Invalid` with what it may be."""
        if self.secret and not (isinstance(value, str) and re.fullmatch(self.pattern or ".*", value)):
            raise Invalid("value", "InvalidFormat", "This value is not valid.")  # the usual refusal would repeat it
        if self.options:
            return str(option(*self.options)("value", value))
        if self.low is not None or self.high is not None:
            return str(integer(self.low or 0, MAX_INTEGER if self.high is None else self.high)("value", value))
        found = str(text(high=MAX_SETTING_LENGTH, pattern=self.pattern or None, code="InvalidFormat")("value", value))
        return " ".join(parse_inside_networks("value", found)) if self.networks else found


def text_setting(value: str, about: str = "", **more: Any) -> SettingDefinition:
    return SettingDefinition(value=value, about=about, **more)


def number_setting(value: str, low: int, high: int, about: str, **more: Any) -> SettingDefinition:
    return SettingDefinition(value=value, low=low, high=high, about=about, **more)


VERSION: str = settings.VERSION
OPEN_MODE = "api.security.enabled"

_BOOLEAN = ("true", "false")
_URL = r"((https?://)?(?!\w+://)[A-Za-z0-9._:\[\]-]+(/\S*)?)?"
_IMAGE = r"\S*"

DEFAULTS: dict[str, SettingDefinition] = {
    OPEN_MODE: text_setting("true", "access control is on", options=_BOOLEAN, has_own_page=True),
    "api.auth.provider.configured": text_setting(
        "localauthconfig", "the login provider that v1 clients see", advanced=True
    ),
    "api.host": text_setting("", "the address under which hosts and people reach this portal", pattern=_URL),
    "api.auth.jwt.token.expiry": number_setting("57600000", 60_000, 10**11, "milliseconds until a session ends"),
    "api.show.removed.for.seconds": number_setting(
        "300", 0, 10**6, "seconds that lists show removed rows", advanced=True
    ),
    "api.sub.ping.interval.millis": number_setting("5000", 500, 60_000, "between pings on sockets", advanced=True),
    "host.policy.default": text_setting(
        "restricted",
        "what containers may do to hosts without a host policy",
        options=("restricted", "permissive"),
    ),
    "auth.local.access": text_setting("", "who may log in with a local password", has_own_page=True),
    "auth.resync.minutes": number_setting("10", 1, 10_080, "minutes between updates of accounts from providers"),
    "acme.directory": text_setting(
        "https://acme-v02.api.letsencrypt.org/directory",
        "the ACME server that issues certificates",
        pattern=r"https://\S+",
    ),
    "acme.eab.kid": text_setting(
        "", "the key identifier of the external account that the ACME server wants accounts bound to", pattern=r"\S*"
    ),
    "acme.eab.hmac": text_setting(
        "",
        "the HMAC key of that external account, in base64url",
        pattern=r"([A-Za-z0-9_-]{16,512}={0,2})?",
        secret=True,
    ),
    "acme.authority": text_setting(
        "", "who certifies that server, as PEM; empty: the authorities that everybody trusts", advanced=True
    ),
    "bootstrap.required.image": text_setting(
        "corral/agent:v" + VERSION, "the agent's image", pattern=_IMAGE, advanced=True
    ),
    "build.context.megabytes": number_setting(
        "512", 1, 102_400, "megabytes that the context of a build of an image may have"
    ),
    "catalog.private.networks": text_setting(
        "",
        "networks inside, such as 10.0.0.0/8, that environments may fetch catalogs and contexts of builds from",
        networks=True,
    ),
    "cattle.version": text_setting("v0.159.8", "the version that v1 clients see", public=True, advanced=True),
    "container.name.prefix": text_setting(
        "",
        "what names of new containers begin with on engines, such as r- as later versions of Rancher have it",
        pattern=r"([A-Za-z0-9][A-Za-z0-9_.-]{0,19})?",
        advanced=True,
    ),
    "corral.version": text_setting("v" + VERSION, public=True, advanced=True),
    "lb.haproxy.image": text_setting(
        "corral/haproxy:2.6", "the image of balancers, a HAProxy", pattern=_IMAGE, advanced=True
    ),
    "lb.drain.seconds": number_setting(
        "10", 0, 600, "that a container which is to stop may take to end the requests of balancers"
    ),
    "lb.leave.seconds": number_setting(
        "3", 0, 600, "that a container of a balancer serves and says that it leaves, before it stops"
    ),
    "lb.find.seconds": number_setting(
        "60", 0, 3600, "that an upgrade or a drain waits for balancers to find a new container"
    ),
    "rancher.compose.version": text_setting("", public=True, advanced=True),
    "rancher.compose.linux.url": text_setting("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.darwin.url": text_setting("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.windows.url": text_setting("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.server.image": text_setting("corral/server:v" + VERSION, public=True, pattern=_IMAGE, advanced=True),
    "federation.private.networks": text_setting(
        "",
        "networks inside, such as 10.0.0.0/8, in which issuers of trusted CI tokens may be",
        networks=True,
    ),
    "federation.authority": text_setting(
        "", "who certifies issuers of CI tokens, as PEM, besides those everybody trusts", advanced=True
    ),
    "metrics.enabled": text_setting("false", "whether Prometheus may read metrics with a key", options=_BOOLEAN),
    "host.disconnected.after.seconds": number_setting(
        "60", 0, 86_400, "until a host that reconnects counts as disconnected"
    ),
    "retention.audit.days": number_setting("90", 0, 36_500, "days that audit entries are kept; 0: for ever"),
    "retention.events.days": number_setting("14", 1, 3_650, "days that host events are kept"),
    "retention.operations.days": number_setting("14", 1, 3_650, "days that finished operations are kept"),
    "retention.removed.hours": number_setting("24", 1, 87_600, "hours that removed rows are kept"),
    "retention.restore.days": number_setting(
        "7", 0, 3_650, "days that deleted stacks and services can be restored; 0: not at all"
    ),
    "retention.stats.hours": number_setting("48", 24, 8_760, "hours that statistics are kept"),
    "session.idle.minutes": number_setting("0", 0, 525_600, "minutes until an unused session ends; 0: never"),
    "session.limit": number_setting("0", 0, 1_000, "concurrent sessions per account; 0: unlimited"),
    "totp.required": text_setting("none", "who needs a second factor", options=("none", "admins", "all")),
    "help.enabled": text_setting("true", "the help pages", public=True, options=_BOOLEAN, advanced=True),
    "updates.check.minutes": number_setting(
        "60", 0, 10_080, "minutes between two looks for a newer image, 60 at least; 0: nobody looks"
    ),
    "updates.registries": text_setting(
        "",
        "registries in private networks that the portal may ask for newer images; http:// before one without TLS",
        pattern=r"[A-Za-z0-9._:/,\[\] -]*",
    ),
    "updates.authority": text_setting(
        "",
        "who certifies registries that are asked for newer images, as PEM, besides those everybody trusts",
        advanced=True,
    ),
    "vm.enabled": text_setting("false", "whether v1 clients see virtual machines", public=True, advanced=True),
}


def setting(name: str) -> str:
    """The effective value: what an administrator set, else the default, else an empty text."""
    row = Setting.objects.filter(name=name).first()
    if row is not None:
        return str(row.value)
    default = DEFAULTS.get(name)
    return default.value if default else ""


def setting_int(name: str) -> int:
    """A whole-number setting; a value that is not a number counts as the default."""
    try:
        return int(setting(name))
    except ValueError:
        return int(DEFAULTS[name].value)
