"""The part of the launch form about the health check over the network: from what was typed to v1's object, and back."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.containers.launch.values import HealthCheck
from apps.containers.models import Container
from apps.containers.network_checks import doubt_seconds, network_health, unchecked_reason
from apps.core.errors import Invalid

# The control, its label, v1's field, and how many of v1's units one of the control's is: people type seconds.
_NUMBERS = (
    ("checkEvery", gettext_noop("Every"), "interval", 1000),
    ("checkTimeout", gettext_noop("Wait for an answer"), "responseTimeout", 1000),
    ("checkHealthy", gettext_noop("Healthy after"), "healthyThreshold", 1),
    ("checkUnhealthy", gettext_noop("Unhealthy after"), "unhealthyThreshold", 1),
    ("checkInitializing", gettext_noop("Healthy within"), "initializingTimeout", 1000),
    ("checkReinitializing", gettext_noop("After a restart"), "reinitializingTimeout", 1000),
)
# What the form offers; any other request line is typed whole.
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT")
VERSIONS = ("HTTP/1.0", "HTTP/1.1")
REQUEST_CHOICES = {"check_methods": METHODS, "check_versions": VERSIONS}


def parse_network_check(form: QueryDict, kind: str) -> dict[str, Any]:
    """What was typed, for `kind` tcp or http. Raises `Invalid` on the control."""
    port = form.get("checkPort", "").strip()
    if not port:
        raise Invalid("checkPort", "MissingRequired", _("Enter the port to check."))
    check: dict[str, Any] = {"port": port}
    if kind == "http":
        check["requestLine"] = _parse_request_line(form)
    for control, label, field, factor in _NUMBERS:
        if text := form.get(control, "").strip():
            check[field] = _number(_(label), text, factor)
    if strategy := form.get("checkStrategy", ""):
        check["strategy"] = strategy
    if strategy == "recreateOnQuorum":
        if not (quorum := form.get("checkQuorum", "").strip()):
            raise Invalid("checkPort", "MissingRequired", _("Quorum: enter how many containers have to be healthy."))
        check["recreateOnQuorumStrategyConfig"] = {"quorum": _number(_("Quorum"), quorum, 1)}
    return check


def _parse_request_line(form: QueryDict) -> str:
    """The request line: a path with the chosen method and version, or what was typed whole."""
    path = form.get("checkPath", "").strip() or "/"
    if " " in path:
        return path
    return f"{_choice(form, 'checkMethod', METHODS)} {path} {_choice(form, 'checkVersion', VERSIONS)}"


def _choice(form: QueryDict, name: str, options: tuple[str, ...]) -> str:
    found = form.get(name, "") or options[0]
    if found not in options:
        raise Invalid("checkPath", "InvalidOption", _("Choose method and version from the lists."))
    return found


def _number(label: str, text: str, factor: int) -> int:
    """Raises `Invalid` on the port, where the form shows what is wrong with the check, in the words of its label."""
    try:
        return round(float(text.replace(",", ".")) * factor)
    except (ValueError, OverflowError):
        words = _("%(label)s: %(text)r is not a number.") % {"label": label, "text": text[:40]}
        raise Invalid("checkPort", "InvalidFormat", words) from None


def network_check_values(check: HealthCheck) -> dict[str, Any]:
    """The form's values of a check; a request that is more than a path is shown whole."""
    wire, line = check.to_wire(), check.request_line or ""
    words = line.split()
    is_plain = line == " ".join(words) and len(words) == 3 and words[0] in METHODS and words[2] in VERSIONS
    values = {control: _shown(wire[field], factor) for control, _label, field, factor in _NUMBERS}
    return values | {
        "check": "http" if line else "tcp",
        "checkPort": check.port,
        "checkMethod": words[0] if is_plain else "",
        "checkPath": words[1] if is_plain else line,
        "checkVersion": words[2] if is_plain else "",
        "checkStrategy": check.strategy,
        "checkQuorum": check.quorum.quorum if check.quorum else "",
    }


def network_check_facts(check: HealthCheck | None, *, is_of_service: bool = True) -> dict[str, Any]:
    """What a page says of a check over the network; empty when there is none."""
    if check is None:
        return {}
    return {
        "request": check.request_line or "",
        "port": check.port,
        "seconds": _shown(check.interval, 1000),
        "strategy": check.strategy if is_of_service else "",
        "quorum": check.quorum.quorum if check.quorum else 0,
    }


def container_check_facts(row: Container) -> dict[str, Any]:
    """The same with what was found in this container."""
    facts = network_check_facts(row.config.health_check, is_of_service=row.keep_running)
    if not facts:
        return {}
    state, reason = network_health(row)
    failure = reason if row.health == state == "unhealthy" else ""
    doubt = reason if doubt_seconds(row) is not None else ""
    return {**facts, "unchecked": unchecked_reason(row), "failure": failure, "doubt": doubt, "health": row.health}


def _shown(value: int, factor: int) -> str:
    """Whole: rounding would change what a copied service says."""
    whole, rest = divmod(value, factor)
    return f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)
