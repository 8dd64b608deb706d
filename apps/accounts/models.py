"""Accounts, API keys, and the failed logins that slow a guesser down."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.identity_kinds import PERSON_SUFFIX, person_kinds
from apps.accounts.lifecycle import ACCOUNT, API_KEY
from apps.accounts.login.models import RecoveryCode, Session, Totp
from apps.accounts.provider_config import OTHER_SERVER, ProviderConfig
from apps.accounts.providers.registry import MAX_KIND_LENGTH, AnyProvider, provider_of
from apps.accounts.saved_filters import SavedFilter  # noqa: F401 - a model: Django looks for it here
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.core.errors import Conflict
from apps.core.models import Managed

__all__ = [
    "AccountNumber",
    "ApiKey",
    "AuthProvider",
    "FailedLogin",
    "Identity",
    "RecoveryCode",
    "Session",
    "Totp",
    "User",
]


class AccountNumber(models.Model):
    """The one number space that accounts and environments share on the wire (`1a<n>`)."""

    id = models.BigIntegerField(primary_key=True)

    ADMIN = 1
    ANONYMOUS = 4
    DEFAULT_ENVIRONMENT = 5

    @classmethod
    def allocate(cls) -> int:
        """The next free number; the first five are Rancher's well-known rows."""
        if not cls.objects.exists():
            numbers = range(1, cls.DEFAULT_ENVIRONMENT + 1)
            AccountNumber.objects.bulk_create([AccountNumber(pk=number) for number in numbers], ignore_conflicts=True)
        for _ in range(20):  # somebody else may take the same number at the same moment
            last = cls.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            with suppress(IntegrityError), transaction.atomic():
                return int(cls.objects.create(pk=last + 1).pk)
        raise Conflict("Too many accounts are being made at once; try again.")


class UserManager(BaseUserManager["User"]):
    """Finds accounts by login name, without regard to case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The account that logs in as `username`."""
        return self.get(login__iexact=username, removed=None)


class User(Managed, AbstractBaseUser, PermissionsMixin):
    """Somebody who can log in: `kind` is user or admin."""

    KIND = "account"
    LIFECYCLE = ACCOUNT
    USERNAME_FIELD = "login"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    id = models.BigIntegerField(primary_key=True, editable=False)
    kind = models.CharField(max_length=16, default="user")
    login = models.CharField(max_length=255, unique=True)

    objects = UserManager()
    all_objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(Lower("login"), name="account_login_once"),)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Give a new account its number."""
        if self.pk is None:
            self.pk = AccountNumber.allocate()
        super().save(*args, **kwargs)

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the account may act, in whatever way it logged in; deactivating counts at once, before the loop ran.

        Somebody without a password here depends on a login provider: while that is off, or does not know the person
        any more, the account's sessions, sockets and keys do nothing.
        """
        return self.desired == "active" and (self.has_usable_password() or self._is_known_to_provider())

    def _is_known_to_provider(self) -> bool:
        persons = self.identities.filter(kind__in=person_kinds()).select_related("provider")
        known = list(persons)
        return not known or any(not each.rejection_reason and each.provider.vouches_for_identities for each in known)

    @property
    def is_admin(self) -> bool:
        """Whether the account administers the installation."""
        return self.kind == "admin"

    @property
    def is_staff(self) -> bool:
        """Django's word for it."""
        return self.is_admin

    def __str__(self) -> str:
        return self.name or self.login


class ApiKey(Managed):
    """An access key and the hash of its secret; `account` made it, `environments.KeyScope` may pin it to one tenant.

    `role` holds an account's key to less than its account (an environment's key has its role in its scope), `expires`
    ends it, `addresses` are the only ones (`10.0.0.0/8`, `2001:db8::1/128`) it may be used from; empty is no limit.
    """

    KIND = "apiKey"
    LIFECYCLE = API_KEY

    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="keys")
    public_value = models.CharField(max_length=64, unique=True)
    secret_hash = models.CharField(max_length=64)
    role = models.CharField(max_length=32, blank=True)
    expires = models.DateTimeField(null=True, blank=True)
    addresses = models.JSONField(default=list, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)
    last_address = models.CharField(max_length=64, blank=True)

    objects = models.Manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name or self.public_value

    @staticmethod
    def digest(secret: str) -> str:
        """SHA-256 of a secret; enough without salt because the secret is 40 random characters."""
        return hashlib.sha256(secret.encode()).hexdigest()

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= timezone.now()

    def accepts(self, secret: str) -> bool:
        """Whether this is the key's secret, in constant time."""
        return hmac.compare_digest(self.secret_hash, self.digest(secret))


class FailedLogin(models.Model):
    """One refused login, or one that is being looked at: counted per name and per address to throttle guessing."""

    login = models.CharField(max_length=255, db_index=True)
    address = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.login} from {self.address}"


class ProviderQuerySet(models.QuerySet["AuthProvider"]):
    """Login providers."""

    def accepting_logins(self) -> ProviderQuerySet:
        """Those that people may log in through now: on, and confirmed, still on trial, or back at what they were."""
        on_trial = models.Q(trial_until=None) | models.Q(trial_until__gt=timezone.now())
        return self.filter(on_trial | models.Q(is_reconfigured=True), enabled=True)

    def vouching_for_identities(self) -> ProviderQuerySet:
        """Those that answer for the people known from them; see `AuthProvider.vouches_for_identities`."""
        return self.accepting_logins().filter(models.Q(is_reconfigured=True) | ~models.Q(issuer_change=OTHER_SERVER))


class AuthProvider(models.Model):
    """The row of one kind of login provider: how it is reached and who may log in through it.

    A provider that was just switched on is on trial: unless somebody logs in through it before `trial_until`, or an
    administrator confirms it, it is off again. One that was on and is now reached differently
    (`is_reconfigured`) is on trial, too, and goes back to its `previous_config`. `answered_at` and `last_error` are
    what the last re-syncs met.

    `identity_issuer` is the server whose ids the identities, allowed identities and members of this provider's kinds
    are. While the configuration names another one, `issuer_change` holds what an administrator said about it
    (`sameServer`, `otherServer`); it is acted on when the configuration is confirmed, because a trial can be taken
    back and what was forgotten cannot.
    """

    TRIAL = timedelta(minutes=5)

    kind = models.CharField(max_length=MAX_KIND_LENGTH, unique=True)
    enabled = models.BooleanField(default=False)
    trial_until = models.DateTimeField(null=True)
    stored = EncryptedJSONField(default=dict)
    previous_config = EncryptedJSONField(default=dict)
    is_reconfigured = models.BooleanField(default=False)
    identity_issuer = models.CharField(max_length=255, blank=True)
    issuer_change = models.CharField(max_length=16, blank=True)
    version = models.PositiveIntegerField(default=0)
    answered_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.login_provider.title

    @property
    def login_provider(self) -> AnyProvider:
        """The provider of this kind, which takes this row's `config`."""
        return provider_of(self.kind)

    @property
    def config(self) -> ProviderConfig:
        """The configuration in force."""
        is_rolled_back = self.is_reconfigured and self.is_trial_over
        config: ProviderConfig = self.login_provider.config_class.from_json(
            self.previous_config if is_rolled_back else self.stored
        )
        return config

    @property
    def is_trial_over(self) -> bool:
        """Whether a trial ended without being confirmed."""
        return self.trial_until is not None and self.trial_until <= timezone.now()

    @property
    def accepts_logins(self) -> bool:
        """Whether people may log in through it now."""
        return self.enabled and (not self.is_trial_over or self.is_reconfigured)

    @property
    def is_on_trial(self) -> bool:
        """Whether it is on and not confirmed yet."""
        return self.enabled and self.trial_until is not None and not self.is_trial_over

    @property
    def pending_issuer_change(self) -> str:
        """What was said about the server that the configuration in force names, until it is confirmed; or nothing."""
        return "" if self.is_reconfigured and self.is_trial_over else self.issuer_change

    @property
    def vouches_for_identities(self) -> bool:
        """Whether people known from it may act: it is on, and at the server that knows them, or was until this trial.

        One that was off and is now tried out at another server lets nobody of the former one in again.
        """
        return self.accepts_logins and (self.is_reconfigured or self.issuer_change != OTHER_SERVER)

    def end_trial(self) -> None:
        """Write the end of an unconfirmed trial into the row, before something else is changed; the caller saves."""
        if self.is_trial_over:
            self.issuer_change = self.pending_issuer_change
            self.stored, self.enabled = (self.previous_config, True) if self.is_reconfigured else (self.stored, False)
            self.previous_config, self.is_reconfigured, self.trial_until = {}, False, None


class Identity(models.Model):
    """What a provider last said about an account: the person, and each group.

    A person's row also says when the provider was last asked (`refreshed_at`) and why the person may not log in any
    more (`rejection_reason`, empty while they may), and keeps the `token` of a provider that shows a person's groups
    only to the person.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    provider = models.ForeignKey(AuthProvider, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=32)
    external_id = models.CharField(max_length=512)
    login = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    dn = models.CharField(max_length=1024, blank=True)
    refreshed_at = models.DateTimeField(null=True)
    rejection_reason = models.CharField(max_length=255, blank=True)
    token = EncryptedTextField(blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["user", "kind", "external_id"], name="identity_once"),
            models.UniqueConstraint(
                fields=["kind", "external_id"],
                condition=models.Q(kind__endswith=PERSON_SUFFIX),  # not a list: a new provider needs no migration
                name="identity_one_person",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.login or self.external_id


class KnownIdentity(models.Model):
    """The name of a person or group from a search, so that member lists can show those who never logged in."""

    kind = models.CharField(max_length=32)
    external_id = models.CharField(max_length=512)
    login = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    dn = models.CharField(max_length=1024, blank=True, db_index=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["kind", "external_id"], name="known_identity_once"),)

    def __str__(self) -> str:
        return self.name or self.login or self.external_id
