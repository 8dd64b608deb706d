"""What differs between what two revisions make, field by field, for a person; secrets are never in it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.core.redact import BLANK, MIN_SECRET_LENGTH, redact
from apps.core.secret_fields import find_secrets
from apps.core.sizes import exact_size_text
from apps.stacks.sidekicks import UnitConfig

Change = Literal["added", "removed", "changed"]
# Whatever a variable or an option of a log driver is called, its value may be a secret: of all keys, or of these.
VALUES_HIDDEN: Mapping[str, frozenset[str] | None] = {"environment": None, "logConfig": frozenset({"config"})}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference: the v1 `field`, its `label` in words, the `key` within it where it is a map.

    `before` and `after` are texts, empty where there was or is nothing; of an environment variable they say only that
    there is a value. `sidekick` is whose it is, empty for the primary container.
    """

    field: str
    label: str
    key: str
    change: Change
    before: str = ""
    after: str = ""
    sidekick: str = ""

    @property
    def name(self) -> str:
        """The field with its key."""
        return f"{self.label}: {self.key}" if self.key else self.label

    @property
    def before_in_words(self) -> str:
        """What was there, for a person who sees no table: also that there was nothing, or a value that is not shown."""
        if self.change == "added":
            return "not there"
        return "a value" if self.field == "environment" else self.before_as_typed

    @property
    def after_in_words(self) -> str:
        """What is there then, likewise."""
        if self.change == "removed":
            return "removed"
        if self.field == "environment":
            return "a value" if self.change == "added" else "another value"
        return self.after_as_typed

    @property
    def before_as_typed(self) -> str:
        """What was there in the unit of the form, such as `64.0 MB` and not the bytes."""
        return _as_typed(self.field, self.before)

    @property
    def after_as_typed(self) -> str:
        """What is there then, in the unit of the form."""
        return _as_typed(self.field, self.after)


_FACTORS = {each.name: each.form.factor for each in LAUNCH_FIELDS if each.form is not None}
_FORM_LABELS = {each.name: each.form.label for each in LAUNCH_FIELDS if each.form is not None and each.form.label}
_LABELS: Mapping[str, str] = {
    **_FORM_LABELS,
    "imageUuid": "Image",
    "environment": "Environment variable",
    "ports": "Port",
    "labels": "Label",
    "links": "Link",
    "scale": "Scale",
    "scalePolicy": "Scale policy",
    "schedule": "Schedule",
    "description": "Description",
    "metadata": "Metadata",
    "externalIpAddresses": "Address",
    "hostname": "Host name",
    "selectorLink": "Selector of links",
    "selectorContainer": "Selector of containers",
    "upgradeVerdict": "Verdict on upgrades",
    "imageUpdatePolicy": "Newer images",
    "retainIp": "Keeps its address",
    "lostHostSeconds": "Seconds after which a lost host's containers are replaced",
    "expose": "Exposed port",
    "publishAllPorts": "Publishes all ports",
    "dataVolumes": "Volume",
    "dataVolumesFrom": "Uses the volumes of container",
    "dataVolumesFromLaunchConfigs": "Uses the volumes of",
    "dataVolumeMounts": "Volume by its id",
    "tmpfs": "Folder in memory",
    "networkMode": "Network mode",
    "networkContainerId": "Uses the network of container",
    "networkLaunchConfig": "Uses the network of",
    "networkIds": "Network",
    "instanceLinks": "Link to a container",
    "dnsOpt": "DNS option",
    "restartPolicy": "Restart policy",
    "healthCheck": "Health check",
    "dockerHealthCheck": "Health check of the engine",
    "logConfig": "Logs",
    "cpuPeriod": "CPU period",
    "cpuQuota": "CPU quota",
    "cpuRealtimePeriod": "Period of real-time scheduling in microseconds",
    "cpuRealtimeRuntime": "Real-time scheduling in microseconds of each period",
    "storageOpt": "Storage option",
    "cgroupnsMode": "Control group namespace",
    "annotations": "Annotation",
    "blkioWeight": "Weight of disk access",
    "blkioDeviceOptions": "Disk access",
    "ulimits": "Process limit",
    "sysctls": "Kernel parameter",
    "groupAdd": "Additional group",
    "securityOpt": "Security option",
    "privileged": "Privileged",
    "ipcMode": "IPC mode",
    "stopSignal": "Stop signal",
    "stopTimeout": "Stop timeout in seconds",
    "startOnCreate": "Started when it is created",
    "requestedHostId": "Requested host",
    "registryCredentialId": "Registry account",
}
_MIB = 1024**2
_ORDER = {each.name: at for at, each in enumerate(LAUNCH_FIELDS)}


def label_of(name: str) -> str:
    """What a field is called in words; the name itself of one that has no words."""
    return str(_LABELS.get(name, name))


def diff_configs(before: LaunchConfig | UnitConfig, after: LaunchConfig | UnitConfig) -> tuple[FieldChange, ...]:
    """The differences: those of the primary containers, then of each sidekick, in the order of the launch fields."""
    old, new = _members(UnitConfig.of(before)), _members(UnitConfig.of(after))
    # What is secret in one member may be repeated in another; as in any text, very short ones are everywhere.
    found = find_secrets([*old.values(), *new.values()])
    secrets = [each for each in found if len(each) >= MIN_SECRET_LENGTH]
    return tuple(
        replace(each, sidekick=name)
        for name in dict.fromkeys((*old, *new))
        for each in _diff_member(old.get(name, {}), new.get(name, {}), secrets)
    )


def diff_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The differences of what services have beside configurations, by v1's names, likewise."""
    old, new = dict(before), dict(after)
    secrets = [each for each in find_secrets([old, new]) if len(each) >= MIN_SECRET_LENGTH]
    return tuple(_diff_member(old, new, secrets))


def _members(unit: UnitConfig) -> dict[str, dict[str, Any]]:
    """The configurations of a unit by the names of its sidekicks; that of the primary container has none."""
    return {"": unit.primary.to_wire(), **{each.name: each.config.to_wire() for each in unit.sidekicks}}


def _diff_member(old: dict[str, Any], new: dict[str, Any], secrets: Sequence[str]) -> list[FieldChange]:
    shown_old, shown_new = redact(old, secrets), redact(new, secrets)
    names = sorted({*old, *new}, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    found: list[FieldChange] = []
    for name in names:
        if old.get(name) != new.get(name):
            found += _diff_field(name, (old.get(name), new.get(name)), (shown_old.get(name), shown_new.get(name)))
    return found


def _diff_field(name: str, raw: tuple[Any, Any], shown: tuple[Any, Any]) -> Iterable[FieldChange]:
    """The differences of one field; `raw` decides what differs, `shown` is what may be said of it."""
    if all(isinstance(each, Mapping) or not _is_set(each) for each in raw):
        return _diff_maps(name, raw, shown)
    if all(isinstance(each, list | tuple) or not _is_set(each) for each in raw) and name not in {
        "command",
        "entryPoint",
    }:
        return _diff_lists(name, raw, shown)
    return [_change(name, "", (_is_set(raw[0]), _is_set(raw[1])), (_text(shown[0]), _text(shown[1])))]


def _diff_maps(name: str, raw: tuple[Any, Any], shown: tuple[Any, Any]) -> Iterable[FieldChange]:
    old, new = raw[0] or {}, raw[1] or {}
    shown_old, shown_new = shown[0] or {}, shown[1] or {}
    for key in sorted({*map(str, old), *map(str, new)}):
        if old.get(key) != new.get(key) or (key in old) != (key in new):
            texts = [_text_of_key(name, key, each.get(key)) for each in (shown_old, shown_new)]
            yield _change(name, key, (key in old, key in new), (texts[0], texts[1]))


def _text_of_key(name: str, key: str, value: Any) -> str:
    keys = VALUES_HIDDEN.get(name, frozenset())
    if keys is None:
        return BLANK
    return BLANK if key in keys and _is_set(value) else _text(value)


def _diff_lists(name: str, raw: tuple[Any, Any], shown: tuple[Any, Any]) -> Iterable[FieldChange]:
    old, new = list(raw[0] or ()), list(raw[1] or ())
    gone = [_text(text) for each, text in zip(old, shown[0] or (), strict=False) if each not in new]
    come = [_text(text) for each, text in zip(new, shown[1] or (), strict=False) if each not in old]
    if not gone and not come:  # another order, or the same thing more often
        yield _change(name, "", (True, True), (_text(shown[0]), _text(shown[1])))
    yield from (_change(name, "", (True, False), (text, "")) for text in gone)
    yield from (_change(name, "", (False, True), ("", text)) for text in come)


def _change(name: str, key: str, there: tuple[bool, bool], texts: tuple[str, str]) -> FieldChange:
    change: Change = "changed" if there[0] and there[1] else "added" if there[1] else "removed"
    before, after = texts[0] if there[0] else "", texts[1] if there[1] else ""
    return FieldChange(name, label_of(name), key, change, before, after)


def _is_set(value: Any) -> bool:
    return value not in (None, "", [], (), {})


def _text(value: Any) -> str:
    """A value as one line."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _as_typed(name: str, text: str) -> str:
    factor = _FACTORS.get(name, 1)
    if factor == 1 or not (text.isascii() and text.isdigit()):
        return text
    return exact_size_text(int(text)) if factor == _MIB else f"{int(text) / factor:g}"
