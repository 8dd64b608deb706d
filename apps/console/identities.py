"""People and groups found by name, to tick in a list."""

from __future__ import annotations

from django.http import HttpResponse

from apps.accounts.backends.search import identities_search
from apps.console.door import Visit, admins


@admins
def index(visit: Visit) -> HttpResponse:
    """Accounts, and people and groups of every provider that is on, with `q` in a name."""
    text = visit.request.GET.get("q", "").strip()
    found = identities_search(visit.actor, text)
    return visit.show("console/parts/identities.html", {"text": text, "found": found})
