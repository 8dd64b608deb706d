"""Managed rows (desired and observed state), the manager that refuses unscoped reads, and the settings table."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Case, F, Q, When
from django.utils import timezone

from apps.core.edits import BasedOn
from apps.core.encrypted import EncryptedTextField
from apps.core.lifecycle import LifeCycle

ModelT = TypeVar("ModelT", bound=models.Model)


class Managed(models.Model):
    """A row with a desired state that the loop reconciles.

    The desired state (`desired`, `transition_state`, `generation` and the subclass's own columns) is written through
    `control.services.request_change` only, the observed state (from `state` on) by the loop only. `display_state` is
    what everybody reads: the observed state, or the transition's own until the loop has seen the newest generation.
    """

    KIND: ClassVar[str] = ""
    LIFECYCLE: ClassVar[LifeCycle]
    CLEARED_BY_CHANGES: ClassVar[Mapping[str, Any]] = {}
    """Columns that say something about one desired state only, with what the next one sets them to."""
    based_on: BasedOn | None = None
    """What the edit at hand started from; set by a face on the row it loaded, and no column."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=255, blank=True)
    description = models.CharField(max_length=1024, blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    desired = models.CharField(max_length=24)
    transition_state = models.CharField(max_length=32, blank=True)
    generation = models.PositiveIntegerField(default=1)

    state = models.CharField(max_length=32, default="requested")
    observed_generation = models.PositiveIntegerField(default=0)
    status = models.JSONField(default=dict, blank=True)
    message = models.TextField(blank=True)
    fault = models.BooleanField(default=False)
    observed_at = models.DateTimeField(null=True, blank=True)
    removed = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lease = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(default=timezone.now, null=True, blank=True, db_index=True)
    requeue_requested = models.BooleanField(default=False)

    display_state = models.GeneratedField(
        expression=Case(
            When(~Q(transition_state="") & Q(generation__gt=F("observed_generation")), then=F("transition_state")),
            default=F("state"),
        ),
        output_field=models.CharField(max_length=32),
        db_persist=True,
    )

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert a new row even if it brings its number: of two that bring the same, Django would update the first."""
        if self._state.adding and not kwargs.get("force_update"):
            kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    @property
    def transitioning(self) -> str:
        """`yes` while work is under way, `error` after it failed, else `no` (v1 contract, section 1.4)."""
        if self.fault or self.display_state == "error":
            return "error"
        return "yes" if self.display_state in self.LIFECYCLE.transitional else "no"

    def refusal(self, action: str) -> str:  # noqa: ARG002 - kinds with rows of several sorts use it
        """Why an action that the life cycle allows is never possible on this row; empty when it is."""
        return ""

    @property
    def removal_requested(self) -> bool:
        """Whether the row is removed or about to be."""
        return self.desired in {"removed", "purged"}


class UnscopedRead(RuntimeError):
    """A tenant's table was read without saying for which environments."""


class TenantQuerySet(models.QuerySet[ModelT]):
    """Rows of environments; reading raises `UnscopedRead` until `within` was called."""

    scoped = False

    def within(self, environments: Iterable[int]) -> Self:
        """Only the rows of these environments (their primary keys, or a sub-query of them)."""
        clone = self.filter(environment__in=environments)
        clone.scoped = True
        return clone

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone.scoped = self.scoped
        return clone

    def require_scope(self) -> None:
        """Raise `UnscopedRead` unless `within` was called."""
        if not self.scoped:
            raise UnscopedRead(f"{self.model.__name__}: say for which environments, with .within(...)")

    def _fetch_all(self) -> None:
        self.require_scope()
        super()._fetch_all()

    def iterator(self, chunk_size: int | None = None) -> Iterator[ModelT]:
        """As Django's, scoped."""
        self.require_scope()
        return super().iterator(chunk_size=chunk_size or 2000)

    def aiterator(self, chunk_size: int = 2000) -> AsyncIterator[ModelT]:
        """As Django's, scoped."""
        self.require_scope()
        return super().aiterator(chunk_size=chunk_size)

    def __or__(self, other: Any) -> Self:
        other.require_scope()
        return super().__or__(other)

    def __xor__(self, other: Any) -> Self:
        other.require_scope()
        return super().__xor__(other)  # type: ignore[misc,no-any-return]

    def union(self, *others: Any, all: bool = False) -> Self:  # noqa: A002 - Django's signature
        """As Django's, every part scoped."""
        for other in others:
            other.require_scope()
        return super().union(*others, all=all)

    def count(self) -> int:
        """As Django's, scoped."""
        self.require_scope()
        return super().count()

    def exists(self) -> bool:
        """As Django's, scoped."""
        self.require_scope()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As Django's, scoped."""
        self.require_scope()
        return super().aggregate(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:  # noqa: ARG002 - Django's signature
        """Refused: faces request changes, they do not write."""
        raise UnscopedRead(f"{self.model.__name__}: desired states are written by control.services.request_change")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refused: deleting is a desired state."""
        raise UnscopedRead(f"{self.model.__name__}: deleting is a desired state, see control.services.request_change")


TenantManager = models.Manager.from_queryset(TenantQuerySet)


class Setting(models.Model):
    """One installation-wide setting that differs from its default (`core.defaults`)."""

    name = models.CharField(max_length=255, unique=True)
    value = EncryptedTextField(blank=True)

    def __str__(self) -> str:
        return self.name
