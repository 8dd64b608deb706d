"""Reading catalogs: which an environment sees, their templates, and what a stack can be upgraded to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Q, QuerySet

from apps.catalog.external_ids import SCHEME, VersionId, parse_external_id
from apps.catalog.models import Catalog, Template, TemplateVersion
from apps.catalog.version_order import admits
from apps.core.errors import NotFound
from apps.core.models import TenantQuerySet
from apps.environments.actor import Actor
from apps.stacks.models import Stack


def catalogs_of(actor: Actor, environment_id: int) -> TenantQuerySet[Catalog]:
    """The catalogs that the actor sees in an environment, those of the whole installation included."""
    if "view" not in actor.permissions(environment_id):
        return Catalog.objects.within([]).none()
    return Catalog.objects.within([environment_id]).filter(removed=None).defer("secret")


def site_catalogs() -> QuerySet[Catalog]:
    """The catalogs of the whole installation, for administrators."""
    rows: QuerySet[Catalog] = Catalog.all_objects.filter(environment=None, removed=None)
    return rows.defer("secret")


def templates_of(actor: Actor, environment_id: int) -> QuerySet[Template]:
    """The templates that can be launched in an environment."""
    seen = catalogs_of(actor, environment_id).filter(desired="active")
    return Template.objects.filter(catalog__in=seen).select_related("catalog")


def site_templates() -> QuerySet[Template]:
    """The templates of the installation's own catalogs, which no environment keeps from another."""
    rows = Template.objects.filter(catalog__environment=None, catalog__desired="active", catalog__removed=None)
    return rows.select_related("catalog")


def matching(rows: QuerySet[Template], words: str) -> QuerySet[Template]:
    """Those whose name, key, description or categories have every one of the words."""
    for word in words.split()[:8]:
        has = Q(name__icontains=word) | Q(description__icontains=word) | Q(key__icontains=word)
        rows = rows.filter(has | Q(categories__icontains=word))
    return rows


def find_template(rows: QuerySet[Template], catalog: str, key: str) -> Template:
    """A template by the names of its catalog and its own. Raises `NotFound`."""
    # An environment's catalog of the same name goes before one that an administrator added later.
    found = rows.filter(catalog__name__iexact=catalog, key=key).order_by("-catalog__environment").first()
    if found is None:
        raise NotFound(f"There is no template {key[:100]!r} in a catalog {catalog[:100]!r} here.")
    return found


def find_version(rows: QuerySet[Template], wanted: VersionId) -> TemplateVersion:
    """A version of a template. Raises `NotFound`."""
    template = find_template(rows, wanted.catalog, wanted.template)
    found = TemplateVersion.objects.filter(template=template, number=wanted.number).first()
    if found is None:
        raise NotFound(f"{template.name} has no version {wanted.number} in its catalog any more.")
    found.template = template
    return found


def newer_versions(versions: Iterable[TemplateVersion], current: TemplateVersion) -> list[TemplateVersion]:
    """The versions that `current` may be upgraded to, the newest first."""
    found = [
        each
        for each in versions
        if each.number > current.number and not each.fault and admits(each.upgrade_from, current.version)
    ]
    return sorted(found, key=lambda each: -each.number)


def version_of_stack(actor: Actor, stack: Stack) -> TemplateVersion | None:
    """The version that a stack is of; None when it is of none, or that is not there any more."""
    wanted = parse_external_id(stack.external_id)
    if wanted is None:
        return None
    try:
        return find_version(templates_of(actor, stack.environment_id), wanted)
    except NotFound:
        return None


def upgrades_of(actor: Actor, environment_id: int, stacks: Iterable[Stack]) -> Mapping[int, TemplateVersion]:
    """The newest version that each of the stacks may be upgraded to, by the stack's number; in two queries for all."""
    wanted = {row.pk: parse_external_id(row.external_id) for row in stacks if row.external_id}
    ids = {pk: each for pk, each in wanted.items() if each is not None}
    if not ids:
        return {}
    keys = {each.template for each in ids.values()}
    rows = TemplateVersion.objects.filter(template__in=templates_of(actor, environment_id).filter(key__in=keys))
    by_template: dict[tuple[str, str], list[TemplateVersion]] = {}
    for version in rows.select_related("template__catalog"):
        name = version.template.catalog.name.lower(), version.template.key
        by_template.setdefault(name, []).append(version)
    found: dict[int, TemplateVersion] = {}
    for pk, each in ids.items():
        versions = by_template.get((each.catalog.lower(), each.template), [])
        current = next((one for one in versions if one.number == each.number), None)
        newer = newer_versions(versions, current) if current is not None else []
        if newer:
            found[pk] = newer[0]
    return found


def categories_of(rows: QuerySet[Template]) -> list[tuple[str, int]]:
    """The categories of templates with how many have each, by name."""
    counted: dict[str, int] = {}
    for listed in rows.values_list("categories", flat=True):
        for name in listed:
            counted[name] = counted.get(name, 0) + 1
    return sorted(counted.items(), key=lambda pair: pair[0].lower())


def stacks_of_catalog(row: Catalog) -> int:
    """How many stacks are of a catalog, where it is seen."""
    stacks = Stack.all_objects.filter(removed=None, external_id__startswith=f"{SCHEME}{row.name}:")
    return stacks.filter(environment=row.environment_id).count() if row.environment_id else stacks.count()
