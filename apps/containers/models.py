"""Containers, and the pulls of images that they wait for."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_start_once
from apps.containers.launch.values import RestartPolicy
from apps.containers.lifecycle import CONTAINER, IMAGE_REMOVAL, PULL
from apps.core.encrypted import EncryptedJSONField
from apps.core.models import TenantManager
from apps.environments.models import Environment, TenantRow
from apps.hosts.models import Host

CRASH_LOOP = 2  # ends in a row from which on people are told; the first one is started again at once


class Container(TenantRow):
    """One container: `spec` (a stored `LaunchConfig`) is what is wanted of it.

    `keep_running` ones belong to something that keeps them alive: the loop restarts them, and recreates them when
    they vanish; the others are as the engine shows them, and those that `runs_once` are never started a second time.
    `native` ones were made outside Corral. `aliases` and `tags`
    are the network names and engine labels their owner gave them, `avoid_host` the host a successor should not go to,
    `restart_mark` counts the restarts requested, `reserved_memory` (bytes) and `reserved_milli_cpu` are what its
    configuration reserves, where they can be summed up. `deployment_unit` is what the containers of one unit have in
    common, which are on one host, and `launch_name` says which of them this is. `networks` are networks of its engine
    that were there before it, by `name` with the `aliases` that it has in them: one that was made in mode `bridge` is
    in these instead of the default bridge. `retained_address` names the place of
    a service whose address is kept when its container is replaced, `slot_key` the place whose published ports are kept.
    Observed: `host` (the scheduler's), `external_id`, `address`, `health`, `placement` (the scheduler's trace),
    `first_running`, `start_count`, and `restarts`, those of its starts that nobody asked for.
    `is_ended_by_stop` marks a job that somebody stopped: it counts as ended, and is not started again by its service.
    `network_check` is the health check over the network (v1's `healthCheck`), `check_report` what was found by it.
    """

    KIND = "container"
    LIFECYCLE = CONTAINER

    spec = EncryptedJSONField(default=dict)
    image = models.CharField(max_length=512, blank=True)
    keep_running = models.BooleanField(default=False)
    native = models.BooleanField(default=False)
    aliases = models.JSONField(default=list)
    tags = models.JSONField(default=dict)
    fixed_ports = models.JSONField(default=list)
    requested_host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    avoid_host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    spread_key = models.CharField(max_length=64, blank=True)
    restart_mark = models.PositiveIntegerField(default=0)
    reserved_memory = models.PositiveBigIntegerField(default=0)
    reserved_milli_cpu = models.PositiveIntegerField(default=0)
    deployment_unit = models.CharField(max_length=36, blank=True, db_index=True)
    launch_name = models.CharField(max_length=63, blank=True)
    retained_address = models.CharField(max_length=160, blank=True)
    slot_key = models.CharField(max_length=160, blank=True)
    networks = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))

    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="containers")
    external_id = models.CharField(max_length=64, blank=True, db_index=True)
    address = models.CharField(max_length=64, blank=True)
    health = models.CharField(max_length=32, blank=True)
    placement = models.JSONField(default=list)
    first_running = models.DateTimeField(null=True)
    start_count = models.PositiveIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0, db_default=0)
    is_ended_by_stop = models.BooleanField(default=False, db_default=False)
    network_check = models.JSONField(null=True)
    check_report = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        indexes = [
            models.Index(fields=["environment", "host"]),
            models.Index(fields=["environment", "removed"]),
            # Asked every second, and few of ten thousand containers have a check.
            models.Index(
                fields=["host"], condition=models.Q(network_check__isnull=False, removed=None), name="container_checked"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> LaunchConfig:
        """What is wanted, as a value."""
        return LaunchConfig.from_json(self.spec or {})

    @property
    def runs_once(self) -> bool:
        """Whether it is one run of a scheduled service: whatever becomes of it, it is not started a second time.

        A service's own containers are kept running, and only these have its key. Lists do not read the tags.
        """
        return bool(self.spread_key) and not self.keep_running

    def refusal(self, action: str) -> str:
        """A run is over when it has ended."""
        is_refused = self.runs_once and action in {"start", "restart"}
        return "Not possible: it is one run of a scheduled service; run the service now instead." if is_refused else ""

    @property
    def is_crash_looping(self) -> bool:
        """Whether it ended again and again shortly after its start, and has not run for a while since."""
        crashes = int(self.engine_state.get("crashes", 0))
        return crashes >= CRASH_LOOP or (crashes > 0 and self.display_state == "restarting")

    @property
    def final_exit_code(self) -> int | None:
        """The exit code of a job that has ended and is not started again; None of everything else."""
        code = self.engine_state.get("final_exit_code")
        return int(code) if code is not None and (self.desired == "running" or self.is_ended_by_stop) else None

    @property
    def is_finished(self) -> bool:
        """Whether it is a job that is over, and is not started again: it has ended, or was stopped before it ran."""
        return self.final_exit_code is not None or (self.is_ended_by_stop and self.display_state == "stopped")

    @property
    def has_failed_for_good(self) -> bool:
        """Whether it is a job that ended with an error; the exit code of one that somebody stopped is none."""
        return bool(self.final_exit_code) and not self.is_ended_by_stop

    @property
    def restart_policy(self) -> RestartPolicy | None:
        """What is done when it ends; Rancher's label says the same as `restart: no`."""
        config = self.config
        return RestartPolicy(name="no") if is_start_once(config) else config.restart_policy

    @property
    def is_job(self) -> bool:
        """Whether it is a service's own container that is started once, and is done when it has ended."""
        policy = self.restart_policy
        return self.keep_running and policy is not None and policy.name == "no"

    @property
    def engine_state(self) -> dict[str, Any]:
        """What the engine reported last: state, exit code, ports, networks, mounts."""
        return self.status if isinstance(self.status, dict) else {}


class PublishedPort(models.Model):
    """The number of a host that was chosen for a published port without one.

    `place` keeps it when the container is replaced: a slot of a service, or the container itself (its uuid).
    `published` says which of its ports that is, such as `80/tcp`. Nobody uses it at present without a `container`.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    protocol = models.CharField(max_length=4)
    number = models.PositiveIntegerField()
    place = models.CharField(max_length=160, db_index=True)
    published = models.CharField(max_length=100)
    container = models.ForeignKey(Container, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["host", "protocol", "number"], name="one_holder_per_host_port"),
            models.UniqueConstraint(fields=["container", "published"], name="one_number_per_published_port"),
        )

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


class ContainerEvent(models.Model):
    """What was done to keep a container going, and why: the same thing for the same reason is counted, not repeated.

    `kind` is restarted, recreated, replaced, unhealthy, healthy, completed, failed or port (published on another one
    than before); `spread_key` is the container's, so that a service keeps the history of containers that are gone.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    container = models.ForeignKey(Container, on_delete=models.CASCADE, related_name="events")
    spread_key = models.CharField(max_length=64, blank=True, db_index=True)
    kind = models.CharField(max_length=16)
    reason = models.CharField(max_length=255, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(default=timezone.now)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "-id")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["container", "-at"])]

    def __str__(self) -> str:
        return f"{self.container} {self.kind}: {self.reason}"


class HostPolicy(models.Model):
    """What an administrator decided that containers of an environment may ask of their hosts (a stored `Policy`).

    An environment without a row follows the setting `host.policy.default`.
    """

    KIND = "hostPolicy"

    environment = models.OneToOneField(Environment, primary_key=True, on_delete=models.CASCADE, related_name="+")
    rules = models.JSONField(default=dict)
    changed = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"host policy of {self.name}"

    @property
    def name(self) -> str:
        """The environment's name, which the audit log shows."""
        return str(self.environment)


class Pull(TenantRow):
    """One image on its way to one host.

    `status` holds `percent`, `from` while another host sends it, and `mirror_failed` where the image came from its
    registry though a mirror was to have it. `platform` is the one that it is for, empty for the host's own. `source` is
    the host that a person wants it copied from; without one a registry is asked first. Observed: `sender` is the host
    that is sending it just now, which sends to one host at a time.
    """

    KIND = "pull"
    LIFECYCLE = PULL

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="pulls")
    image = models.CharField(max_length=512)
    platform = models.CharField(max_length=64, default="", db_default="")
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    sender = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        unique_together = [("host", "image", "platform")]

    def __str__(self) -> str:
        return f"{self.image} ({self.platform})" if self.platform else self.image


class MirroredImage(models.Model):
    """An image that came to a host through a mirror: how the registry knows it (`digest_name`, name@digest).

    Engines note digests under the names that were pulled only, which is the mirror's, and give none by tagging.
    `reference` is how the engine knows the image where it was asked for by its digest; else the name does. Written by
    `mirror_pulls` only; gone when the host is, or the image from it.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    image_id = models.CharField(max_length=128)
    digest_name = models.CharField(max_length=512)
    reference = models.CharField(max_length=768, blank=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["host", "image_id", "digest_name"], name="one_mirrored_image_per_host"),
        )

    def __str__(self) -> str:
        return self.digest_name


class HostImage(models.Model):
    """An image on a host as its engine listed it last; written by `images.inventory` only.

    `name` is what it is called: its first tag, else the repository of its digest. `tags` and `digests` are one a line,
    `size` is in bytes, `users` are the engine's ids of the containers that were made from it.
    """

    KIND = "hostImage"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="images")
    image_id = models.CharField(max_length=128, db_index=True)
    name = models.CharField(max_length=512, blank=True)
    tags = models.TextField(blank=True)
    digests = models.TextField(blank=True)
    size = models.PositiveBigIntegerField(default=0)
    created = models.DateTimeField(null=True)
    users = models.JSONField(default=list)
    user_count = models.PositiveIntegerField(default=0)

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()
    objects = TenantManager()

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["host", "image_id"], name="one_row_per_host_image"),)
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["environment", "image_id"])]

    def __str__(self) -> str:
        return self.name or self.short_id

    @property
    def short_id(self) -> str:
        """The beginning of its id, as engines show it."""
        return self.image_id.removeprefix("sha256:")[:12]

    @property
    def tag_list(self) -> list[str]:
        """Its names, each with its tag."""
        return self.tags.splitlines()

    @property
    def digest_list(self) -> list[str]:
        """How registries know it."""
        return self.digests.splitlines()

    @property
    def is_dangling(self) -> bool:
        """Whether it has lost its last name."""
        return not self.tags


class ImageInventory(models.Model):
    """When the images of a host were listed last; `is_stale` when something was heard that changed them since."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    host = models.OneToOneField(Host, primary_key=True, on_delete=models.CASCADE, related_name="image_inventory")
    taken_at = models.DateTimeField()
    is_stale = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"images of {self.host}"


class ImageRemoval(TenantRow):
    """Images to be removed from one host: `images` are their ids, names and sizes, one after the other.

    An image with `only` loses that name alone, and goes with its last one. `rule` says how they were chosen: selected
    by a person, dangling or unused; `force` also removes what stopped containers use. `status` holds `percent`,
    `removed` (ids), `kept` (id, name and reason), `untagged` (id, names, and those left), `names` that went, and
    `freed`, at most so many bytes: layers that other images share stay.
    """

    KIND = "imageRemoval"
    LIFECYCLE = IMAGE_REMOVAL

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    images = models.JSONField(default=list)
    rule = models.CharField(max_length=16)
    force = models.BooleanField(default=False)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name
