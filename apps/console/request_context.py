"""The request context of every console view: actor, environment, permissions, and how pages and errors are answered."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from apps.accounts.login.open_mode import open_mode_enabled, open_mode_user_at
from apps.accounts.login.sessions import record_session_activity
from apps.accounts.login.store import SessionStore
from apps.accounts.selectors import is_set_up
from apps.console.components.listing import natural_order
from apps.console.components.overload import overload_notice
from apps.console.components.region_version import add_version, fragment_response
from apps.console.components.revocation_summary import describe_revoked
from apps.control.services import record_response
from apps.core import content_policy
from apps.core.errors import (
    Forbidden,
    NotFound,
    Problem,
    ReauthenticationRequired,
)
from apps.environments.access import Verdict, can
from apps.environments.actor import Actor, actor_of_anonymous, actor_of_user
from apps.environments.models import Environment
from apps.environments.selectors import environments_of

View = Callable[..., HttpResponseBase]
ResponseT = TypeVar("ResponseT", bound=HttpResponseBase)
RowT = TypeVar("RowT", bound=Model)

LAST_ENVIRONMENT_COOKIE = "corral_environment"


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for the main region only, without the frame around it."""
    return request.headers.get("HX-Request") == "true"


def set_security_headers(response: ResponseT, *, inline_styles: bool = False) -> ResponseT:
    """Set the headers of every console response; only terminals need inline styles."""
    policy = content_policy.content_policy(inline_styles=inline_styles)
    response.headers.setdefault(content_policy.HEADER, policy)  # a picture has a stricter one of its own
    response.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response


def safe_redirect_path(request: HttpRequest, requested_url: str, fallback: str = "/") -> str:
    """`requested_url` if it stays on this portal, else the fallback."""
    is_safe = url_has_allowed_host_and_scheme(
        requested_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Anything else is no address for `redirect`, but the name of a view.
    is_address = requested_url.startswith(("/", "http://", "https://"))
    return requested_url if is_address and is_safe else fallback


@dataclass
class RequestContext:
    """One request: who makes it, in which environment, and what they were answered."""

    request: HttpRequest
    actor: Actor
    environment: Environment | None = None
    inline_styles: bool = False  # xterm.js writes its own
    holds_secrets: bool = False  # it may show the values of variables: no browser keeps such a page
    outcome: str = ""  # the message about a change, for the audit log

    @property
    def env(self) -> Environment:
        """The environment of the page; raises `NotFound` on a page without one."""
        if self.environment is None:
            raise NotFound(_("There is no such environment."))
        return self.environment

    def can(self, permission: str) -> Verdict:
        """Whether the actor holds a permission here, and if not, why."""
        verdict = can(self.actor, permission, self.environment.pk if self.environment else None)
        self.holds_secrets |= permission == "values" and bool(verdict)
        return verdict

    def require_permission(self, permission: str) -> None:
        """Raise `Forbidden` with the reason unless the actor holds the permission."""
        verdict = self.can(permission)
        if not verdict:
            raise Forbidden(verdict.reason)

    def url(self, name: str, **kwargs: Any) -> str:
        """The URL of a console page, in this environment if there is one."""
        if self.environment is not None:
            kwargs.setdefault("environment", self.environment.pk)
        return reverse(f"console:{name}", kwargs=kwargs or None)

    def get_or_404(self, rows: QuerySet[RowT], key: int) -> RowT:
        """The row `key` of `rows`; rows of other tenants and missing ones raise the same `NotFound`."""
        found = rows.filter(pk=key).first()
        if found is None:
            raise NotFound(_("Not found, or already deleted."))
        return found

    def render(self, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200) -> HttpResponse:
        """Render the whole page, or only its main region for htmx."""
        base_context = {
            "ctx": self,
            "environment": self.environment or (None if is_fragment(self.request) else self.last_environment()),
            "layout": "console/fragment.html" if is_fragment(self.request) else "console/base.html",
            "switcher": self._switcher,  # a callable, so that fragments, which have no switcher, save its query
            "overload": None
            if is_fragment(self.request)
            else overload_notice(self.environment.pk if self.environment else None),
            "open_mode": self.actor.is_admin and not is_fragment(self.request) and open_mode_enabled(),
        }
        text = render_to_string(template, {**base_context, **(context or {})}, self.request)
        if is_fragment(self.request):
            return fragment_response(self.request, text, status=status)
        return HttpResponse(add_version(text), status=status)

    def last_environment(self) -> Environment | None:
        """The environment visited last, which pages without one keep in their frame."""
        last = self.request.COOKIES.get(LAST_ENVIRONMENT_COOKIE, "")
        # The cookie is whatever a client sends: only a number that fits a primary key may reach the database.
        if not (last.isascii() and last.isdigit() and len(last) < 18 and self.actor.permissions(int(last))):
            return None
        return Environment.objects.filter(pk=int(last), removed=None).first()

    def _switcher(self) -> list[Environment]:
        """The environments of the switcher: the actor's own, and the current one if an administrator visits another."""
        mine = list(environments_of(self.actor).order_by(*natural_order("name")))
        if self.environment is not None and self.environment not in mine:
            mine.append(self.environment)
        return mine

    def success_response(self, message: str, to: str = "", *, changed: bool = True, undo: str = "") -> HttpResponse:
        """Answer an accepted change: go to `to`, or stay and refresh; the message includes what was revoked.

        `undo` is the address that takes the change back, offered beside the message for as long as it can be.
        """
        self.outcome = message = " ".join(filter(None, (message, describe_revoked(self.actor.revoked_counts))))
        if not is_fragment(self.request):
            messages.success(self.request, message, extra_tags=undo)
            return redirect(to or self.return_path())
        if to:
            messages.success(self.request, message, extra_tags=undo)
            return HttpResponse(status=204, headers={"HX-Redirect": to})
        toast = {"text": message, "tone": "good", **({"undo": undo} if undo else {})}
        events = {"corral:toast": toast, "corral:done": {"changed": changed}}
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})

    def dialog_response(self, url: str) -> HttpResponse:
        """Have the page show this dialog, which asks before anything is done; without scripts it is a page."""
        if not is_fragment(self.request):
            return redirect(url)
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"corral:dialog": {"url": url}})})

    def redirect_to(self, to: str) -> HttpResponse:
        """Send the browser to another page."""
        # htmx would follow a 3xx inside its own request and swap the target page into this one.
        return HttpResponse(status=204, headers={"HX-Redirect": to}) if is_fragment(self.request) else redirect(to)

    def error_response(self, problem: Problem) -> HttpResponse:
        """Answer a refused request: a toast for htmx, else a message or the error page."""
        self.outcome = problem.message
        if is_fragment(self.request):
            events = {"corral:toast": {"text": problem.message, "tone": "bad"}}
            return HttpResponse(problem.message, status=problem.status, headers={"HX-Trigger": json.dumps(events)})
        # Without htmx: back to the form with a message, unless what the form was about is gone.
        if self.request.method == "POST" and problem.status != 404:
            messages.error(self.request, problem.message)
            return redirect(self.return_path())
        return self.render("console/error.html", {"problem": problem}, status=problem.status)

    def return_path(self) -> str:
        """The page the request came from, if it is on this portal."""
        requested_url = self.request.POST.get("next") or self.request.headers.get("Referer", "")
        return safe_redirect_path(self.request, requested_url)


def _redirect_anonymous(request: HttpRequest) -> HttpResponse:
    """Send somebody who is not logged in to the set-up or log-in page."""
    if not is_set_up():
        target = reverse("console:setup")
    else:
        path = request.get_full_path() if request.method == "GET" else "/"
        if is_fragment(request):
            path = originating_path(request)
        target = f"{reverse('console:login')}?next={quote(path or '/')}"
    if is_fragment(request):
        return HttpResponse(status=401, headers={"HX-Redirect": target})
    return redirect(target)


def _authenticate(request: HttpRequest) -> RequestContext | None:
    """The context of the logged-in user, or in open mode of an anonymous visitor; None for anybody else."""
    if request.user.is_authenticated and not _is_session_expired(request):
        return _user_context(request)
    user = open_mode_user_at(request.get_host())
    if user is None:
        return None
    request.user = user
    return RequestContext(request, actor_of_anonymous(user, "console", address=request.META.get("REMOTE_ADDR", "")))


def _user_context(request: HttpRequest) -> RequestContext:
    address, store = request.META.get("REMOTE_ADDR", ""), request.session
    session = store.row if isinstance(store, SessionStore) else None
    return RequestContext(request, actor_of_user(request.user, "console", address=address, session=session))  # type: ignore[arg-type]


def _is_session_expired(request: HttpRequest) -> bool:
    """Whether the session was idle for too long; a page that refreshes itself does not count as activity."""
    is_auto_refresh = "X-Corral-Refresh" in request.headers
    return (
        not is_auto_refresh
        and isinstance(request.session, SessionStore)
        and not record_session_activity(request.session)
    )


def public(view: View) -> View:
    """Declare a view that needs no log-in."""
    return _declare_access(view, "anybody")


def _declare_access(view: View, access: str) -> View:
    """Mark who may open a view: every URL of the console must be marked, and a test checks it."""
    view.access = access  # type: ignore[attr-defined]
    return view


def login_required(view: View) -> View:
    """Declare a view for everybody who is logged in; it is called with a `RequestContext`."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        ctx = _authenticate(request)
        if ctx is None:
            return set_security_headers(_redirect_anonymous(request))
        response = _respond(ctx, view, kwargs)
        if ctx.holds_secrets or request.method == "POST":  # what a change answers may be a secret, shown once
            response["Cache-Control"] = "no-store"
        return set_security_headers(response, inline_styles=ctx.inline_styles)

    return _declare_access(wrapped, "account")


def member_required(view: View) -> View:
    """Declare a view inside an environment; to non-members the environment does not exist."""

    @functools.wraps(view)
    def wrapped(ctx: RequestContext, environment: int, **kwargs: Any) -> HttpResponseBase:
        if "view" in ctx.actor.permissions(environment):
            ctx.environment = Environment.objects.filter(pk=environment, removed=None).first()
        if ctx.environment is None:
            raise NotFound(_("There is no such environment, or you are not a member of it."))
        response = view(ctx, **kwargs)
        if ctx.request.COOKIES.get(LAST_ENVIRONMENT_COOKIE) != str(environment):
            response.set_cookie(
                LAST_ENVIRONMENT_COOKIE,
                str(environment),
                max_age=31_536_000,
                samesite="Lax",
                httponly=True,
                secure=settings.SESSION_COOKIE_SECURE,
            )
        return response

    return _declare_access(login_required(wrapped), "environment")


def admin_required(view: View) -> View:
    """Declare a view for administrators; to everybody else it does not exist."""

    @functools.wraps(view)
    def wrapped(ctx: RequestContext, **kwargs: Any) -> HttpResponseBase:
        if not ctx.actor.is_admin:
            raise NotFound(_("There is no such page."))
        return view(ctx, **kwargs)

    return _declare_access(login_required(wrapped), "admin")


def post_required(view: View) -> View:
    """Declare a view that accepts POST only; anything else is a 405."""

    @functools.wraps(view)
    def wrapped(ctx: RequestContext, **kwargs: Any) -> HttpResponseBase:
        if ctx.request.method != "POST":
            raise Problem(_("This address accepts only POST requests."), status=405)
        return view(ctx, **kwargs)

    return wrapped


def _respond(ctx: RequestContext, view: View, kwargs: dict[str, Any]) -> HttpResponseBase:
    try:
        response = view(ctx, **kwargs)
        code = response.status_code
    except ReauthenticationRequired as problem:
        response, code = _redirect_to_reauthentication(ctx.request), problem.status
    except Problem as problem:
        response, code = ctx.error_response(problem), problem.status
    if ctx.request.method == "POST":
        _audit_response(ctx, code)
    return response


def _audit_response(ctx: RequestContext, code: int) -> None:
    """Record in the audit log how a change was answered; of a form only the names of its fields, never values."""
    page = ctx.request.resolver_match
    record_response(
        ctx.actor,
        code,
        {"message": ctx.outcome} if ctx.outcome else {},
        event=f"console.{page.url_name if page else ''}",
        environment_id=ctx.environment.pk if ctx.environment else None,
        request={"fields": sorted(ctx.request.POST.keys() - {"csrfmiddlewaretoken"})},
    )


def _redirect_to_reauthentication(request: HttpRequest) -> HttpResponse:
    """Send the browser to the page that asks for the password again, and from there back."""
    path = request.get_full_path() if request.method == "GET" else originating_path(request)
    target = f"{reverse('console:confirm')}?next={quote(path)}"
    if is_fragment(request):
        return HttpResponse(status=403, headers={"HX-Redirect": target})
    return redirect(target)


def originating_path(request: HttpRequest) -> str:
    """The path of the page on which a button was pressed."""
    # Of a request by htmx the path is that of a fragment; the page is in its header.
    parts = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"
