"""The installation's settings: their names, defaults, and which of them every account may read."""

from __future__ import annotations

from apps.core.defaults.default import LONGEST, Default, known, number
from apps.core.models import Setting

__all__ = ["DEFAULTS", "LONGEST", "OPEN_MODE", "VERSION", "Default", "setting", "setting_int"]

VERSION = "0.1.0"
OPEN_MODE = "api.security.enabled"

_SWITCH = ("true", "false")
_URL = r"((https?://)?(?!\w+://)[A-Za-z0-9._:\[\]-]+(/\S*)?)?"
_IMAGE = r"\S*"

DEFAULTS: dict[str, Default] = {
    OPEN_MODE: known("true", "access control is on", options=_SWITCH, elsewhere=True),
    "api.auth.provider.configured": known("localauthconfig", "what v1 clients are told about log-in", advanced=True),
    "api.host": known("", "the address under which hosts and people reach this portal", pattern=_URL),
    "api.auth.jwt.token.expiry": number("57600000", 60_000, 10**11, "milliseconds until a log-in ends"),
    "api.show.removed.for.seconds": number("300", 0, 10**6, "how long lists show what was removed", advanced=True),
    "api.sub.ping.interval.millis": number("5000", 500, 60_000, "between pings on sockets", advanced=True),
    "host.policy.default": known(
        "restricted", "what containers may ask of hosts where nobody decided", options=("restricted", "permissive")
    ),
    "auth.local.access": known("", "who may come in with a password kept here", elsewhere=True),
    "auth.resync.minutes": number("10", 1, 10_080, "minutes between asking providers about their people"),
    "bootstrap.required.image": known("corral/agent:v" + VERSION, "the agent's image", pattern=_IMAGE, advanced=True),
    "cattle.version": known("v0.159.8", "the version that v1 clients are told", public=True, advanced=True),
    "corral.version": known("v" + VERSION, public=True, advanced=True),
    "rancher.compose.version": known("", public=True, advanced=True),
    "rancher.compose.linux.url": known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.darwin.url": known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.compose.windows.url": known("", "where rancher-compose is fetched", public=True, pattern=_URL),
    "rancher.server.image": known("corral/server:v" + VERSION, public=True, pattern=_IMAGE, advanced=True),
    "host.disconnected.after.seconds": number("60", 0, 86_400, "until a host that reconnects counts as disconnected"),
    "retention.audit.days": number("90", 0, 36_500, "days that audit lines are kept; 0: for ever"),
    "retention.events.days": number("14", 1, 3_650, "days that hosts' events are kept"),
    "retention.operations.days": number("14", 1, 3_650, "days that finished operations are kept"),
    "retention.removed.hours": number("24", 1, 87_600, "hours that removed things are kept"),
    "retention.stats.hours": number("48", 24, 8_760, "hours that statistics are kept"),
    "session.idle.minutes": number("0", 0, 525_600, "minutes until an unused log-in ends; 0: never"),
    "session.limit": number("0", 0, 1_000, "log-ins that an account has at once; 0: any number"),
    "totp.required": known("none", "who needs a second factor", options=("none", "admins", "all")),
    "help.enabled": known("true", "the help pages", public=True, options=_SWITCH, advanced=True),
    "vm.enabled": known("false", "what v1 clients are told about virtual machines", public=True, advanced=True),
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
