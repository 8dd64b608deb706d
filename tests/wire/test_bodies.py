"""Request and response bodies (JSON, forms, dates, HTML), forwarded addresses, and errors."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions

from apps.api.wire.browsable import breadcrumbs, linkify_json
from apps.api.wire.errors import error_body, to_problem
from apps.api.wire.formats import V1Renderer, format_dates, wants_html
from apps.api.wire.input import (
    FormBody,
    V1Parser,
    load_strict_json,
    unwrap_form,
)
from apps.api.wire.origin import base_url, client_address, is_trusted
from apps.core.errors import Conflict, Invalid, Problem

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"", {}), (b"  \n", {}), (b"null", None), (b'{"a":1}', {"a": 1}), (b"[1]", [1]), ('"\u2603"', "\u2603"),
     (b"1e2", 100.0)],
)  # fmt: skip
def test_json_is_read(raw: bytes | str, value: Any):
    assert load_strict_json(raw) == value


@pytest.mark.parametrize(
    "raw", [b"{", b"{'a':1}", b"NaN", b"[Infinity]", b"-Infinity", b'{"a":1,}', b"\xff\xfe\xfd", b"x", b"[" * 100_000]
)
def test_anything_but_strict_json_is_refused(raw: bytes):
    with pytest.raises(Problem) as refusal:
        load_strict_json(raw)
    assert (refusal.value.status, refusal.value.code) == (422, "InvalidBodyContent")


@pytest.mark.parametrize("kind", [None, "", "application/json", "text/plain", "application/JSON; charset=utf-8", "x/y"])
def test_a_body_is_json_whatever_its_content_type(kind: str | None):
    assert V1Parser().parse(io.BytesIO(b'{"a": 1}'), kind) == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"a=1&b=x+y", {"a": "1", "b": "x y"}), (b"a=1&a=2", {"a": "2"}), (b"a=", {"a": ""}), (b"", {})],
)
def test_a_form_is_read_as_texts(raw: bytes, value: dict[str, str]):
    found = V1Parser().parse(io.BytesIO(raw), FORM + "; charset=utf-8")
    assert isinstance(found, FormBody)
    assert found == value


@pytest.mark.parametrize("raw", [b'{"a": 1}', b'  {"a": 1}'])
def test_json_with_the_content_type_of_a_form_is_json(raw: bytes):
    found = V1Parser().parse(io.BytesIO(raw), FORM)
    assert not isinstance(found, FormBody)
    assert found == {"a": 1}


@pytest.mark.parametrize("kind", ["application/json", FORM])
def test_a_body_over_the_limit_is_refused_unread(settings: Any, kind: str):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2048
    stream = io.BytesIO(b"a" * 10_000)
    with pytest.raises(Problem, match="at most 2 KB") as refusal:
        V1Parser().parse(stream, kind)
    assert refusal.value.status == 413
    assert stream.tell() == 2049


def test_a_body_as_long_as_the_limit_is_read(settings: Any):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 9
    assert V1Parser().parse(io.BytesIO(b'{"a":"b"}'), "") == {"a": "b"}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (FormBody(_body='{"a": [1]}', other="x"), {"a": [1]}),
        (FormBody(_body="  ", a="x"), {"_body": "  ", "a": "x"}),
        (FormBody(a="x"), {"a": "x"}),
        ({"_body": "{}"}, {"_body": "{}"}),
        ([1], [1]),
    ],
)
def test_the_json_field_of_a_form_overrides_its_other_fields(body: Any, value: Any):
    assert unwrap_form(body) == value


def test_invalid_json_in_the_json_field_is_refused():
    with pytest.raises(Problem, match="not valid JSON"):
        unwrap_form(FormBody(_body="{"))


MOMENT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (MOMENT, "2026-03-04T05:06:07Z"),
        ({"a": [MOMENT, {"b": MOMENT}]}, {"a": ["2026-03-04T05:06:07Z", {"b": "2026-03-04T05:06:07Z"}]}),
        ((1, "x", None), [1, "x", None]),
        (date(2026, 3, 4), "2026-03-04T00:00:00Z"),
        ("2026", "2026"),
    ],
)
def test_dates_are_formatted_as_in_v1(value: Any, shown: Any):
    assert format_dates(value) == shown


def test_no_body_renders_as_no_bytes_and_a_nested_none_as_null():
    assert V1Renderer().render(None) == b""
    assert json.loads(V1Renderer().render({"a": None, "at": MOMENT})) == {"a": None, "at": "2026-03-04T05:06:07Z"}


@pytest.mark.parametrize(
    ("accept", "agent", "is_page"),
    [
        ("text/html,*/*", "Mozilla/5.0", True),
        ("text/html", "curl/8", False),
        ("*/*", "Mozilla/5.0", False),
        ("application/json", "Mozilla/5.0", False),
        ("", "", False),
    ],
)
def test_only_browsers_that_accept_html_get_pages(accept: str, agent: str, is_page: bool):
    request = RequestFactory().get("/v1", headers={"Accept": accept, "User-Agent": agent})
    assert wants_html(request) is is_page


PROXY, UNTRUSTED = "10.9.0.1", "198.51.100.7"


def request_from(peer: str, **forwarded: str) -> Any:
    """A request from a peer with `X-Forwarded-...` headers."""
    headers = {f"X-Forwarded-{name}": value for name, value in forwarded.items()}
    return RequestFactory().get("/v1", headers={"Host": "portal.test", **headers}, REMOTE_ADDR=peer)


@pytest.fixture
def proxied(settings: Any) -> None:
    """Trust one network of proxies."""
    settings.TRUSTED_PROXIES = ["10.9.0.0/24"]
    settings.ALLOWED_HOSTS = ["*"]


@pytest.mark.parametrize(
    ("forwarded", "url"),
    [
        ({}, "http://portal.test"),
        ({"Proto": "https"}, "https://portal.test"),
        ({"Proto": "https", "Host": "c.example"}, "https://c.example"),
        ({"Proto": "https, http", "Host": "c.example, inner"}, "https://c.example"),
        ({"Host": "c.example", "Port": "8443"}, "http://c.example:8443"),
        ({"Host": "c.example:1", "Port": "8443"}, "http://c.example:8443"),
        ({"Proto": "https", "Host": "c.example:1", "Port": "443"}, "https://c.example"),
        ({"Host": "c.example", "Port": "80"}, "http://c.example"),
        ({"Proto": "https", "Host": "c.example", "Port": "80"}, "https://c.example:80"),
        ({"Host": "[2001:db8::1]:8080"}, "http://[2001:db8::1]:8080"),
        ({"Proto": "javascript"}, "http://portal.test"),
        ({"Host": "evil/<script>"}, "http://portal.test"),
        ({"Host": "a b"}, "http://portal.test"),
        ({"Port": "80/../x"}, "http://portal.test"),
        ({"Port": "123456"}, "http://portal.test"),
    ],
)
def test_valid_forwarded_headers_of_a_trusted_proxy_count(proxied: None, forwarded: dict[str, str], url: str):
    assert base_url(request_from(PROXY, **forwarded)) == url
    assert base_url(request_from(UNTRUSTED, **forwarded)) == "http://portal.test"


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        (UNTRUSTED, "", UNTRUSTED),
        (UNTRUSTED, "203.0.113.1", UNTRUSTED),
        (PROXY, "203.0.113.1", "203.0.113.1"),
        (PROXY, "1.1.1.1, 203.0.113.1", "203.0.113.1"),
        (PROXY, "203.0.113.1, 10.9.0.2", "203.0.113.1"),
        (PROXY, "", PROXY),
        (PROXY, " , ,", PROXY),
        (PROXY, "10.9.0.3", "10.9.0.3"),
        (PROXY, "x" * 100, "x" * 64),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_a_trusted_proxy(proxied: None, peer: str, hops: str, client: str):
    assert client_address(request_from(peer, **({"For": hops} if hops else {}))) == client


@pytest.mark.parametrize(
    ("address", "answer"), [("10.9.0.255", True), ("::ffff:10.9.0.1", True), ("10.9.1.0", False),
     ("", False), ("x", False)]
)  # fmt: skip
def test_trusted_proxies_are_networks_or_addresses(proxied: None, address: str, answer: bool):
    assert is_trusted(address) is answer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("name", "NotUnique", "Taken."), 422, "NotUnique"),
        (RequestDataTooBig(), 413, "MaxLimitExceeded"),
        (Http404(), 404, "Not Found"),
        (DisallowedHost("x"), 400, "Bad Request"),
        (OperationalError("disk full"), 503, "Service Unavailable"),
        (exceptions.NotAuthenticated(), 401, "Unauthorized"),
        (exceptions.AuthenticationFailed(), 401, "Unauthorized"),
        (exceptions.ParseError("secret detail"), 422, "InvalidBodyContent"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (exceptions.Throttled(5), 429, "Too Many Requests"),
        (exceptions.MethodNotAllowed("PATCH"), 405, "Method not allowed"),
        (exceptions.NotAcceptable(), 406, "Not Acceptable"),
        (exceptions.UnsupportedMediaType("x/y"), 415, "Unsupported Media Type"),
    ],
)  # fmt: skip
def test_every_failure_has_its_status_and_code(error: Exception, status: int, code: str):
    found = to_problem(error)
    assert (found.status, found.code) == (status, code)


def test_an_unexpected_exception_is_an_internal_error():
    assert to_problem(KeyError("a")).status == 500


@pytest.mark.parametrize("error", [KeyError("s3cret"), OperationalError("s3cret"), exceptions.ParseError("s3cret")])
def test_internal_errors_are_not_disclosed(error: Exception):
    assert "s3cret" not in json.dumps(error_body(to_problem(error), "k"))


def test_an_error_names_its_field_only_if_it_has_one():
    body = error_body(Invalid("ports", "InvalidFormat", "No port."), "key-1")
    assert (body["id"], body["type"], body["fieldName"], body["message"]) == ("key-1", "error", "ports", "No port.")
    assert "fieldName" not in error_body(Conflict("Busy."), "key-2")


@pytest.mark.parametrize(
    ("path", "urls"),
    [
        ("/v1", ["/v1"]),
        ("/v1/projects/1a5", ["/v1", "/v1/projects", "/v1/projects/1a5"]),
        ("/", []),
        ("//v1//", ["/v1"]),
    ],
)
def test_the_breadcrumbs_lead_back_up_the_path(path: str, urls: list[str]):
    assert [each["url"] for each in breadcrumbs(path)] == urls


def test_urls_in_a_page_are_links_and_nothing_else_is_markup():
    shown = linkify_json({"self": "http://h/v1?a=1&b=2", "x": "<b>&\"'"})
    assert '<a href="http://h/v1?a=1&amp;b=2">http://h/v1?a=1&amp;b=2</a>' in shown
    assert "<b>" not in shown


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_text_escapes_its_quotes_in_a_page(text: str):
    shown = str(linkify_json({"x": "http://h/" + text}))
    assert shown.count("<") == 2
    assert shown.count("<a href=") == 1
    assert "\0" not in shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://h/x", "//h/x", "http//h"])
def test_other_schemes_are_not_links(url: str):
    assert "<a" not in linkify_json({"x": url})


def test_a_value_of_another_type_is_shown_as_text():
    assert "namespace(a=1)" in linkify_json({"x": SimpleNamespace(a=1)})
