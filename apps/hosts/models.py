"""Hosts, the tokens with which more of them join, their agents' credentials, and what happened on them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import Environment, TenantRow
from apps.hosts.lifecycle import AWAY, HOST, TOKEN

AGENT_SCHEME = "agent://"
TAKES_DOCUMENTS = Q(url__startswith=AGENT_SCHEME) | Q(system_container=True)
"""Of the hosts whose networks, names and checks are looked after on the spot."""
MAX_CLOCK_SKEW = 5.0
"""By how many seconds a host's clock may differ before it is reported."""
LATE_AFTER_SECONDS = 10.0
"""How old (seconds) an event may be when it is learned before it counts as learned late."""


class Host(TenantRow):
    """A machine with an engine, owned by one environment.

    `url` is where the engine listens, `tls` what opens it (ca, cert, key as PEM; host_key,
    private_key, password for SSH), `labels` the user's, `drain` how the host is to be drained (empty: not at all):
    `asked`, a mark, and `stopStandalone`; `memory_limit` (bytes) and `milli_cpu_limit` how much of it containers may
    reserve, None all that the engine reports; `system_container` whether the portal keeps one there, in the place of an
    agent (`apps/hosts/system_container/`).
    Observed: `engine_id` (of one host in the whole installation), `fenced` (why nothing is requested of the engine:
    it is another host's, or not the one it was), `hostname`, `info` (v1 `host.info`), `seen_at` (when the engine last
    answered) and `lost_at` (since when it does not), `sampled_at` (its last minute of statistics). Which process holds
    the engine's event stream is a lease (`gateway`, until `gateway_until`); of a host behind an agent it holds the
    tunnel, with its end at `tunnel_socket` on its own machine and behind the relay at `tunnel_address` for others.

    Reported by the agent: `agent` (version, readOnly, simulated, and engineId, which the engine has yet to confirm),
    `skew` (how many seconds its clock is ahead of the portal's), `journal_seq` (up to where its journal was read).
    `system_report` says how the system container does: `state` (starting, active, failed) and `message`.
    """

    KIND = "host"
    LIFECYCLE = HOST

    url = models.CharField(max_length=512)
    tls = EncryptedJSONField(default=dict)
    labels = models.JSONField(default=dict)
    address = models.CharField(max_length=255, blank=True)
    drain = models.JSONField(default=dict)
    memory_limit = models.PositiveBigIntegerField(null=True, blank=True)
    milli_cpu_limit = models.PositiveIntegerField(null=True, blank=True)
    system_container = models.BooleanField(default=False)

    engine_id = models.CharField(max_length=128, blank=True, db_index=True)
    fenced = models.TextField(blank=True)
    hostname = models.CharField(max_length=255, blank=True)
    info = models.JSONField(default=dict)
    engine_labels = models.JSONField(default=dict)
    gateway = models.CharField(max_length=64, blank=True)
    gateway_until = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    lost_at = models.DateTimeField(null=True)
    sampled_at = models.DateTimeField(null=True)
    tunnel_socket = models.CharField(max_length=255, blank=True)
    tunnel_address = models.CharField(max_length=255, blank=True)
    agent = models.JSONField(default=dict)
    skew = models.FloatField(default=0.0)
    journal_seq = models.BigIntegerField(default=0)
    system_report = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["engine_id"], condition=Q(removed=None) & ~Q(engine_id=""), name="one_host_per_engine"
            ),
        )

    def __str__(self) -> str:
        return self.name or self.hostname or self.url

    @property
    def has_agent(self) -> bool:
        """Whether an agent on the machine dials out to the portal."""
        return self.url.startswith(AGENT_SCHEME)

    @property
    def takes_documents(self) -> bool:
        """Whether an agent or a system container there takes documents and makes checks; see `TAKES_DOCUMENTS`."""
        return self.has_agent or self.system_container

    @property
    def is_skewed(self) -> bool:
        """Whether its clock differs so much from the portal's that people should know."""
        return abs(self.skew) > MAX_CLOCK_SKEW

    @property
    def is_unreachable(self) -> bool:
        """Whether the engine does not answer just now, whatever transition the host shows."""
        return self.lost_at is not None or self.display_state in AWAY

    @property
    def is_responding(self) -> bool:
        """Whether the engine answered the last reconcile, so that it is expected to answer the next."""
        return self.seen_at is not None and not self.is_unreachable and self.display_state != "error"

    @property
    def is_draining(self) -> bool:
        """Whether containers are being moved away from here."""
        return self.desired == "inactive" and bool(self.drain) and self.status.get("drained") != self.drain["asked"]

    @property
    def reservable_memory(self) -> int | None:
        """How many bytes of memory containers may reserve here; None while nobody knows."""
        total = self.memory_limit or (self.info.get("memoryInfo") or {}).get("memTotal", 0) * 1024 * 1024
        return int(total) or None

    @property
    def reservable_milli_cpu(self) -> int | None:
        """How many thousandths of a processor containers may reserve here; None while nobody knows."""
        total = self.milli_cpu_limit or (self.info.get("cpuInfo") or {}).get("count", 0) * 1000
        return int(total) or None

    @property
    def all_labels(self) -> dict[str, Any]:
        """The engine's automatic labels and the user's, the user's winning."""
        return {**self.engine_labels, **self.labels}


class RegistrationToken(TenantRow):
    """The key with which hosts register themselves in an environment; the secret signs, it never leaves."""

    KIND = "registrationToken"
    LIFECYCLE = TOKEN

    public_value = models.CharField(max_length=64, unique=True)
    secret_value = EncryptedTextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.public_value


class AgentCredential(models.Model):
    """What one agent authenticates with: an access key and secret to open a tunnel, and its host key inside.

    `request` is the random key the agent registered under, by its try of the number `attempt`. A credential ends when
    its host is removed, or when the same engine registers again.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="credentials")
    access_key = models.CharField(max_length=64, unique=True)
    secret_hash = models.CharField(max_length=64)
    public_key = models.TextField()
    request = models.CharField(max_length=128, blank=True, db_index=True)
    attempt = models.PositiveIntegerField(default=1)
    address = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(default=timezone.now)
    revoked = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.access_key


class HostEvent(models.Model):
    """One event of a host's timeline: `at` in the portal's time, `learned_at` when the portal learned of it.

    `seq` is the agent's number for it, None for what the portal saw itself. `kind` is container, image, network,
    agent, or `gap` where events were lost; `subject` is the engine's id of what it happened to, `name` for people.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="events")
    seq = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    learned_at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=32)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=255, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ("-at", "-id")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["host", "-at", "-id"])]
        constraints = (models.UniqueConstraint(fields=["host", "seq"], name="host_event_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.action} {self.name}"

    @property
    def is_late(self) -> bool:
        """Whether the portal learned of it only afterwards, having lost the host meanwhile."""
        return (self.learned_at - self.at).total_seconds() > LATE_AFTER_SECONDS


class PortalKey(models.Model):
    """The installation's keys for agents, one row shared by all processes: made once, never shown.

    `private` is the ed25519 key (OpenSSH) that agents pin; `relay_key` and `relay_certificate` (PEM) are what processes
    that hold tunnels show to those that reach hosts through them.
    """

    name = models.CharField(max_length=32, unique=True)
    private = EncryptedTextField()
    public = models.TextField()
    relay_key = EncryptedTextField()
    relay_certificate = models.TextField()

    def __str__(self) -> str:
        return self.public


class StatsHour(models.Model):
    """An hour of one target's statistics, a point a minute.

    `kind` and `target` are a host's or a container's, `points` packed as `hosts.stats.history` says, `counters` the
    sample that the next point is counted from.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16)
    target = models.BigIntegerField()
    hour = models.DateTimeField(db_index=True)
    points = models.BinaryField(default=bytes)
    counters = models.BinaryField(default=bytes)

    class Meta:
        ordering = ("hour",)
        constraints = (models.UniqueConstraint(fields=["kind", "target", "hour"], name="one_hour_of_statistics"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.target} {self.hour:%H:%M}"
