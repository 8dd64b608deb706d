"""The tables of deploy webhooks and of the calls that were made to them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.core.encrypted import EncryptedTextField
from apps.environments.models import TenantRow
from apps.stacks.webhooks.call_body import ScaleLimits
from apps.stacks.webhooks.lifecycle import DEPLOY_WEBHOOK


class DeployWebhook(TenantRow):
    """One task that whoever holds the secret may have done to `service`: scale, upgrade or redeploy.

    It acts as `account`, through `key` if `with_key`: who made it, or renewed its secret last, with no more than they
    may do at the time of the call. `min_scale`, `max_scale` and `step` are the limits of `scale`, `tag_patterns` those
    of `upgrade` (empty: every tag). Refused calls that did not prove to know the secret are counted, and are in the
    audit log together: `refusals` in all, `refusals_recorded` of them are in it, the last entry from `recorded_at`.
    """

    KIND = "deployWebhook"
    LIFECYCLE = DEPLOY_WEBHOOK

    service = models.ForeignKey("stacks.Service", on_delete=models.CASCADE, related_name="webhooks")
    task = models.CharField(max_length=16)
    min_scale = models.PositiveIntegerField(default=0)
    max_scale = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(default=1)
    tag_patterns = models.JSONField(default=list)
    secret = EncryptedTextField()
    secret_changed = models.DateTimeField(default=timezone.now)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    with_key = models.BooleanField(default=False)

    last_used = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0)
    refusals_recorded = models.PositiveIntegerField(default=0)
    refused_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]

    def __str__(self) -> str:
        return self.name

    @property
    def limits(self) -> ScaleLimits:
        """Between how many containers it may choose, as a value."""
        return ScaleLimits(self.min_scale, self.max_scale, self.step)


class DeployWebhookCall(models.Model):
    """One call that was signed with the secret: what it asked for and how it was answered.

    The signature is kept at least until `expires`, after which its own time is too old: the same call counts once.
    """

    ACCEPTED, REFUSED = "accepted", "refused"

    webhook = models.ForeignKey(DeployWebhook, on_delete=models.CASCADE, related_name="calls")
    signature = models.CharField(max_length=80)
    expires = models.DateTimeField()
    at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=16, default=REFUSED)
    request = models.JSONField(default=dict)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint("webhook", "signature", name="deploy_webhook_call_once"),)

    def __str__(self) -> str:
        return f"call of {self.webhook_id} at {self.at:%Y-%m-%d %H:%M:%S}"
