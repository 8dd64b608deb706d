"""How the settings page groups the settings, what it calls them, and in which unit each one is typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class SettingLabel:
    """What a setting is called, the unit in which it is typed, and what a reader could not guess about it.

    `per_unit` is how many of the stored unit, which the API has, make one of the page's.
    """

    label: Text
    unit: Text = ""
    hint: Text = ""
    per_unit: int = 1

    def to_shown(self, stored: str | int | None) -> str:
        """A stored number in the page's unit; whatever else is stored as it is."""
        if self.per_unit == 1 or not str(stored).isdecimal():
            return "" if stored is None else str(stored)
        return f"{int(str(stored)) / self.per_unit:.10g}"

    def to_stored(self, typed: str) -> str:
        """What was typed in the unit that is stored; what is no number is left for the setting to refuse."""
        if self.per_unit == 1 or not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", typed):
            return typed
        return str(round(Decimal(typed) * self.per_unit))


@dataclass(frozen=True, slots=True)
class SettingSection:
    """Settings that are saved together."""

    slug: str
    title: Text
    settings: dict[str, SettingLabel]
    hint: Text = ""


_DAYS, _HOURS, _MINUTES, _SECONDS, _MILLISECONDS = (
    _("days"),
    _("hours"),
    _("minutes"),
    _("seconds"),
    _("milliseconds"),
)

SECTIONS = (
    SettingSection(
        "hosts",
        _("Address and hosts"),
        {
            "api.host": SettingLabel(
                _("Address of this portal"), "", _("Under which hosts and people reach it. Empty: as it was opened.")
            ),
            "host.policy.default": SettingLabel(
                _("Default host policy"), "", _("For environments and hosts without a host policy of their own.")
            ),
            "host.disconnected.after.seconds": SettingLabel(
                _("Time to reconnect"), _SECONDS, _("Afterwards a host counts as disconnected.")
            ),
        },
    ),
    SettingSection(
        "log-in",
        _("Log-in and sessions"),
        {
            "totp.required": SettingLabel(
                _("Second factor required"), "", _("Of nobody, of administrators, or of all.")
            ),
            "api.auth.jwt.token.expiry": SettingLabel(
                _("Longest session"), _MINUTES, _("Then one has to log in again."), per_unit=60_000
            ),
            "session.idle.minutes": SettingLabel(_("An unused session ends after"), _MINUTES, _("0: never.")),
            "session.limit": SettingLabel(_("Sessions per account"), "", _("At the same time; 0: unlimited.")),
            "auth.resync.minutes": SettingLabel(_("Update accounts from login providers every"), _MINUTES),
        },
    ),
    SettingSection(
        "retention",
        _("Retention"),
        {
            "retention.audit.days": SettingLabel(_("Audit log"), _DAYS, _("0: for ever.")),
            "retention.events.days": SettingLabel(_("Events of hosts"), _DAYS),
            "retention.operations.days": SettingLabel(_("Finished operations"), _DAYS),
            "retention.restore.days": SettingLabel(
                _("Deleted stacks and services"), _DAYS, _("0: they cannot be restored.")
            ),
            "retention.stats.hours": SettingLabel(_("Statistics"), _HOURS),
            "retention.removed.hours": SettingLabel(_("Removed rows"), _HOURS),
        },
        _("How long what is past is kept."),
    ),
    SettingSection(
        "certificates",
        _("Certificates"),
        {
            "acme.directory": SettingLabel(
                _("ACME server"), "", _("The address of its directory. Certificates are ordered and renewed there.")
            ),
            "acme.eab.kid": SettingLabel(
                _("Key identifier of the external account"),
                "",
                _("Only for servers that bind accounts to one of theirs (EAB), such as ZeroSSL."),
            ),
            "acme.eab.hmac": SettingLabel(
                _("HMAC key of the external account"), "", _("In base64url, as the server's page shows it.")
            ),
        },
    ),
    SettingSection(
        "catalogs",
        _("Catalogs"),
        {
            "catalog.private.networks": SettingLabel(
                _("Networks inside that catalogs may be in"),
                "",
                _("Such as 10.0.0.0/8 192.168.7.0/24. Catalogs of environments reach nothing else inside."),
            ),
        },
    ),
    SettingSection(
        "builds",
        _("Builds of images"),
        {
            "build.context.megabytes": SettingLabel(
                _("Size of a context"), "MB", _("What may be sent, or fetched with git, for one build.")
            ),
        },
    ),
    SettingSection(
        "ci-trust",
        _("CI trust"),
        {
            "federation.private.networks": SettingLabel(
                _("Networks inside that issuers may be in"),
                "",
                _("Such as 10.0.0.0/8 192.168.7.0/24. Keys of issuers are fetched from nowhere else inside."),
            ),
        },
    ),
    SettingSection(
        "balancers",
        _("Balancers"),
        {
            "lb.drain.seconds": SettingLabel(
                _("Time to end requests"), _SECONDS, _("Before a container behind a balancer stops. 0: none.")
            ),
            "lb.leave.seconds": SettingLabel(
                _("Notice of a balancer"),
                _SECONDS,
                _("A balancer's container says so long that it leaves, where another one serves. 0: it just stops."),
            ),
            "lb.find.seconds": SettingLabel(
                _("Time to find new containers"),
                _SECONDS,
                _("Upgrades, restarts and drains wait so long for balancers. 0: they do not wait."),
            ),
        },
    ),
    SettingSection(
        "updates",
        _("Newer images"),
        {
            "updates.check.minutes": SettingLabel(
                _("Time between two checks of an image"), _MINUTES, _("An hour at least. 0: nobody looks.")
            ),
            "updates.registries": SettingLabel(
                _("Registries in private networks"),
                "",
                _("Which the portal may ask, such as registry.example.org:5000; http:// before one without TLS."),
            ),
        },
        _("The portal itself asks registries on the public internet, those named here, and those that are lent."),
    ),
    SettingSection(
        "monitoring",
        _("Monitoring"),
        {
            "metrics.enabled": SettingLabel(
                _("Metrics for Prometheus"), "", _("At /metrics for administrators' keys, and for each environment.")
            ),
        },
    ),
    SettingSection(
        "tools",
        _("rancher-compose downloads"),
        {
            "rancher.compose.linux.url": SettingLabel(_("For Linux"), "", _("An address; empty: none is offered.")),
            "rancher.compose.darwin.url": SettingLabel(_("For macOS")),
            "rancher.compose.windows.url": SettingLabel(_("For Windows")),
        },
    ),
)

ADVANCED = SettingSection(
    "advanced",
    _("Advanced"),
    {
        "bootstrap.required.image": SettingLabel(_("Image of the host agent")),
        "acme.authority": SettingLabel(
            _("Authority of the ACME server"), "", _("Its certificate as PEM; empty: those that everybody trusts.")
        ),
        "federation.authority": SettingLabel(
            _("Authority of issuers of CI tokens"),
            "",
            _("Its certificate as PEM; empty: those that everybody trusts."),
        ),
        "lb.haproxy.image": SettingLabel(_("Image of balancers")),
        "updates.authority": SettingLabel(
            _("Authority of registries"),
            "",
            _("Its certificate as PEM, for checks of newer images; empty: those that everybody trusts."),
        ),
        "container.name.prefix": SettingLabel(
            _("Container names on engines begin with"),
            "",
            _("Such as r- for scripts that say docker exec r-...; containers that are there keep their names."),
        ),
        "api.show.removed.for.seconds": SettingLabel(_("Lists show removed rows for"), _SECONDS),
        "api.sub.ping.interval.millis": SettingLabel(_("Pause between pings on sockets"), _MILLISECONDS),
        "api.auth.provider.configured": SettingLabel(_("Login provider that v1 clients see")),
        "cattle.version": SettingLabel(_("Rancher version that v1 clients see")),
        "corral.version": SettingLabel(_("Corral version that v1 clients see")),
        "rancher.compose.version": SettingLabel(_("rancher-compose version that v1 clients see")),
        "rancher.server.image": SettingLabel(_("Server image that v1 clients see")),
        "help.enabled": SettingLabel(_("v1 clients offer help pages")),
        "vm.enabled": SettingLabel(_("v1 clients see virtual machines")),
    },
)
