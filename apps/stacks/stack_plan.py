"""What a stack becomes by another pair of compose files, or by one of its revisions, service by service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from apps.containers.launch.config import LaunchConfig
from apps.stacks.balancer.differences import BalancerState, diff_balancers
from apps.stacks.balancer.listeners import PROXY_LABEL, SSL_LABEL
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TARGET_LABEL
from apps.stacks.compose import ComposeService
from apps.stacks.compose.exporter import HASH_LABEL
from apps.stacks.lost_host_policy import LOST_HOST_LABEL, lost_after_from_labels
from apps.stacks.replaced_members import ReplacedMembers, replaced_members
from apps.stacks.revision_diff import FieldChange, diff_configs, diff_settings
from apps.stacks.schedule import SCHEDULE_LABEL, schedule_from_labels
from apps.stacks.service_options import BALANCER, SELECTOR_LABELS, ServiceOptions, has_containers, options_from_json
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.updates.policy import UPDATE_LABEL, policy_from_labels

CREATE, UPGRADE, UPDATE, REMOVE, KEEP, UNCHANGED = "create", "upgrade", "update", "remove", "keep", "unchanged"
What = Literal["create", "upgrade", "update", "remove", "keep", "unchanged"]

# Labels that say what columns of the service hold: changing them replaces no container.
_SETTING_LABELS = frozenset({LOST_HOST_LABEL, UPDATE_LABEL, SSL_LABEL, PROXY_LABEL, *SELECTOR_LABELS.values()})

_SETTING_PREFIXES = (f"{SCHEDULE_LABEL}.", TARGET_LABEL)


def _is_setting(label: str) -> bool:
    return label in _SETTING_LABELS or label == SCHEDULE_LABEL or label.startswith(_SETTING_PREFIXES)


_ONLY_AT_CREATION = frozenset({"start_on_create"})


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service as a stack's file or revision describes it; its members are called as people see them.

    `links` are targets (`service`, or `stack/service`) by alias, `rules` those of a balancer's targets by alias.
    What a file does not say has its default here, as for every key of compose. Three things stay as they are instead:
    `scale`, None where the file leaves it open, as people change it while the service runs; `verdict_settings`, None
    as no file says anything of them; and `is_active`, whether it was to run, which a file decides at the creation
    alone. `strategy` is how its upgrade is to go on.
    """

    name: str
    unit: UnitConfig
    scale: int | None = 1
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    options: ServiceOptions = field(default_factory=ServiceOptions)
    lost_after: int | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    is_active: bool = True
    strategy: Mapping[str, Any] = field(default_factory=dict)
    scale_policy: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    verdict_settings: Mapping[str, Any] | None = None
    update_policy: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_compose(cls, service: ComposeService) -> ServiceState:
        """What a file says of the service."""
        labels = service.config.labels
        schedule = schedule_from_labels(labels)
        return cls(
            service.name,
            UnitConfig(service.config, tuple(Sidekick(name, config) for name, config in service.sidekicks)),
            service.scale if service.has_scale else None,
            service.description,
            service.metadata,
            service.options.with_labels(labels),
            lost_after_from_labels(labels),
            {alias: target for target, alias in (*service.links, *service.external_links)},
            service.config.start_on_create,
            service.upgrade_strategy,
            service.scale_policy,
            schedule.to_wire() if schedule else {},
            service.rules,
            update_policy=policy_from_labels(labels),
        )

    def to_json(self) -> dict[str, Any]:
        """What a revision of the stack keeps."""
        return {
            "name": self.name,
            "config": self.unit.primary.to_json(),
            "sidekicks": [each.to_json() for each in self.unit.sidekicks],
            "scale": self.scale,
            "description": self.description,
            "metadata": dict(self.metadata),
            "options": self.options.columns(),
            "lost_after": self.lost_after,
            "links": dict(sorted(self.links.items())),
            "rules": {alias: list(each) for alias, each in sorted(self.rules.items()) if each},
            "is_active": self.is_active,
            "scale_policy": dict(self.scale_policy),
            "schedule": dict(self.schedule),
            "verdict_settings": self.verdict_settings if self.verdict_settings is None else dict(self.verdict_settings),
            "update_policy": dict(self.update_policy),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ServiceState:
        """The value that `to_json` stored."""
        sidekicks = tuple(map(Sidekick.from_json, data["sidekicks"]))
        options = options_from_json(data["options"])
        kept = {
            name: data[name]
            for name in (
                "scale",
                "description",
                "metadata",
                "lost_after",
                "links",
                "is_active",
                "scale_policy",
                "schedule",
            )
        }
        unit = UnitConfig(LaunchConfig.from_json(data["config"]), sidekicks)
        # Revisions that an older portal kept have neither rules nor verdicts, nor policies for newer images.
        more = {"rules": data.get("rules", {}), "verdict_settings": data.get("verdict_settings")}
        more["update_policy"] = data.get("update_policy", {})
        return cls(data["name"], unit, options=options, **more, **kept)

    def settings(self) -> dict[str, Any]:
        """What can be changed while its containers stay, by v1's names, for a comparison."""
        target = self.options.external
        return {
            "scale": self.scale,
            "description": self.description,
            "metadata": {name: each for name, each in self.metadata.items() if name != HASH_LABEL},
            "externalIpAddresses": list(target.addresses),
            "hostname": target.hostname,
            "selectorLink": self.options.selector_link,
            "selectorContainer": self.options.selector_container,
            "retainIp": self.options.address_settings.get("retainIp"),
            "lostHostSeconds": self.lost_after,
            "links": dict(self.links),
            "scalePolicy": dict(self.scale_policy),
            "schedule": dict(self.schedule),
            "upgradeVerdict": dict(self.verdict_settings or {}),
            "imageUpdatePolicy": dict(self.update_policy),
        }


def _balancer_state(state: ServiceState) -> BalancerState:
    targets = {target: state.rules.get(alias, ()) for alias, target in state.links.items()}
    return BalancerState(state.options.balancer or BalancerSettings(), targets)


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What becomes of one service: `after` is the state that it is brought to, `before` the one that it has.

    `create`: it is new; `upgrade`: its containers are replaced; `update`: changed in place; `remove`: it goes; `keep`:
    the file does not have it, and it stays; `unchanged`. `problem` is why that is not possible now; `is_forced` is
    whether containers are replaced although nothing of them changes.
    """

    name: str
    what: What
    before: ServiceState | None = None
    after: ServiceState | None = None
    differences: tuple[FieldChange, ...] = ()
    problem: str = ""
    is_forced: bool = False

    @property
    def replaces_primary(self) -> bool:
        """Whether the primary containers are replaced: also when sidekicks come or go, which makes another unit."""
        if self.before is None or self.after is None:
            return False
        old, new = self.before.unit, self.after.unit
        names = [[each.name for each in unit.sidekicks] for unit in (old, new)]
        return self.is_forced or old.primary != new.primary or sorted(names[0]) != sorted(names[1])

    @property
    def replaced(self) -> ReplacedMembers | None:
        """Which containers of its units are made anew, and which stay; None unless it is upgraded and has sidekicks."""
        if self.what != UPGRADE or self.before is None or self.after is None:
            return None
        before, after = self.before.unit, self.after.unit
        if not (before.sidekicks or after.sidekicks):
            return None
        return replaced_members(self.name, before, after, with_primary=self.replaces_primary)

    @property
    def changes_anything(self) -> bool:
        """Whether anything is done about it."""
        return self.what not in {KEEP, UNCHANGED}


def plan_stack(
    current: Mapping[str, ServiceState],
    wanted: Mapping[str, ServiceState],
    *,
    shown: Mapping[str, ServiceState] | None = None,
    remove_missing: bool = False,
    force: bool = False,
) -> tuple[ServiceChange, ...]:
    """The changes that bring `current` services to `wanted` ones, by name, in the order of the wanted ones.

    `shown` is what a file of the current services reads back as: what a wanted service says just as it was shown is not
    a change, so that ids of this portal and whatever else a file cannot say stay as they are. With `force` the
    containers of all that are there already are replaced.
    """
    seen = current if shown is None else shown
    found = [_change(name, current.get(name), seen.get(name), each) for name, each in wanted.items()]
    if force:
        found = [_forced(each) for each in found]
    what: What = "remove" if remove_missing else "keep"
    missing = [ServiceChange(name, what, before=each) for name, each in current.items() if name not in wanted]
    return (*found, *missing)


def _forced(change: ServiceChange) -> ServiceChange:
    """The same with its containers replaced, where it has any that would stay."""
    after = change.after
    if change.what not in {UPGRADE, UPDATE, UNCHANGED} or after is None or change.problem:
        return change
    if not has_containers(after.options.kind, after.unit.primary.image):
        return change
    return replace(change, what="upgrade", is_forced=True)


def _change(name: str, before: ServiceState | None, shown: ServiceState | None, wanted: ServiceState) -> ServiceChange:
    if before is None:
        return ServiceChange(name, "create", after=replace(wanted, scale=1 if wanted.scale is None else wanted.scale))
    after = _merge(before, shown or before, wanted)
    if after.options.kind != before.options.kind:
        why = (
            f"{name} is of type {before.options.kind}: remove it first, or give the {wanted.options.kind} another name."
        )
        return ServiceChange(name, "update", before, after, problem=why)
    settings = diff_settings(before.settings(), after.settings())
    if BALANCER in {before.options.kind, after.options.kind}:
        settings = (*settings, *diff_balancers(_balancer_state(before), _balancer_state(after)))
    configs = diff_configs(before.unit, after.unit)
    is_other = _configs(before.unit) != _configs(after.unit)
    is_replaced = is_other and any(
        has_containers(each.options.kind, each.unit.primary.image) for each in (before, after)
    )
    what: What = "upgrade" if is_replaced else "update" if settings or is_other else "unchanged"
    if not is_other:
        after = replace(after, unit=before.unit)
    return ServiceChange(name, what, before, after, (*settings, *configs))


def _configs(unit: UnitConfig) -> dict[str, LaunchConfig]:
    return {"": unit.primary, **{each.name: each.config for each in unit.sidekicks}}


def _merge(before: ServiceState, shown: ServiceState, wanted: ServiceState) -> ServiceState:
    """The state with what was changed from what was shown."""
    options = before.options if wanted.options == shown.options else wanted.options
    return replace(
        wanted,
        unit=_merge_units(before.unit, shown.unit, wanted.unit),
        scale=before.scale if wanted.scale in {None, shown.scale} else wanted.scale,
        description=before.description if wanted.description == shown.description else wanted.description,
        metadata=before.metadata if wanted.metadata == shown.metadata else wanted.metadata,
        options=replace(options, address_settings=_merge_address_settings(before, shown, wanted)),
        lost_after=before.lost_after if wanted.lost_after == shown.lost_after else wanted.lost_after,
        links=before.links if wanted.links == shown.links else wanted.links,
        rules=before.rules if _rules(wanted) == _rules(shown) else wanted.rules,
        is_active=before.is_active,
        scale_policy=before.scale_policy if wanted.scale_policy == shown.scale_policy else wanted.scale_policy,
        schedule=before.schedule if wanted.schedule == shown.schedule else wanted.schedule,
        verdict_settings=before.verdict_settings if wanted.verdict_settings is None else wanted.verdict_settings,
        update_policy=before.update_policy if wanted.update_policy == shown.update_policy else wanted.update_policy,
    )


def _rules(state: ServiceState) -> dict[str, list[str]]:
    return {alias: list(each) for alias, each in state.rules.items() if each}


def _merge_address_settings(before: ServiceState, shown: ServiceState, wanted: ServiceState) -> Mapping[str, Any]:
    """The settings of addresses with those that differ between what was shown and is wanted; absent is the default."""
    old, seen, new = (each.options.address_settings for each in (before, shown, wanted))
    names = [*old, *(name for name in new if name not in old)]
    chosen = {name: old.get(name) if new.get(name) == seen.get(name) else new.get(name) for name in names}
    return {name: value for name, value in chosen.items() if value is not None}


def _merge_units(before: UnitConfig, shown: UnitConfig, wanted: UnitConfig) -> UnitConfig:
    old, seen = _configs(before), _configs(shown)
    versions = {each.name: each.version for each in before.sidekicks}
    sidekicks = tuple(
        Sidekick(
            each.name,
            merge_configs(old[each.name], seen.get(each.name, old[each.name]), each.config)
            if each.name in old
            else each.config,
            versions.get(each.name, 1),
        )
        for each in wanted.sidekicks
    )
    return UnitConfig(merge_configs(before.primary, shown.primary, wanted.primary), sidekicks)


def merge_configs(before: LaunchConfig, shown: LaunchConfig, wanted: LaunchConfig) -> LaunchConfig:
    """The configuration with the fields, and the single labels, that differ between what was shown and is wanted."""
    changed = {
        each.name: getattr(wanted, each.name)
        for each in fields(LaunchConfig)
        if each.name not in {"labels", *_ONLY_AT_CREATION} and getattr(wanted, each.name) != getattr(shown, each.name)
    }
    labels = _merge_labels(before.labels, shown.labels, wanted.labels)
    if labels != before.labels or any(getattr(before, name) != value for name, value in changed.items()):
        # What a client noted of the file that it sent is not true of this one.
        labels = {name: value for name, value in labels.items() if name != HASH_LABEL}
    return replace(before, labels=labels, **changed)


def _merge_labels(before: Mapping[str, str], shown: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    names = [*before, *(name for name in wanted if name not in before)]
    found = {}
    for name in names:
        is_changed = wanted.get(name) != shown.get(name) and not _is_setting(name)
        value = wanted.get(name) if is_changed else before.get(name)
        if value is not None:
            found[name] = value
    return found


def by_name(states: Iterable[ServiceState]) -> dict[str, ServiceState]:
    """States by their services' names."""
    return {each.name: each for each in states}
