"""The one view behind every v1 URL: finds type, row, link or action, and answers for all of them alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.wire import entry, kinds, query, shape, told, work
from apps.api.wire.bodies import Form, form_of
from apps.api.wire.caller import Caller
from apps.api.wire.entering import enter
from apps.api.wire.formats import wants_html
from apps.api.wire.kinds import Resource
from apps.api.wire.origin import base_url, client_address
from apps.core.errors import NotFound, Unauthorized
from apps.core.ids import row_key, wire_id
from apps.core.result import Loss
from apps.environments.access import Actor
from apps.environments.models import Environment

scripts: dict[str, Callable[[Any], dict[str, Any]]] = {}
"""What `POST /v1/scripts/<name>` computes for anybody who is known."""

METHODS = ("get", "post", "put", "delete", "head")


class ApiView(APIView):
    """`/v1`, collections, things, their links and actions."""

    http_method_names = list(METHODS)
    caller: Caller
    resource: Resource | None = None
    row: Any = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After REST framework's own checks: who is calling, and about what."""
        base = base_url(request)
        self.caller = Caller(Actor(None, "api"), base=base)
        super().initial(request, *args, **kwargs)
        proved: Any = request.auth
        actor = proved or Actor(None, "api", address=client_address(request))
        words = [word for word in str(kwargs.get("path") or "").split("/") if word]
        said = {
            "project": request.headers.get("X-API-Project-Id") or request.query_params.get("projectId"),
            "key": request.headers.get("X-API-Client-Access-Key"),
        }
        self.caller, self.path = enter(actor, words, said, base)
        self.caller.agent = request.headers.get("User-Agent", "")
        self.url = base + request.path

    def get(self, request: Request, **_: Any) -> HttpResponseBase:
        """Read, list, or follow a link."""
        found = self._read(request)
        return found if isinstance(found, HttpResponseBase) else Response(found)

    def post(self, request: Request, **_: Any) -> Response:
        """Make something, or do an action; browsers' forms say here that they mean PUT or DELETE."""
        body = form_of(request.data)
        meant = body.pop("_method", "") if isinstance(body, Form) else ""
        if meant in {"PUT", "DELETE"}:
            return Response(self._change(meant, body))
        script = scripts.get(self.path[1]) if len(self.path) == 2 and self.path[0] == "scripts" else None
        if script is not None and self.caller.actor.user is not None:
            return Response(script(body))
        resource, action = self._resource(), request.query_params.get("action")
        if len(self.path) > 1:
            row = self._row(resource)
            if len(self.path) > 2 or action is None:
                raise entry.refuse_method("POST")
            answer, status = work.act(resource, self.caller, row, action, body)
            return Response(answer, status=status)
        if action is not None:
            raise work.no_such_action(action)
        return Response(work.create(resource, self.caller, body, self.url), status=201)

    def put(self, request: Request, **_: Any) -> Response:
        """Change something."""
        return Response(self._change("PUT", request.data))

    def delete(self, request: Request, **_: Any) -> Response:  # noqa: ARG002 - the framework's signature
        """Remove something."""
        return Response(self._change("DELETE", {}))

    def _change(self, method: str, body: Any) -> dict[str, Any]:
        resource = self._resource()
        row = self._row(resource) if len(self.path) > 1 else None
        if row is None or len(self.path) > 2 or not resource.may(self.caller, "u" if method == "PUT" else "d"):
            raise entry.refuse_method(method)
        if method == "PUT":
            return work.update(resource, self.caller, row, body)
        return work.remove(resource, self.caller, row)

    def _read(self, request: Request) -> dict[str, Any] | HttpResponseBase:
        if not self.path:
            return self._version()
        resource = self._resource()
        if len(self.path) == 1:
            return self._list(resource, request)
        row = self._row(resource)
        if len(self.path) == 2:
            if not resource.may(self.caller, "r"):
                raise entry.refuse_method("GET")
            return shape.one(resource, self.caller, row)
        return work.follow(resource, self.caller, row, self.path[2], self.url, request.query_params)

    def _list(self, resource: Resource, request: Request) -> dict[str, Any] | HttpResponseBase:
        if not (resource.listable and resource.may(self.caller, "r")):
            raise entry.refuse_method("GET")
        asked = request.query_params
        file = resource.download(self.caller, request._request, asked)  # noqa: SLF001 - Django's own request
        if file is not None:
            return file
        found = query.page(resource, resource.listed(self.caller, asked), asked)
        data = shape.resources(resource, self.caller, found.rows)
        work.include(resource, self.caller, found.rows, data, asked.getlist("include"))
        more = query.links(resource, asked, self.url, found)
        notes = {"messages": self.caller.notes} if self.caller.notes else {}
        return shape.collection(resource, self.caller, data, self.url, {**more, **notes})

    def _version(self) -> dict[str, Any]:
        if self.caller.actor.user is None:
            raise Unauthorized("Unauthorized")
        listed = [each for each in kinds.known(self.caller) if each.listable and each.may(self.caller, "r")]
        links = {each.plural_name: self.caller.url(each.plural_name.lower()) for each in listed}
        return {"id": "v1", "type": "apiVersion", "links": {"self": self.caller.base + "/v1", **links}, "actions": {}}

    def _resource(self) -> Resource:
        """The type in the path; to nobody in particular most types are a reason to log in first."""
        found = kinds.named(self.path[0]) if self.path else None
        if found is not None and found.name == "token":
            self.caller = dataclasses.replace(self.caller, role="token")  # logging in is what anybody may do
        if found is None or found not in kinds.known(self.caller):
            raise Unauthorized("Unauthorized") if self.caller.actor.user is None else NotFound("Not Found")
        if len(self.path) > 3:
            raise NotFound("Not Found")
        self.resource = found
        return found

    def _row(self, resource: Resource) -> Any:
        """The row in the path; what is foreign is not there."""
        key = row_key(self.path[1])
        is_ours = not isinstance(key, int) or self.path[1] == wire_id(resource.letters, key)
        row = resource.find(self.caller, key) if is_ours else None
        if row is None:
            raise NotFound("Not Found")
        self.row = row
        return row

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The headers that every answer has, and in its body what the change took from others."""
        caller = getattr(self, "caller", None) or Caller(Actor(None, "api"))
        if caller.actor.losses and isinstance(response.data, dict):
            response.data["revoked"] = dataclasses.asdict(sum(caller.actor.losses, Loss()))
        found = super().finalize_response(request, response, *args, **kwargs)
        told.tell(self, request, found)
        found["X-API-Schemas"] = self._schemas(caller)
        found["X-API-Account-Id"] = caller.account
        found["Cache-Control"] = "no-store"
        found["Vary"] = "Accept, Authorization, Cookie"
        if found.status_code == 401 and self._challenges(request):
            found["WWW-Authenticate"] = 'Basic realm="Corral"'
        if wants_html(request):
            found.set_cookie("CSRF", get_token(request), samesite="Lax")
        return found

    def _schemas(self, caller: Caller) -> str:
        """The schemas of this context; a client that starts at a project's own URL means that project."""
        starts = isinstance(self.row, Environment) and len(self.path) == 2 and caller.prefix == "/v1"
        inside = ("projects", wire_id("a", self.row.pk)) if starts and self.row.desired == "active" else ()
        return caller.url(*inside, "schemas")

    def _challenges(self, request: Request) -> bool:
        """Whether a 401 asks for a key: not when told not to, nor browsers, which would keep and send it unasked."""
        quiet = request.headers.get("X-API-No-Challenge", "").lower() == "true"
        upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        return not (quiet or upgrade or wants_html(request))

    def http_method_not_allowed(self, request: Any, *_: Any, **__: Any) -> Response:
        """PATCH and the like."""
        raise entry.refuse_method(str(request.method))


def root(base: str) -> dict[str, Any]:
    """`GET /` for programs: the versions there are."""
    version = {"id": "v1", "type": "apiVersion", "links": {"self": f"{base}/v1"}, "actions": {}}
    return {
        "type": "collection",
        "resourceType": "apiVersion",
        "links": {"self": f"{base}/", "latest": f"{base}/v1"},
        "createTypes": {},
        "actions": {},
        "data": [version],
        "sortLinks": {},
        "pagination": None,
        "sort": None,
        "filters": {},
        "createDefaults": {},
    }
