"""The command palette: searches the rows of all the actor's environments by name, pages, actions and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Q, Value, When
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import natural_order
from apps.console.components.state_badges import StateBadge, bad_first, badge_of
from apps.console.containers.containers import defer_heavy_fields
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.service_rows import HEAVY_STACK_FIELDS
from apps.containers.models import Container
from apps.core.defaults import DEFAULTS
from apps.environments.selectors import environments_of
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.vault.models import Certificate

MAX_HITS_PER_GROUP = 6


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result in the palette."""

    title: str
    url: str
    icon: str
    group: str
    note: str = ""
    badge: StateBadge | None = None


def _page_hits(ctx: RequestContext, text: str) -> list[SearchHit]:
    pages = [
        (_("Stacks"), "stacks", "stack-2"),
        (_("Recently deleted"), "deleted", "trash"),
        (_("Adopt what runs"), "adopt", "eye"),
        (_("Containers"), "containers", "box"),
        (_("Hosts"), "hosts", "server"),
        (_("Images"), "images", "disc"),
        (_("Volumes"), "volumes", "database"),
        (_("Certificates"), "certificates", "file-text"),
        (_("Registries"), "registries", "download"),
        (_("Catalog"), "catalog", "apps"),
        (_("Catalogs"), "catalog-sources", "apps"),
        (_("Updates"), "updates", "refresh"),
        (_("Topology"), "topology", "topology-star-3"),
        (_("Network"), "network", "plug-connected"),
        (_("Activity"), "activity", "activity"),
        (_("API & keys"), "keys", "key"),
        (_("CI trust"), "trust-rules", "shield-lock"),
        (_("Add stack"), "stack-new", "plus"),
        (_("Add container"), "container-new", "plus"),
        (_("Add host"), "host-add", "plus"),
        (_("Add volume"), "volume-new", "plus"),
        (_("Clean up volumes"), "volumes-prune", "eraser"),
        (_("Add certificate"), "certificate-new", "plus"),
        (_("Add registry"), "registry-new", "plus"),
        (_("Add catalog"), "catalog-source-new", "plus"),
    ]
    found = [SearchHit(title, ctx.url(name), icon, _("Go to")) for title, name, icon in pages]
    found += [SearchHit(title, reverse(f"console:{name}"), icon, _("Go to")) for title, name, icon in _site_pages(ctx)]
    return [hit for hit in found if text.lower() in hit.title.lower()]


def _site_pages(ctx: RequestContext) -> list[tuple[str, str, str]]:
    """The pages and actions outside environments that the actor may open."""
    everybody = [
        (_("Overview"), "home", "home"),
        (_("Environments"), "environments", "layout-grid"),
        (_("All environments"), "everything", "list-check"),
        (_("What runs where"), "where", "table"),
        (_("Promotions"), "promotions", "route"),
        (_("Add environment"), "environment-new", "plus"),
        (_("Account API keys"), "account-keys", "key"),
        (_("Log a program in"), "device-login", "device-desktop"),
        (_("Change password"), "password", "lock"),
        (_("Second factor"), "factor", "shield-lock"),
        (_("Your sessions"), "sessions", "device-desktop"),
        (_("What I may do"), "why", "info-circle"),
    ]
    administrators = [
        (_("Accounts"), "accounts", "user"),
        (_("Add account"), "account-new", "plus"),
        (_("Roles"), "roles", "shield-lock"),
        (_("Access control"), "access", "lock"),
        (_("Registries for all environments"), "shared-registries", "download"),
        (_("Catalogs for all environments"), "site-catalogs", "apps"),
        (_("Processes"), "processes", "list-check"),
        (_("Settings"), "settings", "settings"),
    ]
    return everybody + (administrators if ctx.actor.is_admin else [])


def _setting_hits(ctx: RequestContext, text: str) -> list[SearchHit]:
    """Settings by their names and what they are about, for administrators."""
    if not (text and ctx.actor.is_admin):
        return []
    url = reverse("console:settings")
    found = [
        SearchHit(name, f"{url}#setting-{name}", "settings", _("Settings"), str(definition.about))
        for name, definition in sorted(DEFAULTS.items())
        if not definition.has_own_page and text.lower() in f"{name} {definition.about}".lower()
    ]
    return found[:MAX_HITS_PER_GROUP]


def _environment_hits(text: str, names: Mapping[int, str]) -> list[SearchHit]:
    found = [
        SearchHit(name, reverse("console:stacks", kwargs={"environment": key}), "layout-grid", _("Environments"))
        for key, name in names.items()
        if text and text.lower() in name.lower()
    ]
    return found[:MAX_HITS_PER_GROUP]


def _row_hits(ctx: RequestContext, text: str, names: Mapping[int, str]) -> list[SearchHit]:
    """The rows of all environments, those of the one in the frame first; one query for each kind."""
    keys = list(names)
    here_first = Case(When(environment=ctx.env.pk, then=Value(0)), default=Value(1))
    named = Q(name__icontains=text)
    groups: list[tuple[str, str, Any]] = [
        (_("Stacks"), "stack-2", Stack.objects.within(keys).filter(named, removed=None).defer(*HEAVY_STACK_FIELDS)),
        (_("Services"), "apps", Service.objects.within(keys).filter(named, removed=None).defer("spec", "secondary")),
        (
            _("Containers"),
            "box",
            defer_heavy_fields(
                Container.objects.within(keys).filter(named | Q(image__icontains=text) | Q(address=text), removed=None)
            ),
        ),
        (_("Hosts"), "server", Host.objects.within(keys).filter(named, removed=None).defer("tls")),
        (
            _("Certificates"),
            "file-text",
            Certificate.objects.within(keys)
            .filter(named | Q(common_name__icontains=text), removed=None)
            .defer("key", "order", "cert", "cert_chain"),
        ),
    ]
    found = []
    for group, icon, rows in groups:
        for row in rows.order_by(here_first, bad_first(), *natural_order("name"))[:MAX_HITS_PER_GROUP]:
            note = getattr(row, "image", "") or row.description
            if row.environment_id != ctx.env.pk:
                note = f"{names[row.environment_id]} · {note}" if note else names[row.environment_id]
            found.append(SearchHit(row.name, buttons.row_url(row, ""), icon, group, note, badge_of(row)))
    return found


@member_required
def search(ctx: RequestContext) -> HttpResponse:
    """The results for the text typed so far."""
    text = ctx.request.GET.get("q", "").strip().replace("\0", "")[:100]
    names = dict(environments_of(ctx.actor).filter(removed=None).values_list("pk", "name"))
    names |= {ctx.env.pk: ctx.env.name}  # an administrator may visit one without being a member
    hits = _row_hits(ctx, text, names) if text else []
    hits += [*_environment_hits(text, names), *_page_hits(ctx, text), *_setting_hits(ctx, text)]
    return ctx.render("console/parts/palette_results.html", {"hits": hits, "text": text})
