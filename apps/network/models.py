"""The managed network of an environment, what each of its hosts does for it, and its addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.environments.models import Environment, TenantRow
from apps.hosts.models import Host
from apps.network.addressing import DEFAULT_SUBNET, MTU, WIREGUARD, AddressPlan, mac_of
from apps.network.lifecycle import CHECKED, CHECKING, NETWORK_CHECK
from apps.network.policies import ALL
from apps.network.port_range import DEFAULT_PORT_RANGE

ACTIVE, STARTING, FAILED, OFF = "active", "starting", "error", "off"
START_GRACE = timedelta(seconds=30)


class EnvironmentNetwork(models.Model):
    """The managed network of an environment.

    `revision` counts whatever hosts have to know: each of its changes is in the transaction that counts it. `cursor`
    is the address that was given out last, so that none is given again at once. `policy` says who may reach whom,
    `port_range` from which ports of a host published ones without a number get theirs.
    """

    KIND = "environmentNetwork"

    environment = models.OneToOneField(Environment, primary_key=True, on_delete=models.CASCADE, related_name="network")
    subnet = models.CharField(max_length=18, default=DEFAULT_SUBNET)
    encryption = models.CharField(max_length=16, default=WIREGUARD)
    policy = models.CharField(max_length=16, default=ALL)
    port_range = models.CharField(max_length=11, default=DEFAULT_PORT_RANGE)
    vni = models.PositiveIntegerField(unique=True)
    revision = models.PositiveBigIntegerField(default=1)
    cursor = models.CharField(max_length=15, blank=True)

    def __str__(self) -> str:
        return f"{self.subnet} of {self.environment_id}"

    @property
    def name(self) -> str:
        """The environment's name, which the audit log shows."""
        return str(self.environment)

    @property
    def plan(self) -> AddressPlan:
        """How its subnet is divided."""
        return AddressPlan.of(self.subnet)

    @property
    def mtu(self) -> int:
        """The longest packet that fits through its tunnels."""
        return MTU[self.encryption]


class HostNetwork(models.Model):
    """A host's part of the managed network: `number` gives its gateway; `address` is where other hosts reach it.

    Reported by its agent: `public_key`, `state` (active, starting, error, off) since `state_since`, `reason`,
    `peers` (what it sees of each other host, by uuid), `conflict` (what of the host overlaps the subnet);
    `reported_at` is when key, peers or conflict last became others.
    """

    host = models.OneToOneField(Host, primary_key=True, on_delete=models.CASCADE, related_name="network")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveIntegerField(null=True)
    address = models.CharField(max_length=15, blank=True)

    public_key = models.CharField(max_length=44, blank=True)
    state = models.CharField(max_length=16, default=STARTING)
    state_since = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=300, blank=True)
    conflict = models.CharField(max_length=300, blank=True)
    peers = models.JSONField(default=dict)
    reported_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["environment", "number"], name="one_host_per_network_number"),)

    def __str__(self) -> str:
        return f"{self.number} in {self.environment_id}"

    @property
    def is_active(self) -> bool:
        """Whether containers there can have an address of the managed network."""
        return self.state == ACTIVE

    @property
    def is_awaited(self) -> bool:
        """Whether it is expected to become active any moment, so that containers had better wait for it."""
        return self.state == STARTING and timezone.now() - self.state_since < START_GRACE


class NetworkCheck(TenantRow):
    """Whether the hosts of an environment reach each other: a row for each, whose generation is the number of the run.

    `started` is when the newest run was requested, `checked_at` when the last one ended; what hosts reported of it is
    in their `HostCheck`. `measured` are the uuids of the two hosts whose throughput the newest run measures, if any.
    """

    KIND = "networkCheck"
    LIFECYCLE = NETWORK_CHECK

    started = models.DateTimeField(default=timezone.now)
    measured = models.JSONField(default=list)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["environment"], name="one_check_per_network"),)

    def __str__(self) -> str:
        return f"hosts of {self.environment_id}"

    @property
    def is_running(self) -> bool:
        """Whether hosts are being asked just now."""
        return bool(self.display_state in {CHECKING, "requested"})

    @property
    def is_over(self) -> bool:
        """Whether the newest run has ended, so that there is nothing to do."""
        return self.state == CHECKED and self.observed_generation == self.generation


class HostCheck(models.Model):
    """What a host's agent reported of run `generation` of its environment's check; 0 before it has taken part."""

    host = models.OneToOneField(Host, primary_key=True, on_delete=models.CASCADE, related_name="network_check")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    generation = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict)

    class Meta:
        ordering = ("host",)

    def __str__(self) -> str:
        return f"run {self.generation} on {self.host_id}"


class HostNetworkFigures(models.Model):
    """What a host's agent counts of the managed network, and how the servers are that it has for containers.

    `traffic` are the counters as of `counted_at`, `rates` what they grew by in a second since the report before;
    `servers` has, by the name of the document that they answer from, state and reason.
    """

    host = models.OneToOneField(Host, primary_key=True, on_delete=models.CASCADE, related_name="network_figures")
    traffic = models.JSONField(default=dict)
    rates = models.JSONField(default=dict)
    counted_at = models.DateTimeField(null=True)
    servers = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"figures of {self.host_id}"


class Address(models.Model):
    """An address of a managed network and who has it.

    `holder` is the row of the container that has it, `container` its uuid, `host` and `engine_id` where it is. One
    with `retained_for` stays with that place of a service when its container is replaced. One that nobody has is not
    given again for a while after `freed_at`.
    """

    QUARANTINE = timedelta(minutes=1)

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=15)
    holder = models.BigIntegerField(null=True, unique=True)
    container = models.UUIDField(null=True)
    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    engine_id = models.CharField(max_length=64, blank=True)
    retained_for = models.CharField(max_length=160, blank=True)
    freed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["environment", "holder"])]
        constraints = (
            models.UniqueConstraint(fields=["environment", "address"], name="one_holder_per_address"),
            models.UniqueConstraint(
                fields=["environment", "retained_for"], condition=~Q(retained_for=""), name="one_retained_address"
            ),
        )

    def __str__(self) -> str:
        return self.address

    @property
    def mac(self) -> str:
        """The MAC address that goes with it."""
        return mac_of(self.address)

    @property
    def is_quarantined(self) -> bool:
        """Whether it was somebody's so recently that others may still send to it."""
        return self.freed_at is not None and timezone.now() - self.freed_at < self.QUARANTINE

    def give_to(self, **columns: Any) -> None:
        """Let a container have it."""
        for name, value in {"freed_at": None, "engine_id": "", **columns}.items():
            setattr(self, name, value)
        self.save()
