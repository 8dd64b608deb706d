"""The tables of promotions and of the rules that environments have for those into them."""

from __future__ import annotations

from django.db import models

from apps.accounts.models import ApiKey, User
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import Environment, TenantRow
from apps.stacks.promotions.lifecycle import PROMOTION
from apps.stacks.promotions.window import ChangeWindow


class PromotionRules(models.Model):
    """What promotions into an environment take: the approval of a second person, and a change window.

    Without `days` there is no window. Outside it they wait for it, or are refused where `refuse_outside` says so.
    """

    KIND = "promotionRules"

    environment = models.OneToOneField(
        Environment, primary_key=True, on_delete=models.CASCADE, related_name="promotion_rules"
    )
    needs_approval = models.BooleanField(default=False)
    days = models.JSONField(default=list)
    start = models.CharField(max_length=5, default="00:00")
    end = models.CharField(max_length=5, default="00:00")
    time_zone = models.CharField(max_length=64, default="UTC")
    refuse_outside = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"promotions into {self.environment_id}"

    @property
    def name(self) -> str:
        """The environment's name, which the audit log shows."""
        return str(self.environment)

    @property
    def window(self) -> ChangeWindow:
        """When promotions may run, as a value."""
        return ChangeWindow(tuple(self.days), self.start, self.end, self.time_zone)


class Promotion(TenantRow):
    """A stack's revision on its way into `environment`, under the name `name`.

    The files are those of revision `source_revision` of `source` (None: its services as they were, which no revision
    said), `variables` what was given for the target beside its own. `digest` is of all that is to be deployed,
    `target_basis` of what the target was when the promotion was requested; `approved_digest` and `approved_basis` are
    what somebody saw who approved it. `account` requested it, by `key` if `with_key`. The loop fills in the revision
    that it made of the `target`, and the one before, to which undoing returns.
    """

    KIND = "promotion"
    LIFECYCLE = PROMOTION

    source_environment = models.ForeignKey(Environment, null=True, on_delete=models.SET_NULL, related_name="+")
    source = models.ForeignKey("stacks.Stack", null=True, on_delete=models.SET_NULL, related_name="promoted_to")
    source_revision = models.PositiveIntegerField(null=True)
    services = models.JSONField(default=list)
    remove_missing = models.BooleanField(default=False)
    docker_compose = EncryptedTextField()
    rancher_compose = EncryptedTextField(blank=True)
    variables = EncryptedJSONField(default=dict)
    note = models.CharField(max_length=500, blank=True)
    digest = models.CharField(max_length=64)
    target_basis = models.CharField(max_length=32, blank=True)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    with_key = models.BooleanField(default=False)
    via = models.CharField(max_length=16, blank=True)
    address = models.CharField(max_length=64, blank=True)

    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_basis = models.CharField(max_length=32, blank=True)
    approved_digest = models.CharField(max_length=64, blank=True)
    refused_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    refusal_reason = models.CharField(max_length=500, blank=True)

    target = models.ForeignKey("stacks.Stack", null=True, on_delete=models.SET_NULL, related_name="promotions")
    target_revision = models.PositiveIntegerField(null=True)
    previous_revision = models.PositiveIntegerField(null=True)
    is_new_stack = models.BooleanField(default=False)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=["environment", "-id"], name="promotion_newest")]

    def __str__(self) -> str:
        return f"promotion of {self.name} into {self.environment_id}"
