"""Stacks, services, the numbered slots that tie a service to its containers, and links between services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.models import User
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import TenantRow
from apps.hosts.models import Host
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.lifecycle import SERVICE as SERVICE_LIFECYCLE
from apps.stacks.lifecycle import STACK
from apps.stacks.lock import Lock  # noqa: F401 - a model: Django looks for it here
from apps.stacks.promotions.models import Promotion, PromotionRules  # noqa: F401 - models, as above
from apps.stacks.removed_links import RemovedServiceLink  # noqa: F401 - a model: Django looks for it here
from apps.stacks.run_plan import BY_SCHEDULE, LIVE, WAITING
from apps.stacks.scale_policy import ScalePolicy
from apps.stacks.schedule import Schedule
from apps.stacks.service_options import (
    BALANCER,
    SERVICE,
    ExternalTarget,
    ServiceOptions,
    has_containers,
    without_containers,
)
from apps.stacks.sidekicks import Sidekick
from apps.stacks.stack_history import StackRevision
from apps.stacks.updates.models import ImageUpdate  # noqa: F401 - a model: Django looks for it here
from apps.stacks.verdict.observation import UpgradeObservation  # noqa: F401 - a model: Django looks for it here
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall  # noqa: F401 - models, as above

ACTIONS_ON_CONTAINERS = frozenset({"upgrade", "restart", "returntorevision"})
CLEARED_BY_CHANGES: dict[str, Any] = {"undo_until": None}
RUN_NOW = "runnow"
GIVE_BACK = "giveback"


class Stack(TenantRow):
    """A group of services, a compose project; the wire calls it `environment`.

    `revision` is the number of its last revision, 0 before the first; `previous_revision` the one before the last
    upgrade, and `upgrade` how that goes on: its phase (see `stack_rollout.py`) and the services that it is about.
    Until `undo_until` its deletion can be undone, and is not begun; `removal` says who deleted it and what was desired.
    `adopted` says what it was before it became a stack (see `adopted.py`); empty for one that was made here.
    """

    KIND = "stack"
    LIFECYCLE = STACK
    CLEARED_BY_CHANGES = CLEARED_BY_CHANGES

    file_warnings: Sequence[str] = ()
    """What of its files was not carried over, on the row that `stack_create` returns; kept with the operation."""

    docker_compose = EncryptedTextField(blank=True)
    rancher_compose = EncryptedTextField(blank=True)
    variables = EncryptedJSONField(default=dict)
    external_id = models.CharField(max_length=255, blank=True)
    outputs = models.JSONField(default=dict)
    undo_until = models.DateTimeField(null=True)
    removal = models.JSONField(default=dict)
    start_on_create = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=0)
    previous_revision = models.PositiveIntegerField(null=True)
    upgrade = models.JSONField(default=dict)
    adopted = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint(
                "environment", Lower("name"), condition=models.Q(removed=None), name="stack_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def refusal(self, action: str) -> str:
        """Only what was there before can be given back."""
        is_refused = action == GIVE_BACK and not self.adopted
        return "Not possible: it was made here; nothing else would know its containers." if is_refused else ""


class Service(TenantRow):
    """Containers of one launch configuration, kept at `scale` while active.

    `lost_after` is how many seconds after the last contact with a lost host its containers are replaced elsewhere; None
    waits for the host. `spec` is what revision number `revision` says, `previous_revision` the one before the last
    upgrade, and `upgrade` how that upgrade goes on: its phase (see `upgrade.py`), batch size, interval, order.
    Services of another `kind` have no containers: they lead elsewhere (`external`) or to what they link to.
    `secondary` are the stored sidekicks of each of its deployment units, `sidekick_names` their names alone, as to look
    for a name must not take as long as to decrypt a stack; `primary_version` is the revision that changed
    `spec` last, None when that is `revision` itself.
    `schedule` is when it runs, for one that has no containers but those of its runs (a stored `Schedule`).
    `restart` is the last rolling restart: batch size, interval, and `marks`, how often each container had been asked to
    restart when it was requested, and of how many `units` they are. `verdict_settings` say how its upgrades are judged
    that do not say so themselves; empty: not at all. `upgrade_target` is the other service that takes over from it, in
    an upgrade from one service to another (see `handover.py`). `balancer` are the stored settings of a balancer.
    `adopted` says what its containers were part of before, and what new ones are to have of that (see `adopted.py`).
    `update_policy` says what is done about newer images (a stored `UpdatePolicy`, empty: as in the environment), and
    was set by `update_policy_by`; `image_pins` are the digests that its images' names are held to, by name.
    """

    KIND = "service"
    LIFECYCLE = SERVICE_LIFECYCLE
    CLEARED_BY_CHANGES = CLEARED_BY_CHANGES

    stack = models.ForeignKey(Stack, on_delete=models.CASCADE, related_name="services")
    scale = models.PositiveIntegerField(default=1)
    spec = EncryptedJSONField(default=dict)
    image = models.CharField(max_length=512, blank=True)
    metadata = models.JSONField(default=dict)
    external_id = models.CharField(max_length=255, blank=True)
    start_on_create = models.BooleanField(default=False)
    scale_policy = models.JSONField(default=dict)
    lost_after = models.PositiveIntegerField(null=True)
    revision = models.PositiveIntegerField(default=1)
    previous_revision = models.PositiveIntegerField(null=True)
    upgrade = models.JSONField(default=dict)
    kind = models.CharField(max_length=32, default=SERVICE)
    external = models.JSONField(default=dict)
    selector_link = models.TextField(blank=True)
    selector_container = models.TextField(blank=True)
    address_settings = models.JSONField(default=dict)
    secondary = EncryptedJSONField(default=list, null=True)
    sidekick_names = models.JSONField(default=list)
    primary_version = models.PositiveIntegerField(null=True)
    undo_until = models.DateTimeField(null=True)
    removal = models.JSONField(default=dict)
    restart = models.JSONField(default=dict)
    verdict_settings = models.JSONField(default=dict)
    schedule = models.JSONField(default=dict)
    balancer = EncryptedJSONField(default=None, null=True)
    upgrade_target = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="taken_over")
    adopted = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    # A portal of the version before writes rows without these while both run.
    update_policy = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    update_policy_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    image_pins = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        ordering = ("id",)
        indexes = [
            models.Index(fields=["environment", "removed"]),
            # Asked at every change of a container or service, and nearly always without an answer.
            models.Index(
                fields=["environment"],
                condition=models.Q(removed=None) & (~models.Q(selector_link="") | ~models.Q(selector_container="")),
                name="service_selects",
            ),
        ]
        constraints = (
            models.UniqueConstraint("stack", Lower("name"), condition=models.Q(removed=None), name="service_name_once"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> LaunchConfig:
        """What its containers are made from, as a value."""
        return LaunchConfig.from_json(self.spec or {})

    @property
    def sidekicks(self) -> tuple[Sidekick, ...]:
        """What the other containers of its deployment units are made from."""
        return tuple(map(Sidekick.from_json, self.secondary or ()))

    @property
    def current_version(self) -> int:
        """The revision that its primary containers are to be of: upgrades of sidekicks alone leave them as they are."""
        return self.primary_version or self.revision

    @property
    def upgrade_phase(self) -> str:
        """What is desired of the last upgrade; empty when there was none, or it is finished."""
        return str(self.upgrade.get("phase", ""))

    @property
    def has_containers(self) -> bool:
        """Whether it has containers of its own."""
        return has_containers(self.kind, self.image)

    @property
    def wanted_containers(self) -> int:
        """How many containers of its own it is to have all the time; a scheduled one has those of its runs."""
        return self.scale if self.has_containers and not self.schedule else 0

    @property
    def timetable(self) -> Schedule | None:
        """When it runs, as a value; None for one that runs all the time."""
        return Schedule.from_json(self.schedule) if self.schedule else None

    @property
    def fit_policy(self) -> ScalePolicy | None:
        """Between how many containers it has as many as fit; None for a service with a scale."""
        return ScalePolicy.from_wire(self.scale_policy or None)

    @property
    def options(self) -> ServiceOptions:
        """Its kind, where it leads and what it selects, as a value."""
        target = ExternalTarget.from_json(self.external)
        return ServiceOptions(
            self.kind,
            target,
            self.selector_link,
            self.selector_container,
            self.address_settings,
            self.balancer_settings if self.kind == BALANCER else None,
        )

    @property
    def balancer_settings(self) -> BalancerSettings:
        """The listeners and more of a balancer, as a value."""
        return BalancerSettings.from_json(self.balancer or {})

    def refusal(self, action: str) -> str:
        """Nothing that is done to containers where there are none, and runs only of what has a schedule."""
        if action in ACTIONS_ON_CONTAINERS and not self.has_containers:
            return f"Not possible: {without_containers(self.kind)}."
        if action == RUN_NOW and not self.schedule:
            return "Not possible: it has no schedule, and runs all the time."
        if action == "restart" and self.schedule:
            return "Not possible: its runs end by themselves; run it now instead."
        return ""


class ServiceRevision(models.Model):
    """What the containers of a service were to be made from at one time: immutable, numbered from 1.

    `account` made it, by `via` (console, API, command line, compose file); None is the installation itself, or somebody
    who is gone. `note` is what they wrote about it, `image_id` the image that its tag meant on the hosts, once it ran.
    `stack_revision` is the revision of the whole stack that it is a part of, where it was made by that. Of a balancer
    it has the settings, and once another one took its place these, the `links` with their rules and the selector of
    more as they were then; so are the `verdict_settings`. `image_pins` are the digests that images were held to.
    `returns_to` is the number of the revision that this one brought back, by a rollback or later; None where it brought
    something new.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    spec = EncryptedJSONField(default=dict)
    image = models.CharField(max_length=512, blank=True)
    secondary = EncryptedJSONField(default=list, null=True)
    primary_version = models.PositiveIntegerField(null=True)
    created = models.DateTimeField(default=timezone.now)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=16, blank=True)
    note = models.CharField(max_length=500, blank=True)
    image_id = models.CharField(max_length=100, blank=True)
    stack_revision = models.ForeignKey(StackRevision, null=True, on_delete=models.SET_NULL, related_name="+")
    balancer = EncryptedJSONField(default=None, null=True)
    links = models.JSONField(null=True)
    # Revisions that another version of the portal writes meanwhile know nothing of it.
    selector_link = models.TextField(blank=True, default="", db_default="")
    verdict_settings = models.JSONField(null=True)
    image_pins = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    returns_to = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ("-number",)
        unique_together = [("service", "number")]

    def __str__(self) -> str:
        return f"{self.service} revision {self.number}"

    @property
    def config(self) -> LaunchConfig:
        """What its containers are made from, as a value."""
        return LaunchConfig.from_json(self.spec or {})

    @property
    def sidekicks(self) -> tuple[Sidekick, ...]:
        """What the other containers of its deployment units are made from."""
        return tuple(map(Sidekick.from_json, self.secondary or ()))


class Slot(models.Model):
    """The place `number` of a service: keeps its number when its container is replaced.

    While its container is to leave its host, or is replaced by an upgrade that starts first, `successor` is the one
    that takes over as soon as it runs. `previous` is the stopped one of before the upgrade, kept for a rollback. These
    are the primary containers; the sidekicks are the other containers of their deployment units.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveIntegerField()
    container = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="slot")
    successor = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="succeeds")
    previous = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="kept_by")
    avoid_host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("number",)
        unique_together = [("service", "number")]

    def __str__(self) -> str:
        return f"{self.service} {self.number}"


class ServiceRun(models.Model):
    """An entry in the history of a scheduled service: one run, or due times at which there was none.

    `state` is one of `run_plan.py`. What was skipped or missed is one entry for `count` due times in a row, from
    `first_due_at` to `due_at`. `trigger` says why it runs, `account` who had it run by hand, `revision` what it was
    made from. `ending` is why it is being stopped, in the words of the state that comes then. `container` is kept for
    its logs as long as the schedule says.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    first_due_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    trigger = models.CharField(max_length=16, default=BY_SCHEDULE)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(default=timezone.now)

    state = models.CharField(max_length=16, default=WAITING)
    ending = models.CharField(max_length=16, blank=True)
    revision = models.PositiveIntegerField(null=True)
    container = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="run")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-due_at", "-id")
        constraints = (models.UniqueConstraint("service", "due_at", name="service_run_once"),)

    def __str__(self) -> str:
        return f"{self.service} at {self.due_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_live(self) -> bool:
        """Whether it waits or goes on."""
        return self.state in LIVE


class ServiceMember(models.Model):
    """What a service is reached at: one of its containers, one that its selector found, an address or a hostname.

    The wire calls it `serviceExposeMap`. `managed` is False for containers that belong to others. `check_report` is
    what hosts found where an address is checked, `checked_at` when that became another state.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="members")
    container = models.ForeignKey(Container, null=True, on_delete=models.CASCADE, related_name="memberships")
    address = models.CharField(max_length=45, blank=True)
    hostname = models.CharField(max_length=254, blank=True)
    managed = models.BooleanField(default=True)
    created = models.DateTimeField(default=timezone.now)
    check_report = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint("service", "container", "address", "hostname", name="service_member_once"),
        )

    def __str__(self) -> str:
        return f"{self.service} at {self.container or self.address or self.hostname}"


class ServiceLink(models.Model):
    """`service` reaches `target` under `name`; `selected` ones come and go with what the service's selector finds.

    `ports` are the rules of a balancer's target, as `targets.py` reads them.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="links")
    target = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="linked_by")
    name = models.CharField(max_length=255)
    selected = models.BooleanField(default=False)
    ports = models.JSONField(default=list)

    class Meta:
        ordering = ("name",)
        unique_together = [("service", "name")]

    def __str__(self) -> str:
        return f"{self.service} -> {self.target} as {self.name}"
