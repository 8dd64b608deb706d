"""Filters of lists that people keep under a name, each for their own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from apps.core.errors import Invalid
from apps.core.texts import is_storable

if TYPE_CHECKING:
    from apps.accounts.models import User

MOST, MAX_NAME, MAX_QUERY = 50, 60, 1000


class SavedFilter(models.Model):
    """The query of a list under a name; `page` is the list."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=32)
    name = models.CharField(max_length=MAX_NAME)
    query = models.CharField(max_length=MAX_QUERY)

    class Meta:
        ordering = ("name",)
        unique_together = [("account", "page", "name")]

    def __str__(self) -> str:
        return self.name


def filters_of(account: User, page: str) -> list[SavedFilter]:
    """The account's filters of a list, by name."""
    return list(SavedFilter.objects.filter(account=account, page=page))


def filter_save(account: User, page: str, name: str, query: str) -> SavedFilter:
    """Keep a query under a name; another one of that name is replaced. Raises `Invalid`."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not is_storable(name):
        raise Invalid("name", "InvalidFormat", f"A filter has a name of 1 to {MAX_NAME} characters.")
    if len(query) > MAX_QUERY or not is_storable(query):
        raise Invalid("query", "MaxLengthExceeded", f"A filter has at most {MAX_QUERY} characters.")
    mine = SavedFilter.objects.filter(account=account, page=page)
    if mine.exclude(name=name).count() >= MOST:
        raise Invalid("name", "MaxLimitExceeded", f"At most {MOST} filters of a list can be kept: remove one first.")
    row, _new = SavedFilter.objects.update_or_create(account=account, page=page, name=name, defaults={"query": query})
    return row


def filter_remove(account: User, page: str, name: str) -> None:
    """Forget the filter of this name, if there is one."""
    SavedFilter.objects.filter(account=account, page=page, name=name).delete()
