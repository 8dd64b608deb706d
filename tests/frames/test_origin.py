"""Which origins may open a socket, and the client address behind proxies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.realtime.origin import (
    client_address,
    header,
    origin_rejection,
    require_same_origin,
)


def scope(host: str = "portal.test", origin: str = "", **more: str) -> dict[str, Any]:
    """A handshake's scope with these headers."""
    named = {"host": host, "origin": origin, **{name.replace("_", "-"): value for name, value in more.items()}}
    return {"headers": [(name.encode(), value.encode("latin1")) for name, value in named.items() if value]}


@pytest.fixture(autouse=True)
def portal(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.test", ".wild.test", "[fd00::1]", "10.0.0.1"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.test", "https://*.family.test", "http://dev.test:3000"]
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        pytest.param("portal.test", "", id="a program has no origin"),
        pytest.param("portal.test", "http://portal.test", id="the same"),
        pytest.param("portal.test", "https://portal.test", id="TLS ends before us"),
        pytest.param("PORTAL.test", "http://portal.TEST", id="case does not count"),
        pytest.param("portal.test:80", "http://portal.test", id="the usual port said"),
        pytest.param("portal.test", "https://portal.test:443", id="the page says it"),
        pytest.param("portal.test:8080", "http://portal.test:8080", id="another port"),
        pytest.param("a.wild.test", "http://a.wild.test", id="a name below"),
        pytest.param("10.0.0.1:8080", "http://10.0.0.1:8080", id="an address"),
        pytest.param("[fd00::1]:8080", "http://[fd00::1]:8080", id="an IPv6 address"),
        pytest.param("[fd00::1]", "", id="a program at an IPv6 address"),
        pytest.param("portal.test.", "http://portal.test.", id="a name with the root's dot, as for pages"),
        pytest.param("portal.test", "https://trusted.test", id="a trusted page"),
        pytest.param("portal.test", "https://x.family.test", id="below a trusted name"),
        pytest.param("portal.test", "https://a.b.family.test", id="far below it"),
        pytest.param("portal.test", "http://dev.test:3000", id="a trusted page on its port"),
    ],
)
def test_pages_of_this_portal_and_trusted_ones_may(host: str, origin: str) -> None:
    assert origin_rejection(scope(host, origin)) == ""


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        pytest.param("portal.test", "http://evil.test", id="another site"),
        pytest.param("portal.test", "http://portal.test.evil.test", id="a longer name"),
        pytest.param("portal.test", "http://xportal.test", id="a name that ends alike"),
        pytest.param("portal.test", "http://portal.test:8080", id="another port"),
        pytest.param("portal.test:8080", "http://portal.test", id="no port"),
        pytest.param("portal.test:443", "http://portal.test", id="the other scheme's port"),
        pytest.param("portal.test", "null", id="a sandboxed frame"),
        pytest.param("portal.test", "file://portal.test", id="a file"),
        pytest.param("portal.test", "portal.test", id="no scheme"),
        pytest.param("portal.test", "http://", id="no name"),
        pytest.param("portal.test", "http://[", id="half an address"),
        pytest.param("portal.test", "http://portal.test:x", id="no port number"),
        pytest.param("portal.test", "https://portal.test@evil.test", id="a name as the user"),
        pytest.param("portal.test", "http://trusted.test", id="a trusted name without TLS"),
        pytest.param("portal.test", "https://trusted.test:8443", id="a trusted name on another port"),
        pytest.param("portal.test", "https://evilfamily.test", id="ends like a trusted family"),
        pytest.param("portal.test", "https://x.trusted.test", id="below a name trusted alone"),
        pytest.param("portal.test", "http://dev.test", id="a trusted page without its port"),
        pytest.param("a.wild.test", "http://b.wild.test", id="a sister"),
    ],
)
def test_other_sites_may_not(host: str, origin: str) -> None:
    assert origin_rejection(scope(host, origin)) != ""


@pytest.mark.parametrize(
    "host", ["", "evil.test", "[", "[fd00::2]", "portal.test:x", "a b", "wild.test.evil", "@portal.test"]
)
def test_names_that_are_not_the_portal_s_are_refused_to_programs_too(host: str) -> None:
    assert origin_rejection(scope(host)) != ""


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20)


@given(TEXT, TEXT)
def test_no_header_makes_trouble(host: str, origin: str) -> None:
    assert isinstance(origin_rejection(scope(host, origin)), str)


@given(st.from_regex(r"(http|https)://[a-z]{1,8}\.(test|example)(:[0-9]{1,4})?", fullmatch=True))
def test_an_address_elsewhere_is_never_the_portal(origin: str) -> None:
    known = {"http://portal.test", "https://portal.test", "https://trusted.test", "http://dev.test:3000"}
    usual = {"http://portal.test:80", "https://portal.test:443", "http://portal.test:0", "https://portal.test:0"}
    if origin not in known | usual and not origin.startswith(("http://portal.test:", "https://portal.test:")):
        assert origin_rejection(scope(origin=origin)) != ""


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        pytest.param("203.0.113.7", "", "203.0.113.7", id="no proxy"),
        pytest.param("203.0.113.7", "198.51.100.1", "203.0.113.7", id="an unknown proxy is not trusted"),
        pytest.param("10.0.0.2", "198.51.100.1", "198.51.100.1", id="a trusted proxy's does"),
        pytest.param("10.0.0.2", "1.1.1.1, 198.51.100.1", "198.51.100.1", id="the last hop, not what it claims"),
        pytest.param("10.0.0.2", "198.51.100.1, 10.0.0.3", "198.51.100.1", id="two proxies"),
        pytest.param("10.0.0.2", "", "10.0.0.2", id="a proxy that says nothing"),
        pytest.param("10.0.0.2", " , ,", "10.0.0.2", id="a proxy that says blanks"),
        pytest.param("10.0.0.2", "nonsense", "nonsense", id="rubbish is somebody without rights"),
        pytest.param("", "198.51.100.1", "", id="a UNIX socket"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer: str, forwarded: str, found: str) -> None:
    assert client_address({**scope(x_forwarded_for=forwarded), "client": (peer, 1)}) == found


def test_several_headers_are_one_list() -> None:
    forwarded_headers = [(b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-for", b"198.51.100.1")]
    assert client_address({"headers": forwarded_headers, "client": ("10.0.0.2", 1)}) == "198.51.100.1"


@pytest.mark.parametrize("peer", [None, (), ("", 0), [None, 0]])
def test_no_peer_is_no_address(peer: Any) -> None:
    assert client_address({"headers": [], "client": peer}) == ""


def test_a_header_that_is_not_there_is_empty() -> None:
    assert header({}, "origin") == ""
    assert header({"headers": [(b"origin", b"\xe9"), (b"origin", b"second")]}, "origin") == "é"


def open_handshake(handshake_scope: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What was sent, and the scopes that came through."""
    sent: list[Any] = []
    through: list[Any] = []

    async def application(found: Any, _receive: Any, _send: Any) -> None:
        through.append(found)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def scenario() -> None:
        await require_same_origin(application)(handshake_scope, receive, send)

    asyncio.run(scenario())
    return sent, through


def test_what_is_let_in_finds_its_query_parsed() -> None:
    sent, through = open_handshake({**scope(), "query_string": b"container=7&tail=&x=1&x=2"})
    assert sent == []
    assert (through[0]["query"]["container"], through[0]["query"].getlist("x")) == ("7", ["1", "2"])


def test_what_is_refused_is_closed_with_a_short_reason() -> None:
    sent, through = open_handshake(scope(origin=f"http://{'a' * 300}.test"))
    assert through == []
    assert (sent[0]["type"], sent[0]["code"]) == ("websocket.close", 4403)
    assert 0 < len(sent[0]["reason"]) <= 100


def test_a_query_of_too_many_fields_is_refused() -> None:
    sent, through = open_handshake({**scope(), "query_string": b"&".join(b"a%d=1" % n for n in range(2000))})
    assert (len(through), sent[0]["code"]) == (0, 4403)


def test_a_page_that_a_proxy_makes_foreign_is_explained_once(caplog: pytest.LogCaptureFixture):
    scope = {"headers": [(b"host", b"portal.test"), (b"origin", b"https://portal.test:8443")]}
    for _ in range(3):
        assert origin_rejection(scope)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "'https://portal.test:8443'" in line
    assert "CSRF_TRUSTED_ORIGINS" in line
