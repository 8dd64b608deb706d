"""The installation's settings: their names, defaults, and which of them every account may read."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.models import Setting

VERSION = "0.1.0"
OPEN_MODE = "api.security.enabled"


@dataclass(frozen=True, slots=True)
class Default:
    """A known setting: what it is when nobody set it, and whether non-admins see it."""

    value: str
    public: bool = False


DEFAULTS: dict[str, Default] = {
    OPEN_MODE: Default("true"),
    "api.auth.provider.configured": Default("localauthconfig"),
    "api.host": Default(""),
    "api.auth.jwt.token.expiry": Default("57600000"),
    "api.show.removed.for.seconds": Default("300"),
    "api.sub.ping.interval.millis": Default("5000"),
    "host.policy.default": Default("restricted"),
    "auth.local.access": Default(""),
    "auth.resync.minutes": Default("10"),
    "bootstrap.required.image": Default("corral/agent:v" + VERSION),
    "cattle.version": Default("v0.159.8", public=True),
    "corral.version": Default("v" + VERSION, public=True),
    "rancher.compose.version": Default("", public=True),
    "rancher.compose.linux.url": Default("", public=True),
    "rancher.compose.darwin.url": Default("", public=True),
    "rancher.compose.windows.url": Default("", public=True),
    "rancher.server.image": Default("corral/server:v" + VERSION, public=True),
    "host.disconnected.after.seconds": Default("60"),
    "retention.audit.days": Default("90"),
    "retention.events.days": Default("14"),
    "retention.operations.days": Default("14"),
    "retention.removed.hours": Default("24"),
    "retention.stats.hours": Default("48"),
    "session.idle.minutes": Default("0"),
    "session.limit": Default("0"),
    "totp.required": Default("none"),
    "help.enabled": Default("true", public=True),
    "vm.enabled": Default("false", public=True),
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
