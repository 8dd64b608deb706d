"""Reads a pair of compose files into services; every refusal names the file, the line, the service and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.core.fields import integer
from apps.stacks.compose import value_formats
from apps.stacks.compose.interpolation import Variables
from apps.stacks.compose.model import ComposeService, ComposeStack
from apps.stacks.compose.rancher_compose import RancherService, read_rancher_compose
from apps.stacks.compose.service_keys import KEY_READERS, Fields, UnsupportedValue
from apps.stacks.compose.yaml_loader import LineMap, error_at_line, load_yaml

DOCKER_FIELD = "dockerCompose"
MAX_SERVICES = 500
T = TypeVar("T")
_SCALE = integer(0, 1000)
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")
_TOP_LEVEL_KEYS = {"version", "services", "name", "networks", "volumes", "secrets", "configs"}
_UNSUPPORTED_IMAGES = ("rancher/load-balancer-service", "rancher/dns-service", "rancher/external-service")
_READ_SEPARATELY = {"links", "external_links", "depends_on"}


def parse(docker_compose: str, rancher_compose: str = "", environment: Mapping[str, str] | None = None) -> ComposeStack:
    """Read both files, with `environment` for the variables in them.

    Raises `Invalid` on `dockerCompose` or `rancherCompose`; what is left out without harm becomes a warning.
    """
    variables = Variables(environment or {}, DOCKER_FIELD)
    top: LineMap = variables.fill(load_yaml(docker_compose, DOCKER_FIELD))
    services, warnings = _services(top)
    extras, unknown = read_rancher_compose(rancher_compose, environment or {}, set(services))
    _check_names(services)
    found = tuple(
        _ServiceParser(name, services, variables).read(extras.get(name, RancherService())) for name in services
    )
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    return ComposeStack(found, (*warnings, *unknown))


def _services(top: LineMap) -> tuple[LineMap, list[str]]:
    """Find the services in either form of the file, with warnings about the other top-level keys."""
    if "include" in top:
        raise error_at_line(
            DOCKER_FIELD, top.line("include"), "the portal reads no other files for a stack: put the services in here"
        )
    if "services" not in top and not isinstance(top.get("version"), str):
        return top, []
    services = top.get("services")
    if not isinstance(services, LineMap):
        raise error_at_line(DOCKER_FIELD, top.line("services"), "`services` must be a map of services")
    kinds = ("networks", "volumes", "secrets", "configs")
    ignored = [f"The settings under `{kind}` are not carried over." for kind in kinds if _has_settings(top.get(kind))]
    ignored += [f"`{key}` is not known." for key in top if key not in _TOP_LEVEL_KEYS and not key.startswith("x-")]
    return services, ignored


def _has_settings(section: Any) -> bool:
    """Whether a section has more than names: volumes are made on first use, and there is one network."""
    return any(section.values()) if isinstance(section, Mapping) else bool(section)


def _check_names(services: LineMap) -> None:
    seen: dict[str, str] = {}
    if len(services) > MAX_SERVICES:
        raise error_at_line(DOCKER_FIELD, 1, f"a stack has at most {MAX_SERVICES} services", "MaxLimitExceeded")
    for name in services:
        line = services.line(name)
        if not _NAME.fullmatch(name):
            rule = "the name of a service has up to 63 letters, digits and '-', and no '-' at its ends"
            raise error_at_line(DOCKER_FIELD, line, f"{name[:80]!r}: {rule}", "InvalidCharacters")
        if name.lower() in seen:
            raise error_at_line(
                DOCKER_FIELD, line, f"{name} and {seen[name.lower()]} are the same name in DNS", "NotUnique"
            )
        seen[name.lower()] = name


class _ServiceParser:
    """Reads one service."""

    def __init__(self, name: str, services: LineMap, variables: Variables) -> None:
        self._name = name
        self._services_map = services
        self._variables = variables
        self._warnings: list[str] = []
        self._keys: dict[str, str] = {}
        body = services[name]
        if not isinstance(body, LineMap):
            raise self._error(services.line(name), "must be a map")
        self._body = body

    def read(self, extras: RancherService) -> ComposeService:
        """Read the service, with what rancher-compose adds."""
        if not self._body.get("image") and "build" not in self._body:
            raise self._error(self._services_map.line(self._name), "`image` is required", "MissingRequired")
        fields = self._fields()
        scale = self._with_location("scale", partial(_SCALE, "scale", fields.pop("scale", 1)))
        return ComposeService(
            name=self._name,
            config=self._config(fields | extras.fields),
            scale=scale if extras.scale is None else extras.scale,
            links=tuple(self._links()),
            external_links=tuple(self._parse_links("external_links")),
            metadata=extras.metadata,
            description=extras.description,
            warnings=(*self._warnings, *extras.warnings),
        )

    def _fields(self) -> Fields:
        found: Fields = {}
        for key, value in self._body.items():
            if value is None or key in _READ_SEPARATELY or key.startswith("x-"):
                continue
            reader = KEY_READERS.get(key)
            if reader is None:
                self._warnings.append(f"{self._name}: `{key}` is not carried over.")
                continue
            for field, read in self._with_location(key, partial(reader, value)).items():
                self._keys[field] = key
                _merge_field(found, field, read)
        self._fill_environment(found)
        return found

    def _fill_environment(self, found: Fields) -> None:
        """Take a variable that has no value from the stack's own variables."""
        for name, value in list(found.get("environment", {}).items()):
            if value is None and (known := self._variables.get(name)) is not None:
                found["environment"][name] = known
            elif value is None:
                del found["environment"][name]
                self._warnings.append(f"{self._name}: the variable {name} has no value and is left out.")

    def _config(self, fields: Fields) -> LaunchConfig:
        if fields.get("imageUuid", "").partition(":")[2].startswith(_UNSUPPORTED_IMAGES):
            reason = "balancers, aliases and external services cannot be made from a file yet; add them one by one"
            raise self._error(self._body.line("image"), reason, "InvalidOption")
        return self._with_location("", partial(LaunchConfig.from_wire, fields))

    def _with_location(self, key: str, read: Callable[[], T]) -> T:
        """Call `read`, and turn its errors into refusals with their location."""
        try:
            return read()
        except Invalid as problem:
            key = key or self._keys.get(str(problem.field).partition(".")[0], "")
            message, code = problem.message, problem.code
        except UnsupportedValue as problem:
            message, code = str(problem), "InvalidOption"
        except ValueError as problem:
            message, code = str(problem), "InvalidFormat"
        line = self._body.line(key) if key else self._services_map.line(self._name)
        raise self._error(line, f"`{key}`: {message}" if key else message, code)

    def _error(self, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
        return error_at_line(DOCKER_FIELD, line, f"{self._name}: {message}", code)

    def _links(self) -> Iterator[tuple[str, str]]:
        dependencies = self._body.get("depends_on") or []
        names = list(dependencies) if isinstance(dependencies, Mapping) else dependencies
        for name in self._with_location("depends_on", partial(value_formats.as_list, names)):
            self._check_service_exists(str(name), "depends_on")
        if dependencies:
            self._warnings.append(
                f"{self._name}: `depends_on` does not delay the start; services must wait themselves."
            )
        taken: dict[str, str] = {}
        for target, alias in self._parse_links("links"):
            self._check_service_exists(target, "links")
            if taken.setdefault(alias, target) != target:
                message = f"two links are called {alias!r}; give one of them another name"
                raise self._error(self._body.line("links"), message, "NotUnique")
            yield target, alias

    def _check_service_exists(self, name: str, key: str) -> None:
        if name not in self._services_map:
            raise self._error(
                self._body.line(key), f"there is no service {name[:80]!r} in this file", "InvalidReference"
            )

    def _parse_links(self, key: str) -> Iterator[tuple[str, str]]:
        for each in self._with_location(key, partial(value_formats.as_list, self._body.get(key) or [])):
            target, _, alias = str(each).partition(":")
            if not _ALIAS.fullmatch(target) or not _ALIAS.fullmatch(alias or target):
                raise self._error(self._body.line(key), f"{str(each)[:80]!r} is not a link: write service:alias")
            yield target, alias or target


def _merge_field(found: Fields, field: str, value: Any) -> None:
    """Merge keys that set the same field (labels, tmpfs, log): maps are joined, otherwise the last one wins."""
    if isinstance(found.get(field), dict) and isinstance(value, dict):
        found[field] = {**found[field], **value}
    elif value is not None:
        found[field] = value
