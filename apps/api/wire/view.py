"""The view behind every URL of v1 and v2-beta: finds the type and the row, and dispatches methods, links, actions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.wire import dispatch, query
from apps.api.wire.audit import complete_audit_entries
from apps.api.wire.auth import BEARER_PROJECT
from apps.api.wire.context import ApiCaller, resolve_caller
from apps.api.wire.dialect import DIALECTS, V1, Dialect
from apps.api.wire.formats import wants_html
from apps.api.wire.input import FormBody, method_not_allowed, unwrap_form
from apps.api.wire.origin import base_url, client_address
from apps.api.wire.preconditions import apply_precondition, etag_of
from apps.api.wire.resource import Resource, find_resource, visible_resources
from apps.api.wire.serialize import serialize_collection, serialize_row, serialize_rows
from apps.core.content_policy import HEADER, content_policy
from apps.core.errors import NotFound, Unauthorized
from apps.core.ids import row_key, wire_id
from apps.core.result import RevokedCounts
from apps.core.streams import FileDownload, arriving_pieces, file_response
from apps.environments.actor import Actor
from apps.environments.models import Environment

scripts: dict[str, Callable[[Any], dict[str, Any]]] = {}
"""What `POST /v1/scripts/<name>` computes for any authenticated caller."""

documents: dict[str, Callable[[ApiCaller], HttpResponseBase]] = {}
"""What `GET /v1/<name>` answers that is no type, for any authenticated caller."""

METHODS = ("get", "post", "put", "delete", "head")


class ApiView(APIView):
    """`/v1` or `/v2-beta`: collections, resources, their links and actions."""

    http_method_names = list(METHODS)
    dialect: Dialect = V1
    caller: ApiCaller
    resource: Resource | None = None
    row: Any = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Resolve the caller and the path, after REST framework's own checks."""
        base = base_url(request)
        # Before anything can fail: the headers and the audit entry of a refusal need a caller too.
        self.caller = self._anonymous(base)
        super().initial(request, *args, **kwargs)
        authenticated: Any = request.auth
        actor = authenticated or Actor(None, "api", address=client_address(request))
        segments = [word for word in str(kwargs.get("path") or "").split("/") if word]
        requested = {
            "project": request.headers.get("X-API-Project-Id")
            or request.query_params.get("projectId")
            or request.META.get(BEARER_PROJECT),
            "key": request.headers.get("X-API-Client-Access-Key"),
        }
        self.caller, self.path = resolve_caller(actor, segments, requested, base, self.dialect)
        self.caller.agent, self.caller.query = request.headers.get("User-Agent", ""), request.query_params
        self.url = base + request.path

    def _anonymous(self, base: str = "") -> ApiCaller:
        return ApiCaller(Actor(None, "api"), base=base, prefix=self.dialect.root, dialect=self.dialect)

    def get(self, request: Request, **_: Any) -> HttpResponseBase:
        """Read, list, or follow a link."""
        found = self._read(request)
        if isinstance(found, FileDownload):
            return file_response(request._request, found)  # noqa: SLF001 - Django's own request
        return found if isinstance(found, HttpResponseBase) else Response(found)

    def post(self, request: Request, **_: Any) -> Response:
        """Create something or perform an action; HTML forms send PUT and DELETE as `_method`."""
        if self._takes_file(request):
            return self._receive_file(request)
        body = unwrap_form(request.data)
        method_override = body.pop("_method", "") if isinstance(body, FormBody) else ""
        if method_override in {"PUT", "DELETE"}:
            return Response(self._change(method_override, body))
        script = scripts.get(self.path[1]) if len(self.path) == 2 and self.path[0] == "scripts" else None
        if script is not None and self.caller.actor.user is not None:
            return Response(script(body))
        resource, action = self._resource(), request.query_params.get("action")
        if len(self.path) > 1:
            row = self._row(resource)
            if len(self.path) > 2 or action is None:
                raise method_not_allowed("POST")
            self._apply_precondition(row, is_update=action == "update")
            answer, status = dispatch.perform_action(resource, self.caller, row, action, body)
            return Response(answer, status=status)
        if action is not None:
            raise dispatch.unknown_action(action)
        return Response(dispatch.create(resource, self.caller, body, self.url), status=201)

    def _takes_file(self, request: Request) -> bool:
        found = find_resource(self.path[0], self.dialect) if len(self.path) == 2 else None
        action = found.custom_actions.get(request.query_params.get("action", "")) if found is not None else None
        return action is not None and action.takes_file

    def _receive_file(self, request: Request) -> Response:
        """Perform an action whose body is a file: who may not is refused before any of it is read."""
        # The file is never a body that is parsed, here or for the audit log.
        setattr(request, "_full_data", {})  # noqa: B010 - REST framework has no other way
        resource = self._resource()
        row = self._row(resource)
        pieces = functools.partial(arriving_pieces, request._request)  # noqa: SLF001 - Django's own request
        answer, status = dispatch.perform_action(resource, self.caller, row, request.query_params["action"], pieces)
        return Response(answer, status=status)

    def put(self, request: Request, **_: Any) -> Response:
        """Update a resource."""
        return Response(self._change("PUT", request.data))

    def delete(self, request: Request, **_: Any) -> Response:  # noqa: ARG002 - the framework's signature
        """Remove a resource."""
        return Response(self._change("DELETE", {}))

    def _change(self, method: str, body: Any) -> dict[str, Any]:
        resource = self._resource()
        row = self._row(resource) if len(self.path) > 1 else None
        if row is None or len(self.path) > 2 or not resource.may(self.caller, "u" if method == "PUT" else "d"):
            raise method_not_allowed(method)
        self._apply_precondition(row, is_update=method == "PUT")
        if method == "PUT":
            return dispatch.update(resource, self.caller, row, body)
        return dispatch.remove(resource, self.caller, row)

    def _apply_precondition(self, row: Any, *, is_update: bool) -> None:
        apply_precondition(row, self.request.headers.get("If-Match", ""), is_update=is_update)

    def _read(self, request: Request) -> dict[str, Any] | HttpResponseBase | FileDownload:
        if not self.path:
            return self._version()
        is_document = self.dialect is V1 and len(self.path) == 1 and self.path[0] in documents
        if is_document and self.caller.actor.user is not None:
            return documents[self.path[0]](self.caller)
        if self._is_link_of_environment():
            return self._follow_link_of_environment(request)
        resource = self._resource()
        if len(self.path) == 1:
            return self._list(resource, request)
        if len(self.path) == 2:
            row = self._row(resource, resource.find_to_read)
            if not resource.may(self.caller, "r"):
                raise method_not_allowed("GET")
            body = serialize_row(resource, self.caller, row)
            if resource.model is not None and isinstance(row, resource.model):  # not one of another type
                names = request.query_params.getlist("include")
                dispatch.include_links(resource.of_row(row), self.caller, [row], [body], names)
            return body
        row = self._row(resource)
        return dispatch.follow_link(resource, self.caller, row, self.path[2], self.url, request.query_params)

    def _is_link_of_environment(self) -> bool:
        """Whether what is asked for below an environment's URL is no type but one of its links, as `hostStats` is."""
        project, word = find_resource("project", self.dialect), self.path[0].lower()
        is_inside = self.caller.environment is not None and self.caller.prefix != self.dialect.root
        is_below = len(self.path) == 1 and is_inside
        same_name = find_resource(word, self.dialect)  # a link may have the name of the type that it answers with
        if not is_below or project is None or (same_name is not None and same_name.listable):
            return False
        return any(name.lower() == word and link.is_computed for name, link in project.links.items())

    def _follow_link_of_environment(self, request: Request) -> dict[str, Any] | FileDownload:
        project = find_resource("project", self.dialect)
        if project is None:
            raise NotFound("Not Found")
        row = self.caller.environment
        return dispatch.follow_link(project, self.caller, row, self.path[0], self.url, request.query_params)

    def _list(self, resource: Resource, request: Request) -> dict[str, Any] | HttpResponseBase:
        if not (resource.listable and resource.may(self.caller, "r")):
            raise method_not_allowed("GET")
        query_params = request.query_params
        file = resource.download(self.caller, request._request, query_params)  # noqa: SLF001 - Django's own request
        if file is not None:
            return file
        found = query.paginate(resource, resource.list_rows(self.caller, query_params), query_params)
        data = serialize_rows(resource, self.caller, found.rows)
        dispatch.include_links(resource, self.caller, found.rows, data, query_params.getlist("include"))
        more = query.collection_metadata(resource, query_params, self.url, found)
        messages = {"messages": self.caller.messages} if self.caller.messages else {}
        return serialize_collection(resource, self.caller, data, self.url, {**more, **messages})

    def _version(self) -> dict[str, Any]:
        if self.caller.actor.user is None:
            raise Unauthorized("Unauthorized")
        readable = [each for each in visible_resources(self.caller) if each.listable and each.may(self.caller, "r")]
        links = {each.plural_name: self.caller.url(each.plural_name.lower()) for each in readable}
        links = {"self": self.caller.base + self.dialect.root, **links}
        return {"id": self.dialect.name, "type": "apiVersion", "links": links, "actions": {}}

    def _resource(self) -> Resource:
        """The type in the path; without credentials, an unknown type is a 401 so that clients log in first."""
        found = find_resource(self.path[0], self.dialect) if self.path else None
        if found is not None and found.name == "token":
            self.caller = dataclasses.replace(self.caller, role="token")  # everybody may log in, also who already is
        if found is None or found not in visible_resources(self.caller):
            raise Unauthorized("Unauthorized") if self.caller.actor.user is None else NotFound("Not Found")
        if len(self.path) > 3:
            raise NotFound("Not Found")
        self.resource = found
        return found

    def _row(self, resource: Resource, find: Callable[[ApiCaller, int | str | None], Any] | None = None) -> Any:
        """The row in the path; rows that the caller may not see do not exist."""
        key = row_key(self.path[1])
        # The prefix is part of the id: `1h5` must not find the container with number 5.
        has_own_prefix = not isinstance(key, int) or self.path[1] in {
            wire_id(each, key) for each in resource.id_prefixes
        }
        row = (find or resource.find)(self.caller, key) if has_own_prefix else None
        if row is None:
            raise NotFound("Not Found")
        self.row = row
        return row

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Complete the audit entry, and add the common headers and what the change revoked from others."""
        caller = getattr(self, "caller", None) or self._anonymous()
        if caller.actor.revoked_counts and isinstance(response.data, dict):
            response.data["revoked"] = dataclasses.asdict(sum(caller.actor.revoked_counts, RevokedCounts()))
        found = super().finalize_response(request, response, *args, **kwargs)
        complete_audit_entries(caller, self.resource, self.row, request, found)
        if found.status_code < 300 and len(getattr(self, "path", ())) == 2 and etag_of(self.row):
            found["ETag"] = etag_of(self.row)
        found["X-API-Schemas"] = self._schemas(caller)
        found["X-API-Account-Id"] = caller.account_id
        # Bodies differ by role and can contain secrets: neither browsers nor proxies may keep them.
        found["Cache-Control"] = "no-store"
        found["Vary"] = "Accept, Authorization, Cookie"
        if found.status_code == 401 and self._challenges(request):
            found["WWW-Authenticate"] = 'Basic realm="Corral"'
        if wants_html(request):
            # v1's scripts read the token from a cookie of this name and send it as X-API-CSRF.
            found.set_cookie("CSRF", get_token(request), samesite="Lax", secure=settings.CSRF_COOKIE_SECURE)
            found[HEADER] = content_policy(inline_styles=True)
        return found

    def _schemas(self, caller: ApiCaller) -> str:
        """The URL of this context's schemas; a client that starts at a project's own URL gets that project's."""
        is_entry_point = (
            isinstance(self.row, Environment) and len(self.path) == 2 and caller.prefix == caller.dialect.root
        )
        inside = ("projects", wire_id("a", self.row.pk)) if is_entry_point and self.row.desired == "active" else ()
        return caller.url(*inside, "schemas")

    def _challenges(self, request: Request) -> bool:
        """Whether a 401 asks for basic authentication: not in browsers, which would store the key and resend it."""
        no_challenge = request.headers.get("X-API-No-Challenge", "").lower() == "true"
        upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        return not (no_challenge or upgrade or wants_html(request))

    def http_method_not_allowed(self, request: Any, *_: Any, **__: Any) -> Response:
        """Refuse PATCH and other methods."""
        raise method_not_allowed(str(request.method))


def version_index(base: str) -> dict[str, Any]:
    """`GET /` for programs: the API's versions."""
    versions = [
        {"id": each.name, "type": "apiVersion", "links": {"self": base + each.root}, "actions": {}}
        for each in DIALECTS.values()
    ]
    return {
        "type": "collection",
        "resourceType": "apiVersion",
        # v1 stays the latest: who is given no path is a client of v1, and those of v2-beta say theirs.
        "links": {"self": f"{base}/", "latest": f"{base}/v1"},
        "createTypes": {},
        "actions": {},
        "data": versions,
        "sortLinks": {},
        "pagination": None,
        "sort": None,
        "filters": {},
        "createDefaults": {},
    }
