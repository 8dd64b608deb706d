"""A pair of compose files to services; every refusal names the file, the line, the service and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from apps.containers.spec import LaunchConfig
from apps.core.errors import Invalid
from apps.core.fields import integer
from apps.stacks.compose import lists
from apps.stacks.compose.extras import Extras
from apps.stacks.compose.keys import READERS, Fields, Refused
from apps.stacks.compose.lined import Lined, wrong
from apps.stacks.compose.loading import load
from apps.stacks.compose.model import ComposeService, ComposeStack
from apps.stacks.compose.rancher import read_rancher
from apps.stacks.compose.variables import Variables

DOCKER = "dockerCompose"
MAX_SERVICES = 500
T = TypeVar("T")
_SCALE = integer(0, 1000)
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")
_TOP = {"version", "services", "name", "networks", "volumes", "secrets", "configs"}
_OTHER_KINDS = ("rancher/load-balancer-service", "rancher/dns-service", "rancher/external-service")
_ELSEWHERE = {"links", "external_links", "depends_on"}


def parse(docker_compose: str, rancher_compose: str = "", environment: Mapping[str, str] | None = None) -> ComposeStack:
    """Read both files, with `environment` for the variables in them.

    Raises `Invalid` on `dockerCompose` or `rancherCompose`; what is left out without harm becomes a warning.
    """
    variables = Variables(environment or {}, DOCKER)
    top: Lined = variables.fill(load(docker_compose, DOCKER))
    services, warnings = _services(top)
    extras, unknown = read_rancher(rancher_compose, environment or {}, set(services))
    _check_names(services)
    found = tuple(_Service(name, services, variables).read(extras.get(name, Extras())) for name in services)
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    return ComposeStack(found, (*warnings, *unknown))


def _services(top: Lined) -> tuple[Lined, list[str]]:
    """The services, and what else stands at the top, for both forms of the file."""
    if "include" in top:
        raise wrong(
            DOCKER, top.line("include"), "the portal reads no other files for a stack: put the services in here"
        )
    if "services" not in top and not isinstance(top.get("version"), str):
        return top, []
    services = top.get("services")
    if not isinstance(services, Lined):
        raise wrong(DOCKER, top.line("services"), "`services` must be a map of services")
    kinds = ("networks", "volumes", "secrets", "configs")
    lost = [f"The settings under `{kind}` are not carried over." for kind in kinds if _says_something(top.get(kind))]
    lost += [f"`{key}` is not known." for key in top if key not in _TOP and not key.startswith("x-")]
    return services, lost


def _says_something(section: Any) -> bool:
    """Names alone need no settings: a volume is made when it is first used, and there is one network."""
    return any(section.values()) if isinstance(section, Mapping) else bool(section)


def _check_names(services: Lined) -> None:
    seen: dict[str, str] = {}
    if len(services) > MAX_SERVICES:
        raise wrong(DOCKER, 1, f"a stack has at most {MAX_SERVICES} services", "MaxLimitExceeded")
    for name in services:
        line = services.line(name)
        if not _NAME.fullmatch(name):
            rule = "the name of a service has up to 63 letters, digits and '-', and no '-' at its ends"
            raise wrong(DOCKER, line, f"{name[:80]!r}: {rule}", "InvalidCharacters")
        if name.lower() in seen:
            raise wrong(DOCKER, line, f"{name} and {seen[name.lower()]} are the same name in DNS", "NotUnique")
        seen[name.lower()] = name


class _Service:
    """One service while it is read."""

    def __init__(self, name: str, services: Lined, variables: Variables) -> None:
        self._name = name
        self._all = services
        self._variables = variables
        self._warnings: list[str] = []
        self._keys: dict[str, str] = {}
        body = services[name]
        if not isinstance(body, Lined):
            raise self._wrong(services.line(name), "must be a map")
        self._body = body

    def read(self, extras: Extras) -> ComposeService:
        """The service, with what rancher-compose adds."""
        if not self._body.get("image") and "build" not in self._body:
            raise self._wrong(self._all.line(self._name), "`image` is required", "MissingRequired")
        fields = self._fields()
        scale = self._guard("scale", partial(_SCALE, "scale", fields.pop("scale", 1)))
        return ComposeService(
            name=self._name,
            config=self._config(fields | extras.fields),
            scale=scale if extras.scale is None else extras.scale,
            links=tuple(self._links()),
            external_links=tuple(self._aliases("external_links")),
            metadata=extras.metadata,
            description=extras.description,
            warnings=(*self._warnings, *extras.warnings),
        )

    def _fields(self) -> Fields:
        found: Fields = {}
        for key, value in self._body.items():
            if value is None or key in _ELSEWHERE or key.startswith("x-"):
                continue
            reader = READERS.get(key)
            if reader is None:
                self._warnings.append(f"{self._name}: `{key}` is not carried over.")
                continue
            for field, read in self._guard(key, partial(reader, value)).items():
                self._keys[field] = key
                _merge(found, field, read)
        self._fill_environment(found)
        return found

    def _fill_environment(self, found: Fields) -> None:
        """A variable named without a value is taken from the stack's own variables."""
        for name, value in list(found.get("environment", {}).items()):
            if value is None and (known := self._variables.get(name)) is not None:
                found["environment"][name] = known
            elif value is None:
                del found["environment"][name]
                self._warnings.append(f"{self._name}: the variable {name} has no value and is left out.")

    def _config(self, fields: Fields) -> LaunchConfig:
        if fields.get("imageUuid", "").partition(":")[2].startswith(_OTHER_KINDS):
            reason = "balancers, aliases and external services cannot be made from a file yet; add them one by one"
            raise self._wrong(self._body.line("image"), reason, "InvalidOption")
        return self._guard("", partial(LaunchConfig.from_wire, fields))

    def _guard(self, key: str, read: Callable[[], T]) -> T:
        """Do it, and turn what goes wrong into a refusal with its place."""
        try:
            return read()
        except Invalid as problem:
            key = key or self._keys.get(str(problem.field).partition(".")[0], "")
            message, code = problem.message, problem.code
        except Refused as problem:
            message, code = str(problem), "InvalidOption"
        except ValueError as problem:
            message, code = str(problem), "InvalidFormat"
        line = self._body.line(key) if key else self._all.line(self._name)
        raise self._wrong(line, f"`{key}`: {message}" if key else message, code)

    def _wrong(self, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
        return wrong(DOCKER, line, f"{self._name}: {message}", code)

    def _links(self) -> Iterator[tuple[str, str]]:
        waits = self._body.get("depends_on") or []
        names = list(waits) if isinstance(waits, Mapping) else waits
        for name in self._guard("depends_on", partial(lists.listed, names)):
            self._known(str(name), "depends_on")
        if waits:
            self._warnings.append(
                f"{self._name}: `depends_on` does not delay the start; services must wait themselves."
            )
        taken: dict[str, str] = {}
        for target, alias in self._aliases("links"):
            self._known(target, "links")
            if taken.setdefault(alias, target) != target:
                message = f"two links are called {alias!r}; give one of them another name"
                raise self._wrong(self._body.line("links"), message, "NotUnique")
            yield target, alias

    def _known(self, name: str, key: str) -> None:
        if name not in self._all:
            raise self._wrong(
                self._body.line(key), f"there is no service {name[:80]!r} in this file", "InvalidReference"
            )

    def _aliases(self, key: str) -> Iterator[tuple[str, str]]:
        for each in self._guard(key, partial(lists.listed, self._body.get(key) or [])):
            target, _, alias = str(each).partition(":")
            if not _ALIAS.fullmatch(target) or not _ALIAS.fullmatch(alias or target):
                raise self._wrong(self._body.line(key), f"{str(each)[:80]!r} is not a link: write service:alias")
            yield target, alias or target


def _merge(found: Fields, field: str, value: Any) -> None:
    """Several keys may speak of one field (labels, tmpfs, log): maps grow together, else the last one wins."""
    if isinstance(found.get(field), dict) and isinstance(value, dict):
        found[field] = {**found[field], **value}
    elif value is not None:
        found[field] = value
