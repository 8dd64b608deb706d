"""The part of the launch form about the health check over the network: from what was typed to v1's object, and back."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.containers.launch.values import HealthCheck
from apps.core.errors import Invalid

# The control, v1's field, and how many of v1's units one of the control's is: people type seconds.
_NUMBERS = (
    ("checkEvery", "interval", 1000),
    ("checkTimeout", "responseTimeout", 1000),
    ("checkHealthy", "healthyThreshold", 1),
    ("checkUnhealthy", "unhealthyThreshold", 1),
    ("checkInitializing", "initializingTimeout", 1000),
    ("checkReinitializing", "reinitializingTimeout", 1000),
)


def parse_network_check(form: QueryDict, kind: str) -> dict[str, Any]:
    """What was typed, for `kind` tcp or http. Raises `Invalid` on the control."""
    port = form.get("checkPort", "").strip()
    if not port:
        raise Invalid("checkPort", "MissingRequired", _("Enter the port to check."))
    check: dict[str, Any] = {"port": port}
    if kind == "http":
        path = form.get("checkPath", "").strip() or "/"
        check["requestLine"] = path if " " in path else f"GET {path} HTTP/1.0"
    for control, field, factor in _NUMBERS:
        if text := form.get(control, "").strip():
            check[field] = _number(text, factor)
    if strategy := form.get("checkStrategy", ""):
        check["strategy"] = strategy
    if strategy == "recreateOnQuorum":
        quorum = form.get("checkQuorum", "").strip()
        check["recreateOnQuorumStrategyConfig"] = {"quorum": _number(quorum, 1)} if quorum else None
    return check


def _number(text: str, factor: int) -> int:
    try:
        return round(float(text.replace(",", ".")) * factor)
    except (ValueError, OverflowError):
        raise Invalid("checkPort", "InvalidFormat", _("%(text)r is not a number.") % {"text": text[:40]}) from None


def network_check_values(check: HealthCheck) -> dict[str, Any]:
    """The form's values of a check; a request that is more than a path is shown whole."""
    wire, line = check.to_wire(), check.request_line or ""
    words = line.split()
    is_plain = len(words) == 3 and words[0] == "GET" and words[2] == "HTTP/1.0"
    values = {control: _shown(wire[field], factor) for control, field, factor in _NUMBERS}
    return values | {
        "check": "http" if line else "tcp",
        "checkPort": check.port,
        "checkPath": words[1] if is_plain else line,
        "checkStrategy": check.strategy,
        "checkQuorum": check.quorum.quorum if check.quorum else "",
    }


def _shown(value: int, factor: int) -> str:
    """Whole: rounding would change what a copied service says."""
    whole, rest = divmod(value, factor)
    return f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)
