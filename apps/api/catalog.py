"""`/v1-catalog`: the service beside v1 that Rancher's clients read templates from.

Its command line sends no credentials here, and stops at a 404: without any, the templates are those of the built-in
library. Who is known sees the catalogs of the environment that the request names, as for `/v1`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.api.wire.context import ApiCaller, resolve_caller
from apps.api.wire.errors import error_body
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import method_not_allowed
from apps.api.wire.origin import base_url, client_address
from apps.catalog import icons
from apps.catalog.external_ids import VersionId, parse_version_id
from apps.catalog.launching import described, readable_files, version_id
from apps.catalog.models import LIBRARY, Catalog, Template, TemplateVersion
from apps.catalog.reading import TemplateQuestion
from apps.catalog.selectors import catalogs_of, find_template, find_version, newer_versions, site_catalogs
from apps.catalog.services import catalog_act
from apps.catalog.source import SourceError
from apps.catalog.storage import template_icon, template_readme
from apps.catalog.version_order import compare
from apps.core.errors import Forbidden, NotFound, Problem
from apps.environments.access import verdict
from apps.environments.actor import Actor

_TYPES = {
    "catalog": parse_fields("""
        name        string r
        url         string r
        branch      string r
        description string r
        state       string r
    """),
    "template": parse_fields("""
        name                     string      r
        catalogId                string      r
        categories               array[string] r
        category                 string      r
        defaultVersion           string      r
        defaultTemplateVersionId string      r
        description              string      r
        folderName               string      r
        iconLink                 string      r
        isSystem                 string      r
        labels                   map[string] r
        license                  string      r
        maintainer               string      r
        path                     string      r
        projectURL               string      r
        readme                   string      r
        templateBase             string      r
        versionLinks             map[string] r
    """),
    "templateVersion": parse_fields("""
        name                  string      r
        catalogId             string      r
        description           string      r
        files                 map[string] r
        iconLink              string      r
        labels                map[string] r
        maximumRancherVersion string      r
        minimumRancherVersion string      r
        questions             json        r
        readme                string      r
        templateId            string      r
        upgradeFrom           string      r
        upgradeVersionLinks   map[string] r
        version               string      r
    """),
}
_BY_WORD = {word.lower(): name for name in _TYPES for word in (name, f"{name}s")}
_MAX_LISTED = 2000


class CatalogView(APIView):
    """`/v1-catalog`: schemas, catalogs, templates and versions, for reading; and their refresh."""

    http_method_names = ["get", "head", "post", "put", "delete"]
    caller: ApiCaller

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Resolve the caller; wrong credentials are as good as none, as Rancher's service took no notice of them."""
        base = base_url(request)
        self.root = f"{base}/v1-catalog"
        try:
            super().initial(request, *args, **kwargs)
            authenticated: Any = request.auth
        except (APIException, Problem):
            authenticated = None
        actor = authenticated or Actor(None, "api", address=client_address(request))
        words = [word for word in str(kwargs.get("path") or "").split("/") if word]
        requested = {
            "project": request.headers.get("X-API-Project-Id") or request.query_params.get("projectId"),
            "key": request.headers.get("X-API-Client-Access-Key"),
        }
        if actor.user is None:  # an environment that is named says nothing to whom nobody knows
            requested = {}
        self.caller, self.path = resolve_caller(actor, words, requested, base)

    def get(self, request: Request, **_: Any) -> HttpResponseBase:
        """Read one of them, or list them."""
        if not self.path:
            links = {f"{name}s": f"{self.root}/{name.lower()}s" for name in _TYPES}
            links = {"self": self.root, **links}
            return self._answer({"id": "v1-catalog", "type": "apiVersion", "links": links, "actions": {}})
        word = self.path[0].lower()
        if word in {"schema", "schemas"}:
            return self._answer(self._schemas(self.path[1:]))
        name = _name_of(word)
        if len(self.path) > 2:
            raise NotFound("Not Found")
        if len(self.path) == 1:
            return self._answer(self._list(name, request.query_params))
        return self._one(name, self.path[1], request.query_params)

    def post(self, request: Request, **_: Any) -> HttpResponseBase:
        """Refresh the catalogs that the caller may refresh: `POST /v1-catalog/templates?action=refresh`."""
        is_list = len(self.path) == 1 and _BY_WORD.get(self.path[0].lower()) in {"template", "catalog"}
        if request.query_params.get("action") != "refresh" or not is_list:
            raise method_not_allowed("POST")
        rows = [row for row in self._catalogs() if verdict(self.caller.actor, "refresh", row)]
        if not rows:
            raise Forbidden("There is no catalog here that you may refresh.")
        for row in rows:
            catalog_act(row, "refresh", actor=self.caller.actor)
        return HttpResponse(status=204)

    def http_method_not_allowed(self, request: Any, *_: Any, **__: Any) -> Any:
        """Refuse to change anything here."""
        raise method_not_allowed(str(request.method))

    put = delete = http_method_not_allowed

    def handle_exception(self, exc: Exception) -> Any:
        """Refusals as `/v1` writes them."""
        if isinstance(exc, SourceError):
            exc = Problem(str(exc), status=503, code="CatalogUnavailable")
        if not isinstance(exc, Problem):
            return super().handle_exception(exc)
        return self._answer(error_body(exc, str(uuid.uuid4())), exc.status)

    def _answer(self, body: Mapping[str, Any], status: int = 200) -> JsonResponse:
        headers = {"X-API-Schemas": f"{self.root}/schemas", "Cache-Control": "no-store"}
        return JsonResponse(body, status=status, headers={**headers, "Vary": "Authorization, Cookie"})

    def _catalogs(self) -> list[Catalog]:
        """What the caller sees, of which nothing is hidden in the environment that the request names."""
        caller = self.caller
        if caller.actor.user is None:
            return list(site_catalogs().filter(source=LIBRARY, desired="active"))
        if caller.environment is None:
            return list(site_catalogs().filter(desired="active"))
        return list(catalogs_of(caller.actor, caller.environment.pk).filter(desired="active"))

    def _templates(self) -> Any:
        return Template.objects.filter(catalog__in=[row.pk for row in self._catalogs()]).select_related("catalog")

    def _list(self, name: str, query: QueryDict) -> dict[str, Any]:
        if name == "catalog":
            return self._collection(name, [self._catalog(row) for row in self._catalogs()])
        if name == "templateVersion":
            return self._collection(name, [])
        rows = list(_filtered(self._templates(), query)[:_MAX_LISTED])
        versions = _versions_of(rows, query.get("minimumRancherVersion_lte", ""))
        return self._collection(name, [self._template(row, versions.get(row.pk, [])) for row in rows])

    def _one(self, name: str, key: str, query: QueryDict) -> HttpResponseBase:
        wanted = parse_version_id(key)
        if name == "catalog":
            found = next((row for row in self._catalogs() if row.name.lower() == key.lower()), None)
            if found is None:
                raise NotFound(f"There is no catalog {key[:100]!r} here.")
            return self._answer(self._catalog(found))
        if wanted is not None:
            return self._version(wanted, query)
        catalog, _colon, template = key.partition(":")
        row = find_template(self._templates(), catalog, template)
        if "image" in query:
            return _icon(row)
        if "readme" in query:
            return HttpResponse(template_readme(row), content_type="text/plain; charset=utf-8")
        versions = _versions_of([row], query.get("minimumRancherVersion_lte", ""))[row.pk]
        return self._answer({**self._template(row, versions), "readme": template_readme(row)})

    def _version(self, wanted: VersionId, query: QueryDict) -> HttpResponseBase:
        version = find_version(self._templates(), wanted)
        if "image" in query:
            return _icon(version.template)
        if "readme" in query:
            return HttpResponse(template_readme(version.template), content_type="text/plain; charset=utf-8")
        info, template = described(version), version.template
        others = TemplateVersion.objects.filter(template=template)
        newer = newer_versions(others, version)
        for each in newer:
            each.template = template
        links = self._links(template, "templateversions", str(version_id(version)))
        return self._answer(
            {
                "id": str(version_id(version)),
                "type": "templateVersion" if _name_of(self.path[0].lower()) == "templateVersion" else "template",
                "links": {**links, "template": f"{self.root}/templates/{_template_id(template)}"},
                "actions": {},
                "name": info.name or template.name,
                "catalogId": template.catalog.name,
                "description": info.description or template.description,
                "files": readable_files(version),
                "iconLink": links.get("icon"),
                "labels": template.details.get("labels") or None,
                "maximumRancherVersion": version.maximum_version or None,
                "minimumRancherVersion": version.minimum_version or None,
                "questions": [_question(each) for each in info.questions],
                "readme": template_readme(template),
                "templateId": _template_id(template),
                "upgradeFrom": version.upgrade_from or None,
                "upgradeVersionLinks": {each.version: self._version_url(each) for each in newer},
                "version": version.version,
            }
        )

    def _catalog(self, row: Catalog) -> dict[str, Any]:
        may_manage = bool(verdict(self.caller.actor, "update", row)) or row.environment_id is not None
        return {
            "id": row.name,
            "type": "catalog",
            "links": {
                "self": f"{self.root}/catalogs/{row.name}",
                "templates": f"{self.root}/templates?catalogId={row.name}",
            },
            "actions": {},
            "name": row.name,
            "url": row.url if may_manage else None,  # of the whole installation: how it is reached is its own affair
            "branch": row.branch or None,
            "description": row.description or None,
            "state": row.display_state,
        }

    def _template(self, row: Template, versions: list[TemplateVersion]) -> dict[str, Any]:
        key = _template_id(row)
        links = self._links(row, "templates", key)
        newest = f"{key}:{row.newest_number}" if row.newest_number is not None else None
        return {
            "id": key,
            "type": "template",
            "links": links,
            "actions": {},
            "name": row.name,
            "catalogId": row.catalog.name,
            "categories": row.categories,
            "category": row.categories[0] if row.categories else None,
            "defaultVersion": row.newest_version or None,
            "defaultTemplateVersionId": newest,
            "description": row.description or None,
            "folderName": row.folder.rpartition("/")[2],
            "iconLink": links.get("icon"),
            "isSystem": "true" if row.is_system else "false",
            "labels": row.details.get("labels") or None,
            "license": row.details.get("license"),
            "maintainer": row.details.get("maintainer"),
            "path": f"{row.catalog.name}/{row.folder}",
            "projectURL": row.details.get("project_url"),
            "readme": None,
            "templateBase": row.key.partition("*")[0] if row.is_system else "",
            "versionLinks": {each.version: f"{self.root}/templates/{key}:{each.number}" for each in versions},
        }

    def _links(self, row: Template, collection: str, key: str) -> dict[str, str]:
        found = {"self": f"{self.root}/{collection}/{key}"}
        inside = f"&projectId={self.caller.account_id}" if self.caller.environment is not None else ""
        if row.icon_digest:
            found["icon"] = f"{self.root}/templates/{_template_id(row)}?image{inside}"
        if row.details.get("readme"):
            found["readme"] = f"{self.root}/templates/{_template_id(row)}?readme{inside}"
        return found

    def _version_url(self, version: TemplateVersion) -> str:
        return f"{self.root}/templates/{version_id(version)}"

    def _schemas(self, names: list[str]) -> dict[str, Any]:
        schemas = {name.lower(): self._schema(name) for name in _TYPES}
        return schemas[_name_of(names[0].lower()).lower()] if names else self._collection("schema", schemas.values())

    def _schema(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "type": "schema",
            "links": {"self": f"{self.root}/schemas/{name}", "collection": f"{self.root}/{name.lower()}s"},
            "actions": {},
            "pluralName": f"{name}s",
            "resourceMethods": ["GET"],
            "collectionMethods": ["GET"],
            "resourceFields": {each.name: each.schema(writable="") for each in _TYPES[name]},
            "resourceActions": {},
            "collectionActions": {},
            "collectionFields": {},
            "collectionFilters": {},
            "includeableLinks": [],
        }

    def _collection(self, name: str, data: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return {
            "type": "collection",
            "resourceType": name,
            "links": {"self": f"{self.root}/{name.lower()}s"},
            "createTypes": {},
            "actions": {},
            "data": list(data),
            "sortLinks": {},
            "pagination": None,
            "sort": None,
            "filters": {},
            "createDefaults": {},
        }


def _name_of(word: str) -> str:
    if word not in _BY_WORD:
        raise NotFound("Not Found")
    return _BY_WORD[word]


def _template_id(row: Template) -> str:
    return f"{row.catalog.name}:{row.key}"


def _filtered(rows: Any, query: QueryDict) -> Any:
    """The filters that Rancher's clients use; `category_ne=system` leaves out what environments are made of."""
    for name in ("catalogId", "catalog"):
        if query.get(name):
            rows = rows.filter(catalog__name__iexact=query[name])
    if query.get("category"):
        rows = rows.filter(categories__icontains=f'"{query["category"]}"')
    if query.get("category_ne"):
        excluded = str(query["category_ne"]).lower()
        rows = rows.exclude(is_system=True) if excluded == "system" else rows
        rows = rows.exclude(categories__icontains=f'"{excluded}"')
    if "templateBase_eq" in query:
        base = query["templateBase_eq"]
        rows = rows.filter(key__startswith=f"{base}*") if base else rows.filter(is_system=False)
    return rows.order_by("name", "pk")


def _versions_of(rows: list[Template], at_most: str) -> dict[int, list[TemplateVersion]]:
    """The versions of templates in order; without those that need a later Rancher than `at_most`."""
    found: dict[int, list[TemplateVersion]] = {row.pk: [] for row in rows}
    for version in TemplateVersion.objects.filter(template__in=list(found), fault="").order_by("number"):
        if not (at_most and version.minimum_version and compare(version.minimum_version, at_most) > 0):
            found[version.template_id].append(version)
    return found


def _question(each: TemplateQuestion) -> dict[str, Any]:
    return {
        "variable": each.variable,
        "label": each.label,
        "description": each.description,
        "type": each.type,
        "required": each.required,
        "default": each.default,
        "group": each.group,
        "min": int(each.min or 0),
        "max": int(each.max or 0),
        "minLength": each.min_length,
        "maxLength": each.max_length,
        "options": list(each.options) or None,
        "validChars": each.valid_chars,
        "invalidChars": each.invalid_chars,
    }


def _icon(row: Template) -> HttpResponse:
    content = template_icon(row)
    kind = icons.picture_type(content)
    if not kind:
        raise NotFound(f"{row.name} has no icon that can be shown.")
    return HttpResponse(content, content_type=kind, headers=icons.HEADERS)
