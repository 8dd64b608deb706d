"""The fields of the balancer form: what was typed becomes listeners, rules and settings, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.core.errors import Invalid, Problem
from apps.core.ids import parse_key
from apps.stacks.balancer.config import HTTP, PROTOCOLS, Listener
from apps.stacks.balancer.links import names_of_links
from apps.stacks.balancer.listeners import check_listeners
from apps.stacks.balancer.rules import check_rules
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.models import Service, ServiceLink

LISTENER_FIELDS = ("listenerPort", "listenerProtocol", "listenerTarget", "listenerAccess", "listenerProxy")
TARGET_FIELDS = ("targetService", "targetHost", "targetSource", "targetPath", "targetPort")
NO_STICKINESS, OWN_COOKIE, APP_COOKIE = "none", "own", "app"
BLANK: Mapping[str, Any] = {
    "scale": 1,
    "listenerRows": [{"port": "80", "protocol": HTTP, "access": "public"}],
    "targetRows": [],
    "stickiness": NO_STICKINESS,
    "cookieMode": "insert",
}
_PLACES = {
    "name": "name",
    "description": "description",
    "scale": "scale",
    "listeners": "listeners",
    "launchConfig.ports": "listeners",
    "ports": "targets",
    "targets": "targets",
    "serviceId": "targets",
    "serviceLinks": "targets",
    "selectorLink": "selector",
    "labels": "labels",
    "launchConfig.labels": "labels",
    "defaultCertificateId": "certificates",
    "certificateIds": "certificates",
}


def error_place(problem: Problem) -> str:
    """The field of the form that a refusal is about; `form` where it has none."""
    field = str(problem.field or "")
    if "haproxyConfig" in field:
        return "custom"
    if "StickinessPolicy" in field:
        return "stickiness"
    return _PLACES.get(field, "form")


def _rows(sent: QueryDict, fields: Sequence[str], prefix: str) -> list[dict[str, str]]:
    """The rows of a table as they were typed, those that say nothing left out."""
    columns = [[each.strip() for each in sent.getlist(name)] for name in fields]
    names = [name.removeprefix(prefix).lower() for name in fields]
    return [dict(zip(names, each, strict=True)) for each in zip(*columns, strict=False)]


def _listener_rows(sent: QueryDict) -> list[dict[str, str]]:
    return [each for each in _rows(sent, LISTENER_FIELDS, "listener") if each["port"] or each["target"]]


def _target_rows(sent: QueryDict) -> list[dict[str, str]]:
    rows = _rows(sent, TARGET_FIELDS, "target")
    return [each for each in rows if any(each.values())]


def _port(text: str, field: str, *, is_required: bool = False) -> int | None:
    if not text and not is_required:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise Invalid(field, "InvalidFormat", _("Enter ports from 1 to 65535."))
    return int(text)


def parse_settings(sent: QueryDict, current: BalancerSettings) -> BalancerSettings:
    """The settings that were typed. Raises `Invalid`."""
    addresses = {each.port: each.address for each in current.listeners}  # which the form does not show
    listeners = [_listener(each, addresses) for each in _listener_rows(sent)]
    if not listeners:
        raise Invalid("listeners", "MissingRequired", _("A balancer listens on at least one port."))
    found = replace(
        current,
        listeners=check_listeners(listeners, "listeners"),
        default_certificate=parse_key(sent.get("defaultCertificate", "")),
        certificates=tuple(dict.fromkeys(filter(None, map(parse_key, sent.getlist("certificates"))))),
    )
    return found.with_config(_wire_config(sent, current))


def _listener(row: Mapping[str, str], addresses: Mapping[int, str]) -> Listener:
    port = _port(row["port"], "listeners", is_required=True) or 0
    if row["protocol"] not in PROTOCOLS:
        raise Invalid("listeners", "InvalidOption", _("Choose a protocol."))
    return Listener(
        port,
        row["protocol"],
        is_public=row["access"] != "internal",
        proxy_protocol=row["proxy"] == "proxy",
        target_port=_port(row["target"], "listeners") or port,
        address=addresses.get(port, "") if row["access"] != "internal" else "",
    )


def _wire_config(sent: QueryDict, current: BalancerSettings) -> dict[str, Any]:
    """The stickiness and custom text as v1 says them."""
    found: dict[str, Any] = {
        "haproxyConfig": {
            "global": sent.get("customGlobal", "").replace("\r\n", "\n").strip("\n"),
            "defaults": sent.get("customDefaults", "").replace("\r\n", "\n").strip("\n"),
        }
    }
    kind = sent.get("stickiness", NO_STICKINESS)
    cookie = {"cookie": sent.get("cookie", "").strip() or None, "name": current.policy_name}
    if kind == OWN_COOKIE:
        switches = {name: bool(sent.get(name)) for name in ("indirect", "nocache", "postonly")}
        mode, domain = sent.get("cookieMode") or "insert", sent.get("cookieDomain", "").strip()
        found["lbCookieStickinessPolicy"] = {**cookie, **switches, "mode": mode, "domain": domain}
    elif kind == APP_COOKIE:
        found["appCookieStickinessPolicy"] = {
            **cookie,
            "maxLength": sent.get("cookieLength", "").strip() or 64,
            "timeout": sent.get("cookieTimeout", "").strip() or 3_600_000,
            "requestLearn": bool(sent.get("requestLearn")),
            "prefix": bool(sent.get("cookiePrefix")),
            "mode": sent.get("appCookieMode") or "path_parameters",
        }
    return found


def parse_targets(
    sent: QueryDict, services: QuerySet[Service]
) -> tuple[list[tuple[Service, str]], dict[str, list[TargetPort]]]:
    """The targets, each once, and their rules by the names of the links. Raises `Invalid`."""
    rows = _target_rows(sent)
    keys = [parse_key(each["service"]) for each in rows]
    known = services.in_bulk([key for key in keys if key])
    rules: dict[int, list[TargetPort]] = {}
    for row, key in zip(rows, keys, strict=True):
        if key is None:
            raise Invalid("targets", "MissingRequired", _("Choose a service for each target."))
        if key not in known:
            raise Invalid("targets", "InvalidReference", _("One of the targets no longer exists."))
        rules.setdefault(key, []).append(_rule(row))
    links = names_of_links([(known[key], "") for key in rules])
    by_name = {name: rules[target.pk] for target, name in links}
    return links, {name: [] if each == [TargetPort()] else each for name, each in by_name.items()}


def _rule(row: Mapping[str, str]) -> TargetPort:
    host, path = row["host"], row["path"]
    path = f"/{path}" if path and not path.startswith("/") else path
    source, port = _port(row["source"], "targets"), _port(row["port"], "targets")
    if not (host or source or path or port):
        return TargetPort()
    text = f"{host}{f':{source}' if source else ''}{path}{f'={port}' if port else ''}"
    return TargetPort.parse(text if host or not source else text.removeprefix(":"), "targets")


def check_targets(settings: BalancerSettings, rules: Mapping[str, Sequence[TargetPort]]) -> None:
    """Raise `Invalid` for a rule that no listener follows."""
    for each in rules.values():
        check_rules(settings, each, "targets")


def target_rows(links: Iterable[ServiceLink]) -> list[dict[str, Any]]:
    """The rows of the form for links, one for each rule."""
    return [
        {
            "service": str(link.target_id),
            "host": rule.host,
            "source": rule.source or "",
            "path": rule.path,
            "port": rule.port or "",
        }
        for link in links
        for rule in [TargetPort.parse(text) for text in link.ports] or [TargetPort()]
    ]


def settings_values(settings: BalancerSettings) -> dict[str, Any]:
    """What the form shows of a balancer's settings."""
    own, app = settings.cookie, settings.app_cookie
    values: dict[str, Any] = {
        "listenerRows": [
            {
                "port": each.port,
                "protocol": each.protocol,
                "target": each.target_port or each.port,
                "access": "public" if each.is_public else "internal",
                "proxy": "proxy" if each.proxy_protocol else "",
            }
            for each in settings.listeners
        ],
        "stickiness": OWN_COOKIE if own else APP_COOKIE if app else NO_STICKINESS,
        "cookieMode": "insert",
        "customGlobal": settings.custom.global_lines,
        "customDefaults": settings.custom.defaults_lines,
        "defaultCertificate": str(settings.default_certificate or ""),
        "certificateKeys": [str(each) for each in settings.certificates],
    }
    if own:
        values |= {"cookie": own.cookie, "cookieMode": own.mode, "cookieDomain": own.domain}
        values |= {"indirect": own.indirect, "nocache": own.nocache, "postonly": own.postonly}
    if app:
        values |= {"cookie": app.cookie, "cookieLength": app.max_length, "cookieTimeout": app.timeout}
        values |= {"requestLearn": app.request_learn, "cookiePrefix": app.prefix, "appCookieMode": app.mode}
    return values


def typed_values(sent: QueryDict) -> dict[str, Any]:
    """What was typed, to be shown again beside its error."""
    return {
        **sent.dict(),
        "listenerRows": _listener_rows(sent),
        "targetRows": _target_rows(sent),
        "certificateKeys": sent.getlist("certificates"),
    }
