"""The templates of an environment's catalogs: as cards, and one by one."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.catalog import icons
from apps.catalog.external_ids import SCHEME
from apps.catalog.launching import version_id
from apps.catalog.models import LIBRARY, Template, TemplateVersion
from apps.catalog.reading import render_readme
from apps.catalog.selectors import catalogs_of, categories_of, matching, templates_of
from apps.catalog.source import SourceError
from apps.catalog.storage import template_icon, template_readme
from apps.console.components import buttons
from apps.console.components.listing import paginate, query_filters
from apps.console.request_context import RequestContext, member_required
from apps.core.errors import NotFound
from apps.stacks.selectors import stacks_of

MAX_STACKS = 50


def find(ctx: RequestContext, pk: int) -> Template:
    """A template that this environment sees."""
    return ctx.get_or_404(templates_of(ctx.actor, ctx.env.pk), pk)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The templates as cards, those of the library first; what is not for people to launch is left out."""
    filters = query_filters(ctx.request, "q", "category", "catalog")
    everything = templates_of(ctx.actor, ctx.env.pk).filter(is_system=False)
    rows = matching(everything, filters["q"])
    if filters["catalog"]:
        rows = rows.filter(catalog__name__iexact=filters["catalog"])
    categories = categories_of(rows)
    if filters["category"]:
        rows = rows.filter(categories__icontains=f'"{filters["category"]}"')
    page = paginate(ctx.request, rows.order_by("name", "pk"), filters)
    catalogs = list(catalogs_of(ctx.actor, ctx.env.pk))
    context = {
        "page": page,
        "categories": [(name, f"{name} ({count})") for name, count in categories],
        "catalogs": [row.name for row in catalogs if row.desired == "active"],
        "failing": [row for row in catalogs if row.fault],
        "reading": [row for row in catalogs if row.desired == "active" and not row.commit and not row.fault],
        "library": LIBRARY,
    }
    return ctx.render("console/catalog.html", context)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One template: what it is, its versions, and the stacks of it here."""
    row = find(ctx, pk)
    versions = list(TemplateVersion.objects.filter(template=row).order_by("-number"))
    key = f"{SCHEME}{row.catalog.name}:{row.key}:"
    stacks = stacks_of(ctx.actor, ctx.env.pk).filter(external_id__startswith=key).order_by("name")[:MAX_STACKS]
    numbers = {version.number: version.version for version in versions}
    context = {
        "row": row,
        "versions": versions,
        "readme": _readme(row),
        "stacks": [(stack, numbers.get(_number(stack.external_id), "")) for stack in stacks],
        "launch": buttons.custom_button(
            gettext_lazy("Launch"), "player-play", ctx.url("template-launch", pk=row.pk), ctx.can("operate")
        ),
        "library": LIBRARY,
        "example": version_id(TemplateVersion(template=row, number=row.newest_number or 0)).external_id,
    }
    return ctx.render("console/template.html", context)


def _number(external_id: str) -> int:
    text = external_id.rpartition(":")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _readme(row: Template) -> str:
    """The README as HTML, of which nothing is the template's own markup; why there is none, in words."""
    try:
        return mark_safe(render_readme(template_readme(row)))  # noqa: S308 - written by our renderer, all text escaped
    except SourceError as problem:
        return str(problem)


@member_required
def icon(ctx: RequestContext, pk: int) -> HttpResponse:
    """The template's icon: a picture, in which nothing runs even when it is opened by itself."""
    row = find(ctx, pk)
    try:
        content = template_icon(row)
    except SourceError:
        content = b""
    kind = icons.picture_type(content)
    if not kind:
        raise NotFound(_("This template has no icon."))
    return HttpResponse(content, content_type=kind, headers=icons.HEADERS)
