"""Registration against portals that work, that are not ready, that are none, and that show another key."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corral_agent import keys, registration
from corral_agent.registration import CannotRegister, PortalUnreachable
from corral_agent.state import url_fingerprint

OURS = keys.create_private_key()
PORTAL, OTHER_PORTAL = (keys.public_key_line(keys.create_private_key()) for _ in range(2))
SCRIPT = f"#!/bin/sh\nexport CORRAL_PORTAL_KEY='{PORTAL}'\n"
ANSWER = {
    "accessKey": "AK",
    "secretKey": "SK",
    "portalKey": PORTAL,
    "hostId": "1h1",
    "tunnelUrl": "ws://portal/v1/tunnel",
}
FACTS = {"hostname": "box", "labels": {"a": "b"}}


def http(body: str | bytes, status: str = "200 OK", *fields: str) -> bytes:
    data = body if isinstance(body, bytes) else body.encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *fields, "", ""]).encode() + data


class ScriptedPortal:
    """Gives its scripted answers, one a connection; `requests` is what it received."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self.requests: list[bytes] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/v1/scripts/tok%3A1%3Ax"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            with line:
                self.requests.append(_request(line))
                line.sendall(answer)

    def close(self) -> None:
        self._door.close()


def _request(line: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += line.recv(65536)
    head, _, body = got.partition(b"\r\n\r\n")
    parsed = [int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")]
    while len(body) < sum(parsed):
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


ServeAnswers = Callable[..., ScriptedPortal]


@pytest.fixture
def serve_answers() -> Iterator[ServeAnswers]:
    made: list[ScriptedPortal] = []

    def make(*answers: bytes) -> ScriptedPortal:
        made.append(ScriptedPortal(*answers))
        return made[-1]

    yield make
    for portal in made:
        portal.close()


def register(portal: ScriptedPortal, url: str = "") -> dict[str, str]:
    return registration.register(url or portal.url, "", OURS, FACTS)


def test_a_host_gets_a_credential_and_pins_the_key_that_the_script_named(serve_answers: ServeAnswers):
    portal = serve_answers(http(SCRIPT), http(json.dumps(ANSWER | {"more": 5})))
    assert register(portal) == {
        "access_key": "AK",
        "secret_key": "SK",
        "portal_key": PORTAL,
        "tunnel_url": "ws://portal/v1/tunnel",
        "host_id": "1h1",
        "source": url_fingerprint(portal.url),
    }


def test_tries_are_numbered_under_one_key(serve_answers: ServeAnswers):
    portal = serve_answers(http(SCRIPT), http("", "503 Busy"), http(SCRIPT), http(json.dumps(ANSWER)))
    attempts = registration.RegistrationAttempts()
    with pytest.raises(registration.PortalUnreachable):
        registration.register(portal.url, "", OURS, FACTS, attempts)
    registration.register(portal.url, "", OURS, FACTS, attempts)
    bodies = [json.loads(sent.partition(b"\r\n\r\n")[2]) for sent in portal.requests if sent.startswith(b"POST")]
    assert [body["attempt"] for body in bodies] == [1, 2]
    assert len({body["key"] for body in bodies}) == 1


def test_the_token_travels_in_a_header_and_the_private_key_not_at_all(serve_answers: ServeAnswers):
    portal = serve_answers(http(SCRIPT), http(json.dumps(ANSWER)))
    register(portal)
    script, registration = portal.requests
    assert script.startswith(b"GET /v1/scripts/tok%3A1%3Ax HTTP/1.1\r\n")
    head, _, body = registration.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/registers HTTP/1.1\r\n")
    assert base64.b64encode(b"registrationToken:tok:1:x") in head
    parsed = json.loads(body)
    assert parsed["publicKey"] == keys.public_key_line(OURS)
    assert parsed["hostname"] == "box"
    assert parsed["labels"] == {"a": "b"}
    assert b"PRIVATE KEY" not in body


def test_two_registrations_are_distinguished_by_their_key(serve_answers: ServeAnswers):
    portal = serve_answers(*[http(SCRIPT), http(json.dumps(ANSWER))] * 2)
    register(portal)
    register(portal)
    first, second = (json.loads(requests.partition(b"\r\n\r\n")[2]) for requests in portal.requests[1::2])
    assert first["key"] != second["key"]


@pytest.mark.parametrize(
    "script",
    [
        f"CORRAL_PORTAL_KEY={PORTAL}",
        f'CORRAL_PORTAL_KEY="{PORTAL} portal"',
        f"  export CORRAL_PORTAL_KEY='{PORTAL}'\r\n",
        f"set -e\n\tCORRAL_PORTAL_KEY='{PORTAL}'; run",
        f"\xff\nCORRAL_PORTAL_KEY='{PORTAL}'",
    ],
    ids=["bare", "with a comment", "exported", "among other lines", "after noise"],
)
def test_the_scripts_key_is_found_however_it_is_written(serve_answers: ServeAnswers, script: str):
    assert register(serve_answers(http(script.encode("latin-1")), http(json.dumps(ANSWER))))["portal_key"] == PORTAL


@pytest.mark.parametrize(
    "script",
    [
        "",
        "<html>Welcome to the router</html>",
        "# CORRAL_PORTAL_KEY=ssh-ed25519",
        f"echo CORRAL_PORTAL_KEY={PORTAL}",
        "CORRAL_PORTAL_KEY='ssh-rsa AAAA'",
    ],
)
def test_what_is_no_script_of_ours_is_rejected(serve_answers: ServeAnswers, script: str):
    portal = serve_answers(http(script))
    with pytest.raises(CannotRegister, match="not a Corral portal"):
        register(portal)
    assert len(portal.requests) == 1, "a stranger never sees the token"


@pytest.mark.parametrize(
    ("parsed", "words"),
    [
        ({"portalKey": OTHER_PORTAL}, "another key than its script named"),
        ({"portalKey": "ssh-ed25519 AAAA"}, "cannot be read"),
        ({"portalKey": ""}, "not understood"),
        ({"accessKey": None}, "not understood"),
        ({"secretKey": 5}, "not understood"),
        ({"hostId": []}, "not understood"),
        ({"tunnelUrl": ""}, "not understood"),
    ],
)
def test_an_answer_that_is_not_whole_or_not_true_is_refused(
    serve_answers: ServeAnswers, parsed: dict[str, Any], words: str
):
    with pytest.raises(CannotRegister, match=words):
        register(serve_answers(http(SCRIPT), http(json.dumps(ANSWER | parsed))))


@pytest.mark.parametrize("body", ["", "null", "[]", '"x"', "{", "<html>"])
def test_an_answer_that_is_no_object_is_refused(serve_answers: ServeAnswers, body: str):
    with pytest.raises(CannotRegister, match="not understood"):
        register(serve_answers(http(SCRIPT), http(body)))


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        ("401 No", "{}", CannotRegister, "not valid any more"),
        ("404 No", "", CannotRegister, "not valid any more"),
        ("403 No", '{"message": "This host was purged."}', CannotRegister, "status 403. This host was purged."),
        ("422 No", '{"message": null}', CannotRegister, "status 422.$"),
        ("409 No", "[]", CannotRegister, "status 409.$"),
        ("400 No", "\x00", CannotRegister, "status 400.$"),
        ("408 Slow", "", PortalUnreachable, "not ready.*408"),
        ("425 Early", "", PortalUnreachable, "not ready.*425"),
        ("429 Many", "", PortalUnreachable, "not ready.*429"),
        ("500 Oops", "", PortalUnreachable, "not ready.*500"),
        ("503 Starting", '{"message": "x"}', PortalUnreachable, "not ready.*503"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["script", "registers"])
def test_a_refusal_is_final_or_worth_another_try(
    serve_answers: ServeAnswers, status: str, body: str, error: type[Exception], words: str, *, first: bool
):
    refusal = http(body, status)
    with pytest.raises(error, match=words):
        register(serve_answers(refusal) if first else serve_answers(http(SCRIPT), refusal))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Later", "308 Moved"])
def test_a_redirect_is_not_followed_with_the_token(serve_answers: ServeAnswers, status: str):
    elsewhere = serve_answers(http(json.dumps(ANSWER)))
    portal = serve_answers(http(SCRIPT), http("", status, f"Location: {elsewhere.url}"))
    with pytest.raises(CannotRegister, match=f"HTTP status {status[:3]}"):
        register(portal)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "raw_answer",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="speaks SSH"),
        pytest.param(b"HTTP/1.1 two hundred\r\n\r\n", id="counts in words"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf", id="breaks off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunks wrongly"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x16" * 40, id="speaks TLS"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="says too much"),
    ],
)
def test_what_does_not_speak_http_is_tried_again_and_ends_nobody(serve_answers: ServeAnswers, raw_answer: bytes):
    with pytest.raises(PortalUnreachable, match=r"does not answer: .+"):
        register(serve_answers(raw_answer))


def test_a_portal_that_is_not_there_is_tried_again(serve_answers: ServeAnswers):
    portal = serve_answers()
    portal.close()
    with pytest.raises(PortalUnreachable, match="does not answer"):
        register(portal)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://127.0.0.1:9/v1/scripts/",
        "http://127.0.0.1:9/v3/scripts/t",
        "http://127.0.0.1:9/scripts/t",
        "http://127.0.0.1:9/v1/projects/1a5/hosts",
    ],
)
def test_a_url_without_a_token_is_not_even_asked(serve_answers: ServeAnswers, url: str):
    with pytest.raises(CannotRegister, match="has no token"):
        register(serve_answers(), url)


def test_a_portal_below_a_path_is_found(serve_answers: ServeAnswers):
    portal = serve_answers(http(SCRIPT), http(json.dumps(ANSWER)))
    register(portal, portal.url.replace("/v1/", "/corral/v2-beta/"))
    assert portal.requests[1].startswith(b"POST /corral/v2-beta/registers ")


def test_an_answer_without_an_end_is_not_read_for_ever(serve_answers: ServeAnswers):
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"#" * 300_000
    with pytest.raises(CannotRegister, match="not a Corral portal"):
        register(serve_answers(endless))
