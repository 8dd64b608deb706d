"""The installation's settings: their names, defaults, and which of them every account may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.fields import LARGEST, integer, option, text
from apps.core.models import Setting

VERSION = "0.1.0"
LONGEST = 65_536
OPEN_MODE = "api.security.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A known setting: what it is when nobody set it, what it may be, and whether non-admins see it.

    `options` are all the values there are, `low` and `high` bound a whole number, `pattern` what else is written how;
    `about` says what it does. `advanced` ones can harm, `elsewhere` ones are changed on a page of their own.
    """

    value: str
    about: str = ""
    public: bool = False
    options: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    pattern: str = ""
    advanced: bool = False
    elsewhere: bool = False

    def check(self, value: Any) -> str:
        """The value if it may be stored; raises `Invalid` with what it may be."""
        if self.options:
            return str(option(*self.options)("value", value))
        if self.low is not None or self.high is not None:
            return str(integer(self.low or 0, LARGEST if self.high is None else self.high)("value", value))
        return str(text(high=LONGEST, pattern=self.pattern or None, code="InvalidFormat")("value", value))


def _known(value: str, about: str = "", **more: Any) -> Default:
    return Default(value=value, about=about, **more)


def _number(value: str, low: int, high: int, about: str, **more: Any) -> Default:
    return Default(value=value, low=low, high=high, about=about, **more)


_SWITCH = ("true", "false")
_URL = r"((https?://)?(?!\w+://)[A-Za-z0-9._:\[\]-]+(/\S*)?)?"
_IMAGE = r"\S*"

DEFAULTS: dict[str, Default] = {
    OPEN_MODE: _known("true", "access control is on", options=_SWITCH, elsewhere=True),
    "api.auth.provider.configured": _known("localauthconfig", "what v1 clients are told about log-in", advanced=True),
    "api.host": _known("", "the address under which hosts and people reach this portal", pattern=_URL),
    "api.auth.jwt.token.expiry": _number("57600000", 60_000, 10**11, "milliseconds until a log-in ends"),
    "api.show.removed.for.seconds": _number("300", 0, 10**6, "how long lists show what was removed", advanced=True),
    "api.sub.ping.interval.millis": _number("5000", 500, 60_000, "between pings on sockets", advanced=True),
    "host.policy.default": _known(
        "restricted", "what containers may ask of hosts where nobody decided", options=("restricted", "permissive")
    ),
    "auth.local.access": _known("", "who may come in with a password kept here", elsewhere=True),
    "auth.resync.minutes": _number("10", 1, 10_080, "minutes between asking providers about their people"),
    "bootstrap.required.image": _known("corral/agent:v" + VERSION, "the agent's image", pattern=_IMAGE, advanced=True),
    "cattle.version": _known("v0.159.8", "the version that v1 clients are told", public=True, advanced=True),
    "corral.version": _known("v" + VERSION, public=True, advanced=True),
    "rancher.compose.version": _known("", public=True, advanced=True),
    "rancher.compose.linux.url": _known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.darwin.url": _known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.windows.url": _known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.server.image": _known("corral/server:v" + VERSION, public=True, pattern=_IMAGE, advanced=True),
    "host.disconnected.after.seconds": _number("60", 0, 86_400, "until a host that reconnects counts as disconnected"),
    "retention.audit.days": _number("90", 0, 36_500, "days that audit lines are kept; 0: for ever"),
    "retention.events.days": _number("14", 1, 3_650, "days that hosts' events are kept"),
    "retention.operations.days": _number("14", 1, 3_650, "days that finished operations are kept"),
    "retention.removed.hours": _number("24", 1, 87_600, "hours that removed things are kept"),
    "retention.stats.hours": _number("48", 24, 8_760, "hours that statistics are kept"),
    "session.idle.minutes": _number("0", 0, 525_600, "minutes until an unused log-in ends; 0: never"),
    "session.limit": _number("0", 0, 1_000, "log-ins that an account has at once; 0: any number"),
    "totp.required": _known("none", "who needs a second factor", options=("none", "admins", "all")),
    "help.enabled": _known("true", "the help pages", public=True, options=_SWITCH, advanced=True),
    "vm.enabled": _known("false", "what v1 clients are told about virtual machines", public=True, advanced=True),
}


def setting(name: str) -> str:
    """The value in force: what an admin set, else the default, else an empty text."""
    row = Setting.objects.filter(name=name).first()
    if row is not None:
        return str(row.value)
    default = DEFAULTS.get(name)
    return default.value if default else ""


def setting_int(name: str) -> int:
    """A whole-number setting; a value that is no number counts as the default."""
    try:
        return int(setting(name))
    except ValueError:
        return int(DEFAULTS[name].value)
