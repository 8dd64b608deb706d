"""Sidekicks: the further containers of each of a service's deployment units, and who lends whom network and volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.stacks.service_options import NO_IMAGE, is_without_image

# What the primary container is called in its unit, whatever its service is named later; v1 has it as a label's value.
PRIMARY = "io.rancher.service.primary.launch.config"
SIDEKICKS_LABEL = "io.rancher.sidekicks"
MAX_SIDEKICKS = 20


@dataclass(frozen=True, slots=True)
class Sidekick:
    """One secondary launch configuration; `version` is the revision of the service that changed it last."""

    name: str
    config: LaunchConfig
    version: int = 1

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The value that `to_json` stored."""
        return cls(data["name"], LaunchConfig.from_json(data["config"]), int(data.get("version", 1)))

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {"name": self.name, "version": self.version, "config": self.config.to_json()}


@dataclass(frozen=True, slots=True)
class UnitConfig:
    """What each deployment unit of a service is made from: its primary container and the sidekicks."""

    primary: LaunchConfig
    sidekicks: tuple[Sidekick, ...] = ()

    @classmethod
    def of(cls, config: LaunchConfig | UnitConfig) -> UnitConfig:
        """The same; of a configuration alone a unit without sidekicks."""
        return config if isinstance(config, UnitConfig) else UnitConfig(config)


def name_field(name: str) -> str:
    """Where the name of a sidekick was sent, for what is said about it."""
    return f"secondaryLaunchConfigs.{name[:63]}.name" if name else "secondaryLaunchConfigs.name"


def references(config: LaunchConfig) -> tuple[str, ...]:
    """The members of the unit whose network or volumes a configuration takes."""
    network = (config.network_launch_config,) if config.network_launch_config else ()
    return (*network, *config.data_volumes_from_launch_configs)


def with_references(config: LaunchConfig, names: Mapping[str, str]) -> LaunchConfig:
    """The configuration with the members that it refers to called otherwise: `names` are old to new."""
    if not references(config):
        return config
    network = config.network_launch_config
    return replace(
        config,
        network_launch_config=names.get(network, network) if network else network,
        data_volumes_from_launch_configs=tuple(
            names.get(each, each) for each in config.data_volumes_from_launch_configs
        ),
    )


def check_unit(
    service: str, primary: LaunchConfig, sidekicks: Sequence[Sidekick]
) -> tuple[LaunchConfig, tuple[Sidekick, ...]]:
    """The configurations of a unit as they are stored: the primary is called `PRIMARY` in them.

    Raises `Invalid` for a name that is there twice, and for references that lead nowhere or round in a circle.
    """
    _check_names(service, sidekicks)
    _check_images(sidekicks)
    own = {service: PRIMARY}
    primary = _sharing(with_references(primary, own), "launchConfig.")
    stored = tuple(
        replace(each, config=_sharing(with_references(each.config, own), f"secondaryLaunchConfigs.{each.name}."))
        for each in sidekicks
    )
    configs = {PRIMARY: primary, **{each.name: each.config for each in stored}}
    _check_references(configs, service)
    creation_order(configs)
    _check_label(primary, sidekicks)
    return primary, stored


def _check_names(service: str, sidekicks: Sequence[Sidekick]) -> None:
    if len(sidekicks) > MAX_SIDEKICKS:
        raise Invalid("secondaryLaunchConfigs", "MaxLimitExceeded", f"A service has at most {MAX_SIDEKICKS} sidekicks.")
    seen = {service.lower()}
    for each in sidekicks:
        if each.name.lower() in seen:
            why = f"{each.name!r} is there twice: a service and its sidekicks have names of their own."
            raise Invalid(name_field(each.name), "NotUnique", why)
        seen.add(each.name.lower())


def _check_images(sidekicks: Sequence[Sidekick]) -> None:
    for each in sidekicks:
        if is_without_image(each.config.image):
            why = f"{each.name}: {NO_IMAGE} stands for no containers; leave the sidekick out, or give it another image."
            raise Invalid(f"secondaryLaunchConfigs.{each.name}.imageUuid", "InvalidOption", why)


def _sharing(config: LaunchConfig, at: str) -> LaunchConfig:
    """A configuration that shares a member's network has that mode, whether it was sent along or not."""
    if not config.network_launch_config or config.network_mode == "container":
        return config
    if config.network_mode != "managed":
        why = (
            f"It cannot share the network of {config.network_launch_config} and have networkMode {config.network_mode}."
        )
        raise Invalid(f"{at}networkMode", "InvalidOption", f"{why} Leave one of them out.")
    return replace(config, network_mode="container")


def _check_references(configs: Mapping[str, LaunchConfig], service: str) -> None:
    known = ", ".join(service if name == PRIMARY else name for name in configs)
    for config in configs.values():
        for name in references(config):
            if name not in configs:
                why = f"There is no {name[:64]!r} in this service to share network or volumes with; there are {known}."
                raise Invalid("LaunchConfigName", "InvalidReference", why)


def creation_order(configs: Mapping[str, LaunchConfig]) -> list[str]:
    """The names in an order in which each comes after those it refers to. Raises `Invalid` for a circle."""
    left = {name: {each for each in references(config) if each in configs} for name, config in configs.items()}
    order: list[str] = []
    while left:
        ready = [name for name, needed in left.items() if needed <= set(order)]
        if not ready:
            names = ", ".join(sorted("the service itself" if name == PRIMARY else name for name in left))
            why = (
                f"These wait for each other's network or volumes in a circle: {names}. Leave one of the references out."
            )
            raise Invalid("CircularReference", "InvalidReference", why)
        order += ready
        left = {name: needed for name, needed in left.items() if name not in ready}
    return order


def _check_label(primary: LaunchConfig, sidekicks: Iterable[Sidekick]) -> None:
    """Compose files name sidekicks in a label, which clients of v1 keep: it must not promise what is not there."""
    names = {each.name for each in sidekicks}
    missing = [name for name in label_names(primary.labels) if name not in names]
    if missing:
        why = f"The label {SIDEKICKS_LABEL} names {missing[0][:64]!r}, which is not sent as a secondaryLaunchConfig."
        raise Invalid("launchConfig.labels", "InvalidOption", why)


def names_of(sidekicks: Iterable[Sidekick]) -> list[str]:
    """Their names, as a service keeps them beside the configurations."""
    return [each.name for each in sidekicks]


def with_label(primary: LaunchConfig, names: Iterable[str]) -> LaunchConfig:
    """The primary's configuration with the label naming these sidekicks, if it has the label."""
    if SIDEKICKS_LABEL not in primary.labels:
        return primary
    labels = {name: value for name, value in primary.labels.items() if name != SIDEKICKS_LABEL}
    listed = ",".join(names)
    return replace(primary, labels={**labels, SIDEKICKS_LABEL: listed} if listed else labels)


def label_names(labels: Mapping[str, str]) -> list[str]:
    """The sidekicks that the label of a compose service names."""
    return [name for each in labels.get(SIDEKICKS_LABEL, "").split(",") if (name := each.strip())]


def shown(service: str, config: LaunchConfig) -> LaunchConfig:
    """A stored configuration as people see it: the primary is called as its service is now."""
    return with_references(config, {PRIMARY: service})


def next_sidekicks(current: Sequence[Sidekick], wanted: Sequence[Sidekick], version: int) -> tuple[Sidekick, ...]:
    """The sidekicks of the next revision where `wanted` are all that there are to be; those that are the same stay."""
    known = {each.name: each for each in current}
    return tuple(
        replace(each, version=known[each.name].version)
        if each.name in known and known[each.name].config == each.config
        else replace(each, version=version)
        for each in wanted
    )


def merge_upgrade(current: Sequence[Sidekick], changed: Sequence[Sidekick], version: int) -> tuple[Sidekick, ...]:
    """The sidekicks of the next revision: those that were sent, and the others as they are. Raises `Invalid`."""
    by_name = {each.name: replace(each, version=version) for each in changed}
    unknown = sorted(by_name.keys() - {each.name for each in current})
    if unknown:
        raise Invalid("secondaryLaunchConfigs", "InvalidOption", f"The service has no sidekick {unknown[0][:64]!r}.")
    return tuple(by_name.get(each.name, each) for each in current)
