"""What a page may load and where it may send forms: nothing that is not ours, so injected markup stays inert."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def content_policy(*, inline_styles: bool = False) -> str:
    """The policy of a page; only terminals and the API's pages need inline styles."""
    return _POLICY.format(styles=" 'unsafe-inline'" if inline_styles else "")


class ContentPolicyMiddleware:
    """Gives the policy to every response that has none of its own: errors, downloads, the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The response with a policy."""
        response = self._get_response(request)
        if HEADER not in response:
            response[HEADER] = content_policy()
        return response
