"""The audit log: who asked for what and how it was answered, as a page, as a file, and verified."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from apps.console.door import Visit, admins, inside
from apps.console.listing import listing, words
from apps.control import selectors
from apps.control.export import KINDS, lines
from apps.control.models import AuditEntry
from apps.control.verify import Report, chains, unverified, verify
from apps.core.errors import NotFound
from apps.core.streams import download

FILTERS = ("q", "event", "kind", "target", "address", "auth", "via", "code")
VIAS = ("console", "api", "cli", "system")
AUTHS = ("TokenAuth", "BasicAuth")


def _narrowed(rows: QuerySet[AuditEntry], asked: dict[str, str]) -> QuerySet[AuditEntry]:
    """The lines that the filters leave."""
    if asked["q"]:
        rows = rows.filter(Q(target_name__icontains=asked["q"]) | Q(account__login__icontains=asked["q"]))
    plain = {"event__icontains": "event", "kind": "kind", "address__startswith": "address", "via": "via"}
    plain |= {"auth_type": "auth", "code__startswith": "code"}
    rows = rows.filter(**{column: asked[name] for column, name in plain.items() if asked[name]})
    number = asked["target"].lstrip("1abcdefghijklmnopqrstuvwxyz") if asked["target"][:1] == "1" else asked["target"]
    if number.isascii() and number.isdigit() and len(number) < 19:
        rows = rows.filter(target=int(number))
    return rows


def _page(visit: Visit, rows: QuerySet[AuditEntry]) -> HttpResponseBase:
    asked = words(visit.request, *FILTERS)
    rows = _narrowed(rows, asked)
    kind = visit.request.GET.get("export", "")
    if kind in KINDS:
        return download(visit.request, f"audit.{kind}", KINDS[kind], lines(rows, kind))
    page = listing(visit.request, rows.select_related("account", "environment", "key"), asked)
    return visit.show("console/audit.html", {"page": page, "vias": VIAS, "auths": AUTHS, "files": list(KINDS)})


@inside
def index(visit: Visit) -> HttpResponseBase:
    """Who did what in this environment; owners only."""
    visit.need("own")
    return _page(visit, AuditEntry.objects.within([visit.env.pk]))


@admins
def everywhere(visit: Visit) -> HttpResponseBase:
    """Who did what in the whole installation, log-ins included."""
    return _page(visit, selectors.audit_everywhere(visit.actor))


def _line(visit: Visit, rows: QuerySet[AuditEntry], pk: int) -> HttpResponse:
    row = visit.row(rows.select_related("account", "environment", "key"), pk)
    return visit.show("console/audit_line.html", {"row": row})


@inside
def line(visit: Visit, pk: int) -> HttpResponse:
    """One line with what was asked and answered."""
    visit.need("own")
    return _line(visit, AuditEntry.objects.within([visit.env.pk]), pk)


@admins
def line_anywhere(visit: Visit, pk: int) -> HttpResponse:
    """The same for administrators, who also see log-ins."""
    return _line(visit, selectors.audit_everywhere(visit.actor), pk)


@inside
def check(visit: Visit) -> HttpResponse:
    """Verify the environment's chain now."""
    visit.need("own")
    return _reports(visit, [verify(visit.env.pk)])


@admins
def check_anywhere(visit: Visit) -> HttpResponse:
    """Verify one chain, or name them all with a way to verify each."""
    chosen = visit.request.GET.get("chain", "")
    if not chosen:
        return _reports(visit, unverified())
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else -1
    if number not in chains():
        raise NotFound(_("There is no such audit log."))
    return _reports(visit, [verify(number)])


def _reports(visit: Visit, reports: list[Report]) -> HttpResponse:
    context: dict[str, Any] = {"reports": reports}
    return visit.show("console/audit_check.html", context)
