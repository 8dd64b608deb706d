"""Rules that trust an issuer's jobs, the exchanges made by them, and the keys of issuers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.environments.models import TenantRow
from apps.federation.lifecycle import TRUST_RULE


class TrustRule(TenantRow):
    """Whose tokens are exchanged for keys of this environment, and what these keys may do.

    A token counts if `issuer` signed it for `audience`, and it meets all `conditions` (see `claim_rules`). The key has
    `role` for `minutes`, and belongs to `account`, who made the rule or last changed whom it trusts: it never does
    more than that account may, and ends with it. The columns from `last_used` on say what came of it last.
    """

    KIND = "trustRule"
    LIFECYCLE = TRUST_RULE

    issuer = models.CharField(max_length=255, db_index=True)
    audience = models.CharField(max_length=255)
    conditions = models.JSONField(default=dict)
    role = models.CharField(max_length=32)
    minutes = models.PositiveSmallIntegerField(default=15)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    last_used = models.DateTimeField(null=True)
    last_refused = models.DateTimeField(null=True)
    last_refusal = models.CharField(max_length=700, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"], name="trust_rule_environment")]
        constraints = (
            models.UniqueConstraint(
                "environment", Lower("name"), condition=Q(removed=None), name="trust_rule_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name


class TokenExchange(models.Model):
    """A token that was exchanged: once, since `digest` is of what its issuer uses once.

    `job`, `job_url` and `claims` say which job it was of. The row is needed until `token_ends`, after which the token
    is refused for its age, and kept as long as the audit log, whose entries it explains; `key` is gone before it,
    `key_number` stays.
    """

    rule = models.ForeignKey(TrustRule, on_delete=models.CASCADE, related_name="exchanges")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    key_number = models.BigIntegerField(null=True, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    subject = models.CharField(max_length=255, blank=True)
    job = models.CharField(max_length=255)
    job_url = models.CharField(max_length=1024, blank=True)
    claims = models.JSONField(default=dict)
    address = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(default=timezone.now)
    token_ends = models.DateTimeField()
    key_ends = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=["rule", "-id"], name="token_exchange_newest")]

    def __str__(self) -> str:
        return self.job


class IssuerKeySet(models.Model):
    """The keys of an issuer as it served them last, and when they were requested; `last_error`: why that failed."""

    issuer = models.CharField(max_length=255, unique=True)
    document = models.TextField(blank=True)
    fetched_at = models.DateTimeField(null=True)
    attempted_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=700, blank=True)

    def __str__(self) -> str:
        return self.issuer
