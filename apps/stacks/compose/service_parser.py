"""Reads one service of a compose file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_global
from apps.containers.launch.unsupported import ignored_labels, malformed_label, without_unsupported_labels
from apps.core.errors import Invalid
from apps.core.fields import integer
from apps.core.texts import labeled
from apps.stacks.balancer.launch import BALANCER_IMAGES, with_listeners
from apps.stacks.compose import value_formats
from apps.stacks.compose.balancers import BalancerPart, read_balancer
from apps.stacks.compose.error_list import ErrorList
from apps.stacks.compose.interpolation import Variables
from apps.stacks.compose.left_out import LeftOut, misspelt
from apps.stacks.compose.model import ComposeService
from apps.stacks.compose.nested_keys import KEYS_OF_COMPOSE, NESTED_KEYS, left_out
from apps.stacks.compose.placement_keys import join_rules
from apps.stacks.compose.rancher_compose import RancherService
from apps.stacks.compose.service_keys import KEY_READERS, Fields, UnsupportedValue
from apps.stacks.compose.volume_names import VolumeNames
from apps.stacks.compose.yaml_loader import LineMap, error_at_line
from apps.stacks.link_names import free_name, name_used_twice
from apps.stacks.lost_host_policy import lost_after_from_labels
from apps.stacks.schedule import schedule_from_labels
from apps.stacks.service_options import (
    BALANCER,
    EXTERNAL,
    KIND_IMAGES,
    NO_IMAGE,
    SERVICE,
    ExternalTarget,
    ServiceOptions,
    config_of_kind,
    is_host_name,
    is_without_image,
    kind_of_image,
)
from apps.stacks.updates.policy import policy_from_labels

DOCKER_FIELD = "dockerCompose"
T = TypeVar("T")
_SCALE = integer(0, 1000)
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")
_OF_LISTENERS = {"ports", "expose"}
_READ_SEPARATELY = {"links", "external_links", "depends_on", "extends", "profiles"}
_ALL_KEYS = (*KEY_READERS, *_READ_SEPARATELY, *KEYS_OF_COMPOSE)
_EMPTY_MEANS_SOMETHING = {"entrypoint", "command"}
# What says the same in two places: later ones count, whatever their order in the file. Older spellings come first, and
# `deploy` last, because the specification lets it win over the keys beside it.
_PRECEDENCE = {"net": -1, "log_driver": -1, "log_opt": -1, "deploy": 1}


@dataclass(frozen=True, slots=True)
class FileContext:
    """What the services of one file share: all that are enabled, those that are not, variables and volumes."""

    services: LineMap
    disabled: Mapping[str, list[str]]
    variables: Variables
    volumes: VolumeNames


class ServiceParser:
    """Reads one service."""

    def __init__(self, name: str, context: FileContext) -> None:
        self._name = name
        self._context = context
        self._warnings: list[str] = []
        self._keys: dict[str, str] = {}
        body = context.services[name]
        if not isinstance(body, LineMap):
            raise self._error(context.services.line(name), "must be a map")
        self._body = body
        self._is_balancer = False

    def read(self, extras: RancherService) -> ComposeService:
        """Read the service, with what rancher-compose adds."""
        errors, fields = ErrorList(), dict[str, Any]()
        links, outer = list[tuple[str, str]](), list[tuple[str, str]]()
        kind = extras.options.kind
        kind = kind if kind != SERVICE else kind_of_image(str(self._body.get("image") or ""))
        self._is_balancer = kind == BALANCER
        with errors.gather():
            self._require_image(kind)
        with errors.gather():
            fields = self._fields()
        with errors.gather():
            links = list(self._links())
        with errors.gather():
            outer = list(self._external_links(links))
        errors.raise_all()
        given = fields.pop("scale", None)
        scale = self._with_location("scale", partial(_SCALE, "scale", 1 if given is None else given))
        config = self._config(fields | extras.fields, kind)
        scale, has_scale = self._scale(scale if given is not None else None, extras.scale, config, kind)
        found = ComposeService(
            name=self._name,
            config=config,
            scale=scale,
            links=tuple(links),
            external_links=tuple(outer),
            metadata=extras.metadata,
            description=extras.description,
            options=self._options(extras, kind, config),
            has_scale=has_scale,
            upgrade_strategy=extras.upgrade_strategy,
            warnings=(*self._warnings, *_without_checks(extras.warnings, kind), *extras.balancer.warnings),
            scale_policy=extras.scale_policy if kind in {SERVICE, BALANCER} else {},
        )
        return self._as_balancer(found, extras.balancer) if self._is_balancer else found

    def _as_balancer(self, found: ComposeService, part: BalancerPart) -> ComposeService:
        """The service with its listeners, targets and rules."""
        links, outer, labels = found.links, found.external_links, found.config.labels
        read = self._with_location("ports", partial(read_balancer, part, self._body, labels, links, outer))
        for target, _alias in read.links:
            self._check_service_exists(target, "links")
        return replace(
            found,
            config=with_listeners(found.config, read.settings, _image(found.config)),
            links=tuple(read.links),
            external_links=tuple(read.external_links),
            options=replace(found.options, balancer=read.settings),
            rules=read.rules,
            default_certificate=part.default_certificate,
            certificates=part.certificates,
        )

    def _scale(self, given: int | None, extra: int | None, config: LaunchConfig, kind: str) -> tuple[int, bool]:
        """The scale, and whether a file says it; rancher-compose's comes first.

        Rancher did not look at the scale of a service on each host, so that its files may have any: that is a warning.
        """
        if kind == SERVICE and is_without_image(config.image):
            if max(given or 0, extra or 0) > 1:
                why = f"`scale` is not used: its image {NO_IMAGE} stands for no containers of its own."
                self._warnings.append(labeled(self._name, why))
            return 1, False
        if kind not in {SERVICE, BALANCER} or not is_global(config):
            scale = given if extra is None else extra
            return (1, False) if scale is None else (scale, True)
        if given not in {None, 1}:
            key = self._keys["scale"]
            where = "deploy.replicas" if key == "deploy" else key
            why = f"`{where}` is {given}, but the service has one container on each host: leave `{where}` out, or"
            why = f"{why} do not have it run on each host"
            raise self._error(self._body.line(key), why, "InvalidOption")
        if extra not in {None, 1}:
            self._warnings.append(f"{self._name}: `scale` is not used: it has one container on each host.")
        return 1, False

    def _options(self, extras: RancherService, kind: str, config: LaunchConfig) -> ServiceOptions:
        target = extras.options.external
        if kind != EXTERNAL:
            if target.addresses or target.hostname:
                image = KIND_IMAGES[EXTERNAL]
                self._warnings.append(f"{self._name}: `external_ips` and `hostname` are for services of image {image}.")
            target = ExternalTarget()
        elif not (target.addresses or target.hostname):
            why = "say where the external service leads: `external_ips` or `hostname` in the rancher-compose file"
            raise self._error(self._context.services.line(self._name), why, "MissingRequired")
        found = replace(extras.options, kind=kind, external=target).with_labels(config.labels)
        self._with_location("", found.columns)
        return found

    def _require_image(self, kind: str) -> None:
        if kind == SERVICE and not self._body.get("image") and "build" not in self._body:
            line = self._context.services.line(self._name)
            if "image" in self._body and isinstance(self._body, LineMap):
                line = self._body.line("image")
            raise self._error(line, f"`image` is required{self._unset_variables(line)}", "MissingRequired")

    def _fields(self) -> Fields:
        found: Fields = {}
        errors = ErrorList()
        for key, value in sorted(self._body.items(), key=lambda item: _PRECEDENCE.get(item[0], 0)):
            if value is None or key.startswith("x-") or (value == "" and key not in _EMPTY_MEANS_SOMETHING):
                continue
            self._warn_of_left_out(key, value)
            reader = KEY_READERS.get(key)
            if reader is None or key in _READ_SEPARATELY or (self._is_balancer and key in _OF_LISTENERS):
                continue
            with errors.gather():
                for field, read in self._with_location(key, partial(reader, value)).items():
                    self._merge_field(found, field, key, read)
        errors.raise_all()
        self._warn_of_empty_command(found)
        self._fill_environment(found)
        if "dataVolumes" in found:
            found["dataVolumes"] = self._context.volumes.replace(found["dataVolumes"])
        return found

    def _warn_of_left_out(self, key: str, value: Any) -> None:
        """Warn of the key, or of what is below it, if it is not carried over."""
        found: Iterable[LeftOut] = ()
        if key in KEY_READERS or key in _READ_SEPARATELY:
            found = left_out(key, value, NESTED_KEYS.get(key))
        elif key in KEYS_OF_COMPOSE:
            found = [LeftOut(key)]
        else:
            found = [misspelt(key, self._body, _ALL_KEYS, "a service")]
        self._warnings.extend(labeled(self._name, each.describe()) for each in found)

    def _merge_field(self, found: Fields, field: str, key: str, value: Any) -> None:
        """Merge keys that set the same field (labels, tmpfs, log): maps are joined, otherwise the last one wins."""
        if value is None:
            return
        previous = found.get(field)
        if key == "deploy" and field != "labels" and previous is not None and str(previous) != str(value):
            self._warnings.append(f"{self._name}: `{self._keys[field]}` is not used: `deploy` says otherwise.")
        self._keys[field] = key
        is_map = isinstance(previous, dict) and isinstance(value, dict)
        found[field] = join_rules(previous or {}, value) if is_map else value

    def _warn_of_empty_command(self, found: Fields) -> None:
        """Engines take the image's command where a container brings neither a command nor an entry point."""
        if "command" in found and not found["command"] and not any(found.get("entryPoint", ())):
            self._warnings.append(f"{self._name}: `command` is empty; engines run the image's own command then.")

    def _fill_environment(self, found: Fields) -> None:
        """Take a variable that has no value from the stack's own variables."""
        for name, value in list(found.get("environment", {}).items()):
            if value is None and (known := self._context.variables.get(name)) is not None:
                found["environment"][name] = known
            elif value is None:
                del found["environment"][name]
                self._warnings.append(f"{self._name}: the variable {name} has no value and is left out.")

    def _config(self, fields: Fields, kind: str) -> LaunchConfig:
        config = self._with_location("", partial(config_of_kind, kind, fields, ""))
        config, left_out_labels = without_unsupported_labels(config)
        for label in config.labels:
            if (reason := malformed_label(config, label)) is not None:
                raise self._error(self._body.line("labels"), f"the label {label}: {reason}")
        for read_label in (schedule_from_labels, policy_from_labels, lost_after_from_labels):
            self._with_location("labels", partial(read_label, config.labels))
        self._warnings += [labeled(self._name, text) for text in (*left_out_labels, *ignored_labels(config))]
        return config

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
        line = self._body.line(key) if key else self._context.services.line(self._name)
        if key == "image":
            message = message.rstrip(".") + self._unset_variables(line)
        raise self._error(line, f"`{key}`: {message}" if key else message, code)

    def _unset_variables(self, line: int) -> str:
        """Which variables of a line are not set, as the end of a refusal that they explain."""
        unset = [name for name, at in self._context.variables.missing.items() if at == line]
        return f": the variable {', '.join(unset)} is not set" if unset else ""

    def _error(self, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
        return error_at_line(DOCKER_FIELD, line, labeled(self._name, message), code)

    def _links(self) -> Iterator[tuple[str, str]]:
        self._check_dependencies()
        found = [(target, alias or target) for target, alias in self._parse_links("links")]
        for target, _alias in found:
            self._check_service_exists(target, "links")
        self._check_names("links", found)
        yield from found

    def _external_links(self, links: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Links to services of other stacks; of two without a name that are called alike, one has its stack's, too."""
        found: list[tuple[str, str]] = []
        for target, alias in self._parse_links("external_links"):
            stack, _slash, service = target.rpartition("/")
            taken = [name for known, name in (*links, *found) if known != target]
            found.append((target, alias or (free_name(service, stack, taken) if stack else service)))
        self._check_names("external_links", [*links, *found])
        yield from found

    def _check_names(self, key: str, links: list[tuple[str, str]]) -> None:
        duplicate = name_used_twice((alias, target) for target, alias in links)
        if duplicate is not None:
            message = f"two links are called {duplicate!r}; give one of them another name"
            raise self._error(self._body.line(key), message, "NotUnique")
        for _target, alias in links:
            if not is_host_name(alias):
                message = f"{alias[:80]!r} is no name for a link: use letters, digits, '-', '_' and '.'"
                raise self._error(self._body.line(key), message, "InvalidCharacters")

    def _check_dependencies(self) -> None:
        dependencies = self._body.get("depends_on") or []
        if isinstance(dependencies, Mapping):
            required = {name: _is_required(each) for name, each in dependencies.items()}
        else:
            names = self._with_location("depends_on", partial(value_formats.as_texts, dependencies))
            required = dict.fromkeys(names, True)
        for name, is_required in required.items():
            if is_required:
                self._check_service_exists(name, "depends_on")
            elif name not in self._context.services:
                self._warnings.append(f"{self._name}: `depends_on` names {name[:80]!r}, which is not in this file.")
        if dependencies:
            self._warnings.append(
                f"{self._name}: `depends_on` does not delay the start; services must wait themselves."
            )

    def _check_service_exists(self, name: str, key: str) -> None:
        if name in self._context.services:
            return
        reason = f"there is no service {name[:80]!r} in this file"
        if name in self._context.disabled:
            profile = self._context.disabled[name][0][:60]
            reason = f"{name} is left out; name its profile {profile} in the variable COMPOSE_PROFILES"
        raise self._error(self._body.line(key), f"`{key}`: {reason}", "InvalidReference")

    def _parse_links(self, key: str) -> Iterator[tuple[str, str]]:
        """The links as (target, name); the name is empty where none is written."""
        for each in self._with_location(key, partial(value_formats.as_texts, self._body.get(key) or [])):
            target, _, alias = each.partition(":")
            if not _ALIAS.fullmatch(target) or not _ALIAS.fullmatch(alias or target):
                raise self._error(self._body.line(key), f"{each[:80]!r} is not a link: write service:alias")
            yield target, alias


def _image(config: LaunchConfig) -> str:
    """The one name for a balancer's image: which of them a file has says its form, and is no difference."""
    return BALANCER_IMAGES[0] if kind_of_image(config.image) == BALANCER else ""


def _without_checks(warnings: Iterable[str], kind: str) -> Iterable[str]:
    """The warnings, without the one about checks over the network where the check is kept."""
    return (text for text in warnings if kind != EXTERNAL or "`health_check`" not in text)


def _is_required(dependency: Any) -> bool:
    """Whether the file is wrong without it; the short form and an empty map say so."""
    return not (isinstance(dependency, Mapping) and value_formats.parse_boolean(dependency.get("required")) is False)
