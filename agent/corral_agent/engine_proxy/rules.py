"""The part of the Engine API that the portal may use here; everything else is refused; pure."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

JSON_LIMIT = 4 * 1024 * 1024
SYSTEM_LABEL = "io.corral.system"


class Body(enum.Enum):
    """What a request may carry: nothing, one JSON object, or any number of bytes."""

    NONE = "none"
    JSON = "json"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Rule:
    """One allowed call: `hijack` may take the connection over, `system` is for Corral's own containers only."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    body: Body = Body.NONE
    hijack: bool = False
    system: bool = False


_ID = "(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]*)"
_IMAGE = "[A-Za-z0-9][A-Za-z0-9_.:@-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.:@-]*)*"


def _rule(methods: str, path: str, body: Body = Body.NONE, *, hijack: bool = False, system: bool = False) -> Rule:
    return Rule(frozenset(methods.split()), re.compile(path), body, hijack, system)


RULES = (
    _rule("GET HEAD", "/_ping"),
    _rule("GET", "/(?:version|info|events|system/df)"),
    _rule("GET", "/(?:containers|images)/json"),
    _rule("POST", "/(?:containers|networks|volumes)/create", Body.JSON),
    _rule("GET", f"/containers/{_ID}/(?:json|logs|stats)"),
    _rule("POST", f"/containers/{_ID}/(?:start|stop|restart|kill|rename|wait|resize)"),
    _rule("POST", f"/containers/{_ID}/attach", hijack=True),
    _rule("POST", f"/containers/{_ID}/exec", Body.JSON),
    _rule("DELETE", f"/containers/{_ID}"),
    _rule("GET HEAD", f"/containers/{_ID}/archive", system=True),
    _rule("PUT", f"/containers/{_ID}/archive", Body.ANY, system=True),
    _rule("GET", f"/exec/{_ID}/json"),
    _rule("POST", f"/exec/{_ID}/start", Body.JSON, hijack=True),
    _rule("POST", f"/exec/{_ID}/resize"),
    _rule("POST", "/auth", Body.JSON),  # the engine asks a registry whether it knows an account, and keeps nothing
    _rule("POST", "/images/create", Body.ANY),
    _rule("POST", "/images/load", Body.ANY),
    _rule("POST", "/build", Body.ANY),
    _rule("GET", "/images/get"),
    _rule("GET", f"/images/{_IMAGE}/(?:json|get|history)"),
    _rule("POST", f"/images/{_IMAGE}/tag"),
    _rule("DELETE", f"/images/{_IMAGE}"),
    _rule("GET", "/(?:networks|volumes)"),
    _rule("GET DELETE", f"/(?:networks|volumes)/{_ID}"),
    _rule("POST", f"/networks/{_ID}/(?:connect|disconnect)", Body.JSON),
)


_READ_QUERIES = frozenset({"/images/create", "/build"})
"""The calls whose parameters decide whether they are let through."""


def find_rule(method: str, path: str, query: str, *, read_only: bool = False) -> Rule | str:
    """The rule that allows this call, or why none does."""
    if read_only and method not in {"GET", "HEAD"}:
        return "This agent only lets the portal read (CORRAL_READ_ONLY)."
    found = next((rule for rule in RULES if method in rule.methods and rule.pattern.fullmatch(path)), None)
    if found is None:
        return f"This agent does not let {method} {path} through: Corral does not need this call."
    if path in _READ_QUERIES and ";" in query:  # engines of some years take it for an &, others leave the pair out
        return "This agent lets no semicolon through here that is not encoded."
    if path == "/images/create" and (reason := _refuse_import_url(query)):
        return reason
    if path == "/build" and (reason := _refuse_build_parameters(query)):
        return reason
    return found


def _refuse_import_url(query: str) -> str:
    """An image may be imported from the request, never from a URL that the engine would fetch on our behalf."""
    sources = [value for key, value in parse_qsl(query, keep_blank_values=True) if key.lower() == "fromsrc"]
    return "" if all(source == "-" for source in sources) else "This agent imports no images from URLs."


# What the portal sends. Everything else is refused, such as `remote`, which the engine would fetch, `networkmode`,
# `extrahosts`, `cgroupparent` and `securityopt`, which would take a build out of what containers may do.
_BUILD_PARAMETERS = frozenset(
    ["version", "t", "dockerfile", "rm", "forcerm", "buildargs", "labels", "target", "nocache", "pull"]
)


def _refuse_build_parameters(query: str) -> str:
    """A build has its context in the request, is done by the engine's own builder, and gets no rights on the host."""
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _BUILD_PARAMETERS:
            return f"This agent builds no images with the parameter {key[:40]!r}."
        if key == "version" and value != "1":
            return "This agent builds no images by BuildKit, whose sessions it does not see."
    return ""


def container_in_path(path: str) -> str:
    """Which container (or exec, network, volume) a path names, or ""."""
    for rule in RULES:
        if found := rule.pattern.fullmatch(path):
            return found.groupdict().get("id") or ""
    return ""
