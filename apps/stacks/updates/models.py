"""The tables of newer images: what registries said, what runs, and what was upgraded by policy."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.accounts.models import User
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host


class RegistryTag(models.Model):
    """A tag in a registry, as one account sees it: all environments that pull with that account share it.

    `account` is empty for requests without one, else whose credential it is (see `accounts.py`), so that what one
    tenant's password opens is shown to nobody else. `digest` is what the tag means since `digest_since`; `etag` goes
    with the next question. `next_at` is when it is asked for again, `requested_at` when a person wants it sooner.
    Of a question without an answer, `problem` is the kind, `message` the reason, `failures` how many in a row.
    `mirror` is the address of the mirror that said the digest; empty: the registry itself.
    """

    domain = models.CharField(max_length=255)
    repository = models.CharField(max_length=255)
    tag = models.CharField(max_length=128)
    account = models.CharField(max_length=32, blank=True)
    digest = models.CharField(max_length=140, blank=True)
    digest_since = models.DateTimeField(null=True)
    etag = models.CharField(max_length=256, blank=True)
    checked_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(default=timezone.now)
    requested_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=16, blank=True)
    message = models.CharField(max_length=400, blank=True)
    mirror = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint("domain", "repository", "tag", "account", name="registry_tag_once"),)
        indexes = (models.Index(fields=["next_at"], name="registry_tag_due"),)

    def __str__(self) -> str:
        return f"{self.domain}/{self.repository}:{self.tag}"


class RegistryHold(models.Model):
    """A registry that is asked nothing with an account `until` a time: it set a limit, or could not be reached.

    `challenge` is where it sends for tokens, so that each question is one request.
    """

    domain = models.CharField(max_length=255)
    account = models.CharField(max_length=32, blank=True)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=400, blank=True)
    failures = models.PositiveIntegerField(default=0)
    challenge = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint("domain", "account", name="registry_hold_once"),)

    def __str__(self) -> str:
        return f"{self.domain} as {self.account or 'nobody'}"


class HostImageDigests(models.Model):
    """Under which `repository@digest` names the engine of a host has an image, at `seen_at`."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    image_id = models.CharField(max_length=100)
    digests = models.JSONField(default=list)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint("host", "image_id", name="host_image_digests_once"),)

    def __str__(self) -> str:
        return f"{self.image_id} on {self.host}"


class ImageUpdate(models.Model):
    """An image that a service, or a container of no service, runs, and whether its registry has a newer one.

    `state` is newer, current or unknown, then with the `reason`; `running` is the digest that runs (one of them, while
    containers differ), `digest` the registry's, first seen at `since`. `tag` is what the registry is asked for.
    """

    NEWER, CURRENT, UNKNOWN = "newer", "current", "unknown"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    service = models.ForeignKey("stacks.Service", null=True, on_delete=models.CASCADE, related_name="image_updates")
    container = models.ForeignKey(Container, null=True, on_delete=models.CASCADE, related_name="+")
    image = models.CharField(max_length=512)
    tag = models.ForeignKey(RegistryTag, null=True, on_delete=models.SET_NULL, related_name="uses")
    state = models.CharField(max_length=16, default=UNKNOWN)
    reason = models.CharField(max_length=400, blank=True)
    running = models.CharField(max_length=140, blank=True)
    digest = models.CharField(max_length=140, blank=True)
    since = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint("service", "image", name="image_update_once"),
            models.UniqueConstraint("container", name="image_update_of_container_once"),
        )
        indexes = (models.Index(fields=["environment", "state"], name="image_update_listed"),)

    def __str__(self) -> str:
        return f"{self.image} of {self.service or self.container}"


class ImageUpgrade(models.Model):
    """The last upgrade of a service that its policy began: to these `digests` by image, as this `revision`.

    `outcome` is one of `outcomes.py`; what failed is not tried again with the same digests, unless a person does.
    """

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    service = models.OneToOneField("stacks.Service", on_delete=models.CASCADE, related_name="image_upgrade")
    digests = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(null=True)
    previous_revision = models.PositiveIntegerField(null=True)
    outcome = models.CharField(max_length=16)
    message = models.CharField(max_length=400, blank=True)
    started = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=["environment", "outcome"], name="image_upgrade_going"),)

    def __str__(self) -> str:
        return f"{self.service} to revision {self.revision}"


class EnvironmentUpdatePolicy(models.Model):
    """What services of an environment do about newer images that do not say so themselves (a stored `UpdatePolicy`)."""

    KIND = "updatePolicy"

    environment = models.OneToOneField(Environment, primary_key=True, on_delete=models.CASCADE, related_name="+")
    policy = models.JSONField(default=dict)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    changed = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"update policy of {self.environment}"

    @property
    def name(self) -> str:
        """The environment's name, which the audit log shows."""
        return str(self.environment)
