"""What a balancer has besides its launch configuration: listeners, stickiness, certificates and custom text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from apps.core.errors import Invalid
from apps.core.fields import WireObject, boolean, integer, nested, option, text, wire
from apps.stacks.balancer.config import AppCookieStickiness, CookieStickiness, CustomText, Listener

MAX_CUSTOM_TEXT = 64 * 1024
MAX_CERTIFICATES = 100
_COOKIE = text(low=1, high=128, pattern=r"[A-Za-z0-9_.!#$%&'*+^`|~-]+", hint="use letters, digits, '-' and '_'")
_DOMAIN = text(high=253, pattern=r"(\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?", hint="such as .example.com")
_LINES = text(high=MAX_CUSTOM_TEXT, pattern=r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxyText(WireObject):
    """Custom lines of haproxy.cfg, as v1 sends them."""

    global_lines: str = wire("global", _LINES, "")
    defaults_lines: str = wire("defaults", _LINES, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookiePolicy(WireObject):
    """Stickiness by the balancer's own cookie, as v1 sends it."""

    name: str = wire("name", text(high=255), "")
    cookie: str | None = wire("cookie", _COOKIE)
    domain: str = wire("domain", _DOMAIN, "")
    indirect: bool = wire("indirect", boolean, default=False)
    nocache: bool = wire("nocache", boolean, default=False)
    postonly: bool = wire("postonly", boolean, default=False)
    mode: str = wire("mode", option("insert", "rewrite", "prefix"), "insert")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCookiePolicy(WireObject):
    """Stickiness by the application's cookie, as v1 sends it."""

    name: str = wire("name", text(high=255), "")
    cookie: str = wire("cookie", _COOKIE, required=True)
    max_length: int = wire("maxLength", integer(1, 4096), required=True)
    timeout: int = wire("timeout", integer(1, 86_400_000), required=True)
    request_learn: bool = wire("requestLearn", boolean, default=False)
    prefix: bool = wire("prefix", boolean, default=False)
    mode: str = wire("mode", option("path_parameters", "query_string"), "path_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerConfig(WireObject):
    """v1's `loadBalancerConfig`."""

    haproxy: HaproxyText | None = wire("haproxyConfig", nested(HaproxyText))
    cookie: CookiePolicy | None = wire("lbCookieStickinessPolicy", nested(CookiePolicy))
    app_cookie: AppCookiePolicy | None = wire("appCookieStickinessPolicy", nested(AppCookiePolicy))


@dataclass(frozen=True, slots=True)
class BalancerSettings:
    """The settings of a balancer; certificates are numbers of rows, `policy_name` is what v1 calls the stickiness."""

    listeners: tuple[Listener, ...] = ()
    cookie: CookieStickiness | None = None
    app_cookie: AppCookieStickiness | None = None
    policy_name: str = ""
    custom: CustomText = field(default_factory=CustomText)
    default_certificate: int | None = None
    certificates: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> BalancerSettings:
        """From what was stored."""
        cookie, app_cookie = stored.get("cookie"), stored.get("app_cookie")
        return cls(
            tuple(Listener(**each) for each in stored.get("listeners", ())),
            CookieStickiness(**cookie) if cookie else None,
            AppCookieStickiness(**app_cookie) if app_cookie else None,
            stored.get("policy_name", ""),
            CustomText(**stored.get("custom", {})),
            stored.get("default_certificate"),
            tuple(stored.get("certificates", ())),
        )

    def with_config(self, sent: Any, at: str = "loadBalancerConfig.") -> BalancerSettings:
        """These with v1's `loadBalancerConfig`, which takes the place of all that it says. Raises `Invalid`."""
        if sent is None:
            return replace(self, cookie=None, app_cookie=None, policy_name="", custom=CustomText())
        found = LoadBalancerConfig.from_wire(sent, at=at)
        if found.cookie is not None and found.app_cookie is not None:
            why = "Sessions stick by one cookie: send lbCookieStickinessPolicy or appCookieStickinessPolicy, not both."
            raise Invalid(f"{at}appCookieStickinessPolicy", "InvalidOption", why)
        custom = found.haproxy or HaproxyText()
        return replace(
            self,
            cookie=_own_cookie(found.cookie) if found.cookie else None,
            app_cookie=_app_cookie(found.app_cookie) if found.app_cookie else None,
            policy_name=(found.cookie or found.app_cookie or CookiePolicy()).name,
            custom=CustomText(custom.global_lines, custom.defaults_lines),
        )

    def config_to_wire(self) -> dict[str, Any]:
        """v1's `loadBalancerConfig`."""
        custom = {"global": self.custom.global_lines or None, "defaults": self.custom.defaults_lines or None}
        name = {"name": self.policy_name or None}
        cookie = {**name, **asdict(self.cookie)} if self.cookie else None
        return {
            "haproxyConfig": custom if any(custom.values()) else None,
            "lbCookieStickinessPolicy": {**cookie, "domain": cookie["domain"] or None} if cookie else None,
            "appCookieStickinessPolicy": {**name, **_app_cookie_to_wire(self.app_cookie)} if self.app_cookie else None,
        }


def _own_cookie(policy: CookiePolicy) -> CookieStickiness:
    return CookieStickiness(
        policy.cookie or "CORRALSERVER",
        policy.mode,
        policy.domain,
        indirect=policy.indirect,
        nocache=policy.nocache,
        postonly=policy.postonly,
    )


def _app_cookie(policy: AppCookiePolicy) -> AppCookieStickiness:
    return AppCookieStickiness(
        policy.cookie,
        policy.max_length,
        policy.timeout,
        request_learn=policy.request_learn,
        prefix=policy.prefix,
        mode=policy.mode,
    )


def _app_cookie_to_wire(found: AppCookieStickiness) -> dict[str, Any]:
    return {
        "cookie": found.cookie,
        "maxLength": found.max_length,
        "timeout": found.timeout,
        "requestLearn": found.request_learn,
        "prefix": found.prefix,
        "mode": found.mode,
    }
