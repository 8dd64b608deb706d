"""The labels that say how a service or container is run: on every host, as a job, from a fresh image. Pure."""

from __future__ import annotations

from apps.containers.launch.config import LaunchConfig

GLOBAL_LABEL = "io.rancher.scheduler.global"
START_ONCE_LABEL = "io.rancher.container.start_once"
RUN_LABEL = "io.corral.service.run"  # what the portal gives the container of a scheduled service's run
PULL_IMAGE_LABEL = "io.rancher.container.pull_image"
HOSTNAME_LABEL, CONTAINER_NAME = "io.rancher.container.hostname_override", "container_name"
_MAX_HOSTNAME = 63
_ALWAYS = "always"
_ON = {"true", "yes", "on", "1"}
_OFF = {"", "false", "no", "off", "0", "never"}


def is_switched_on(config: LaunchConfig, label: str) -> bool:
    """Whether the configuration has the label, and not only to say no."""
    return str(config.labels.get(label, "")).strip().lower() not in _OFF


def malformed_kind_label(config: LaunchConfig, label: str) -> str | None:
    """What is wrong with the value of a label that says yes or no, or when to pull; None for any other label."""
    value = str(config.labels.get(label, "")).strip().lower()
    if label in {GLOBAL_LABEL, START_ONCE_LABEL} and value not in _ON | _OFF:
        return f"it says true or false, and not {value[:60]!r}"
    if label == PULL_IMAGE_LABEL and value != _ALWAYS and value not in _OFF:
        return f"it says {_ALWAYS}, and not {value[:60]!r}: without it an image is pulled where a host lacks it"
    return None


def is_global(config: LaunchConfig) -> bool:
    """Whether a service has one container on each host."""
    return is_switched_on(config, GLOBAL_LABEL)


def is_start_once(config: LaunchConfig) -> bool:
    """Whether a container is a job: its end is no failure, and it is not started again."""
    return is_switched_on(config, START_ONCE_LABEL)


def is_always_pulled(config: LaunchConfig) -> bool:
    """Whether the image is pulled for each new container, also to a host that has one of that name."""
    return str(config.labels.get(PULL_IMAGE_LABEL, "")).strip().lower() == _ALWAYS


def is_named_host(config: LaunchConfig) -> bool:
    """Whether a container's host name is to be its own name."""
    return str(config.labels.get(HOSTNAME_LABEL, "")).strip().lower() == CONTAINER_NAME


def hostname_of(config: LaunchConfig, name: str) -> str | None:
    """The host name of a container of this name: its name, as far as Linux allows, or what is configured."""
    return name[:_MAX_HOSTNAME].rstrip("-_.") or None if is_named_host(config) else config.hostname
