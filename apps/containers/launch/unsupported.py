"""What v1 can ask for and Corral does not do yet: refused in words, because a client that hears nothing believes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import (
    CONTAINER_NAME,
    GLOBAL_LABEL,
    HOSTNAME_LABEL,
    is_named_host,
    is_switched_on,
    malformed_kind_label,
)
from apps.core.errors import Invalid
from apps.hosts.affinity import MAX_WORDS, is_unknown_rule, malformed_rule

_NOT_YET = "is not supported yet"
_KEY_REMEDY = (
    "as no container is given a key: make an API key, and hand it over in the variables CATTLE_URL, "
    "CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY"
)
_RULE_REMEDY = "as there is no such rule: host_label, container_label and container take _ne, _soft and _soft_ne"
_AGENT = f"API keys for containers {_NOT_YET}; make a key and hand it over in `environment`"

UNSUPPORTED_LABELS: Mapping[str, str] = {
    "io.rancher.container.create_agent": _AGENT,
    "io.rancher.container.agent.role": _AGENT,
}
SERVICE_LABELS: Mapping[str, str] = {
    GLOBAL_LABEL: "a single container is not supported on every host; make it a service",
}
"""Labels that only a service can follow: a container of its own would carry them for nothing."""

_FIELDS: Mapping[str, tuple[Callable[[LaunchConfig], object], str]] = {
    "dataVolumeMounts": (
        lambda config: config.data_volume_mounts,
        f"mounting by the volume's id {_NOT_YET}; name the volume in `dataVolumes`",
    ),
    "networkIds": (lambda config: config.network_ids, f"choosing networks {_NOT_YET}; set `networkMode`"),
}
_SERVICES_ONLY: Mapping[str, tuple[Callable[[LaunchConfig], object], str]] = {
    "networkLaunchConfig": (
        lambda config: config.network_launch_config,
        "a container by itself has no sidekicks; name the other container in `networkContainerId`",
    ),
    "dataVolumesFromLaunchConfigs": (
        lambda config: config.data_volumes_from_launch_configs,
        "a container by itself has no sidekicks; name the other container in `dataVolumesFrom`",
    ),
    "labels": (
        lambda config: config.labels.get("io.rancher.sidekicks", "").strip(),
        "io.rancher.sidekicks: a container by itself has no sidekicks; make it a service",
    ),
}


def check_supported(config: LaunchConfig, at: str = "", *, in_service: bool = False) -> None:
    """Refuse what would be accepted and never done. Raises `Invalid` on the field, or on `labels`.

    Only the containers of a service have others beside them whose network and volumes they take.
    """
    for name, (value_of, reason) in {**_FIELDS, **({} if in_service else _SERVICES_ONLY)}.items():
        if value_of(config):
            raise Invalid(f"{at}{name}", "InvalidOption", f"{name}: {reason}.")
    if config.uts == "host" and (config.hostname or is_named_host(config)):
        reason = "with `uts: host` a container has its host's name; leave out its own, or `uts`"
        field = "hostname" if config.hostname else "labels"
        raise Invalid(f"{at}{field}", "InvalidOption", f"{field}: {reason}.")
    for label in config.labels:
        found = unsupported_label(config, label)
        if found is None and not in_service and is_switched_on(config, label):
            found = SERVICE_LABELS.get(label)
        if found is not None:
            raise Invalid(f"{at}labels", "InvalidOption", f"The label {label}: {found}.")
        if (found := malformed_label(config, label)) is not None:
            raise Invalid(f"{at}labels", "InvalidFormat", f"The label {label}: {found}.")


def unsupported_label(config: LaunchConfig, label: str) -> str | None:
    """Why a label is refused; None for any other label, and for one that is switched off."""
    if is_unknown_rule(label):
        return "no such rule is supported; host_label, container_label and container take _ne, _soft and _soft_ne"
    if (reason := malformed_kind_label(config, label)) is not None:
        return reason
    return UNSUPPORTED_LABELS.get(label) if is_switched_on(config, label) else None


def without_unsupported_labels(config: LaunchConfig) -> tuple[LaunchConfig, list[str]]:
    """The configuration of a file without labels that cannot be followed, and what is said about each of them.

    A configuration that is sent by itself is refused with them. A file is often somebody else's: what else it says
    still works, as it did in Rancher, which followed no rule that it did not know.
    """
    found = [label for label in config.labels if unsupported_label(config, label) is not None]
    if not found:
        return config, []
    labels = {label: text for label, text in config.labels.items() if label not in found}
    notes = [f"the label {label[:MAX_WORDS]} is left out, {_why_left_out(config, label)}." for label in found]
    return replace(config, labels=labels), notes


def _why_left_out(config: LaunchConfig, label: str) -> str:
    if is_unknown_rule(label):
        return _RULE_REMEDY
    reason = malformed_kind_label(config, label)
    return _KEY_REMEDY if reason is None else f"as {reason}"


def malformed_label(config: LaunchConfig, label: str) -> str | None:
    """What is wrong with the value of a label; None for any that can be followed."""
    part = malformed_rule(label, str(config.labels[label]))
    return None if part is None else f"{part[:MAX_WORDS]!r} is no rule: write name=value, with commas between several"


def ignored_labels(config: LaunchConfig) -> list[str]:
    """What importing a file says about labels that do nothing; they are kept, as they do not say what runs where."""
    if not is_switched_on(config, HOSTNAME_LABEL) or is_named_host(config):
        return []
    return [f"the label {HOSTNAME_LABEL} does nothing: it knows `{CONTAINER_NAME}` alone; set `hostname`."]
