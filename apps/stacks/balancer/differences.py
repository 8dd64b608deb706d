"""What differs between two states of a balancer, in words: listeners, rules, certificates, stickiness, lines. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from apps.core.ids import wire_id
from apps.stacks.balancer.config import Listener
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.revision_diff import Change, FieldChange

_EVERYTHING = "everything else"
_MAY_BE_SECRET = re.compile(r"pass|auth|secret|token|key|user|cred", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BalancerState:
    """A balancer at one time: its settings, the rules of each target by the name people know it by, its selector."""

    settings: BalancerSettings
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    selector: str = ""


def diff_balancers(
    before: BalancerState, after: BalancerState, certificates: Mapping[int, str] | None = None
) -> tuple[FieldChange, ...]:
    """The differences; `certificates` are names by number. Custom lines that may hold a secret are not shown whole."""
    names = certificates or {}
    old, new = before.settings, after.settings
    return (
        *_diff("listeners", "Listener", _listeners(old), _listeners(new)),
        *_diff("rules", "Rule", _rules(before), _rules(after)),
        *_diff("selectorLink", "Selector", _text(before.selector), _text(after.selector)),
        *_diff("defaultCertificateId", "Certificate", _default(old, names), _default(new, names)),
        *_diff("certificateIds", "Alternate certificate", _alternates(old, names), _alternates(new, names)),
        *_diff("loadBalancerConfig", "Stickiness", _stickiness(old), _stickiness(new)),
        *_diff_lines("haproxy.cfg global", old.custom.global_lines, new.custom.global_lines),
        *_diff_lines("haproxy.cfg defaults", old.custom.defaults_lines, new.custom.defaults_lines),
    )


def _diff(name: str, label: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FieldChange]:
    """The differences of what is called by keys; the first key stands where it was."""
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            change: Change = "changed" if key in old and key in new else "added" if key in new else "removed"
            yield FieldChange(name, label, key, change, old.get(key, ""), new.get(key, ""))


def _listeners(settings: BalancerSettings) -> dict[str, str]:
    return {str(each.port): _describe(each) for each in settings.listeners}


def _describe(listener: Listener) -> str:
    words = [listener.protocol.upper(), "public" if listener.is_public else "internal"]
    words += ["proxy protocol"] * listener.proxy_protocol + [f"at {listener.address}"] * bool(listener.address)
    return f"{', '.join(words)}, to port {listener.target_port or listener.port}"


def _rules(state: BalancerState) -> dict[str, str]:
    """The targets of each kind of requests, as a person would write them down."""
    found: dict[str, list[str]] = {}
    for name, ports in state.targets.items():
        for rule in [TargetPort.parse(text) for text in ports] or [TargetPort()]:
            found.setdefault(_request(rule), []).append(name if rule.port is None else f"{name} at {rule.port}")
    return {request: ", ".join(sorted(targets)) for request, targets in sorted(found.items())}


def _request(rule: TargetPort) -> str:
    request = f"{rule.host}{rule.path}" or _EVERYTHING
    return request if rule.source is None else f"{request} on {rule.source}"


def _text(text: str) -> dict[str, str]:
    return {"": text} if text else {}


def _default(settings: BalancerSettings, names: Mapping[int, str]) -> dict[str, str]:
    key = settings.default_certificate
    return {} if key is None else {"": _certificate(key, names)}


def _alternates(settings: BalancerSettings, names: Mapping[int, str]) -> dict[str, str]:
    return {(name := _certificate(key, names)): name for key in settings.certificates}


def _certificate(key: int, names: Mapping[int, str]) -> str:
    return names.get(key) or wire_id("c", key)


def _stickiness(settings: BalancerSettings) -> dict[str, str]:
    own, app = settings.cookie, settings.app_cookie
    if own is not None:
        switches = [name for name in ("indirect", "nocache", "postonly") if getattr(own, name)]
        return {"": ", ".join([f"a new cookie {own.cookie}", own.mode, *[own.domain] * bool(own.domain), *switches])}
    if app is not None:
        switches = [word for word, is_on in (("learns", app.request_learn), ("prefix", app.prefix)) if is_on]
        lasts = f"{app.max_length} letters for {app.timeout} ms"
        return {"": ", ".join([f"the application's cookie {app.cookie}", app.mode, lasts, *switches])}
    return {}


def _diff_lines(label: str, old: str, new: str) -> Iterator[FieldChange]:
    """Lines that came or went, in their order."""
    for line in difflib.ndiff(old.splitlines(), new.splitlines()):
        mark, text = line[0], _shown(line[2:])
        if mark == "-":
            yield FieldChange("loadBalancerConfig", label, "", "removed", text)
        elif mark == "+":
            yield FieldChange("loadBalancerConfig", label, "", "added", "", text)


def _shown(line: str) -> str:
    """The line, of one that may hold a password its first word."""
    return f"{line.split(maxsplit=1)[0]} ..." if _MAY_BE_SECRET.search(line) and line.split() else line
