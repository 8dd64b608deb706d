"""Asking a real server for its keys, over TLS: what it may say, and where it may be."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from apps.core.models import Setting
from apps.environments.models import Environment
from apps.federation.exchange import ExchangeRequest, TokenRefused, token_exchange
from apps.federation.issuer_fetch import IssuerUnreachable, fetch_issuer_keys
from apps.federation.issuer_keys import parse_issuer_keys
from tests.federation.issuing import Issuer, MakeRule, ec_key, jwk, rsa_key
from tests.vault.issuing import root

pytestmark = pytest.mark.django_db


@dataclass
class IssuerServer:
    """What a server at 127.0.0.1 answers by path: a status and a body; what was requested is kept."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    def serve(self, prefix: str = "", **more: Any) -> str:
        """Be an issuer with a path; its name."""
        issuer = self.url + prefix
        document = {"issuer": issuer, "jwks_uri": f"{self.url}/keys", **more}
        self.answers[f"{prefix}/.well-known/openid-configuration"] = (200, document)
        self.answers["/keys"] = (200, {"keys": [jwk(rsa_key(), "k1"), jwk(ec_key(), "e1")]})
        return issuer


def _handler(server: IssuerServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append(self.path)
            status, body = server.answers.get(self.path, (404, {}))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server(tmp_path: Path) -> Iterator[IssuerServer]:
    """An issuer at 127.0.0.1 with a certificate of the tests' authority, which the portal may reach."""
    issued = root().issue("127.0.0.1")
    (tmp_path / "cert.pem").write_text(issued.cert)
    (tmp_path / "key.pem").write_text(issued.key_text)
    made = IssuerServer()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    made.url = f"https://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    Setting.objects.create(name="federation.private.networks", value="127.0.0.1/32")
    Setting.objects.create(name="federation.authority", value=root().cert)
    yield made
    listener.shutdown()
    listener.server_close()
    thread.join(30)


def refused(issuer: str) -> str:
    with pytest.raises(IssuerUnreachable) as found:
        fetch_issuer_keys(issuer)
    return str(found.value)


def test_the_keys_are_where_the_discovery_document_says(server: IssuerServer):
    keys = parse_issuer_keys(fetch_issuer_keys(server.serve()))
    assert [(each.key_id, each.algorithms[0]) for each in keys] == [("k1", "RS256"), ("e1", "ES256")]
    assert server.paths == ["/.well-known/openid-configuration", "/keys"]


def test_an_issuer_may_have_a_path(server: IssuerServer):
    assert parse_issuer_keys(fetch_issuer_keys(server.serve("/_services/token")))


def test_a_private_issuer_is_reached_only_if_an_administrator_says_so(server: IssuerServer):
    issuer = server.serve()
    Setting.objects.filter(name="federation.private.networks").delete()
    assert "federation.private.networks" in refused(issuer)
    assert server.paths == []


def test_keys_in_a_private_network_are_refused_just_so(server: IssuerServer):
    issuer = server.serve(jwks_uri="https://10.0.0.5/keys")
    assert refused(issuer).startswith("10.0.0.5 is not on the public internet")
    assert refused(server.serve(jwks_uri="https://169.254.169.254/latest")).startswith("169.254.169.254 is not")


def test_the_certificate_must_be_valid(server: IssuerServer):
    issuer = server.serve()
    Setting.objects.filter(name="federation.authority").delete()
    assert "is not valid" in refused(issuer)


def test_nothing_is_followed(server: IssuerServer):
    issuer = server.serve()
    server.headers["Location"] = f"{server.url}/elsewhere"
    server.answers["/.well-known/openid-configuration"] = (302, {})
    assert refused(issuer).endswith("answers with status 302.")
    assert len(server.paths) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"issuer": "https://other.example.com"}, "says that it is 'https://other.example.com'"),
        ({"issuer": None}, "says that it is 'None'"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "does not say where its keys are"),
        ({"jwks_uri": 7}, "does not say where its keys are"),
        ({"jwks_uri": "https://user:word@127.0.0.1/keys"}, "does not say where its keys are"),
    ],
)
def test_a_discovery_document_that_says_something_else_is_refused(server: IssuerServer, more: Any, said: str):
    assert said in refused(server.serve(**more))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        ({"keys": []}, "none that verifies"),
        ({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]}, "none that verifies"),
        ({"keys": [{}] * 51}, "at most 50 keys"),
        (b"x" * 300_000, "sent more than 256 KB"),
    ],
)
def test_what_are_no_keys_is_refused(server: IssuerServer, body: Any, said: str):
    issuer = server.serve()
    server.answers["/keys"] = (200, body)
    assert said in refused(issuer)


def test_a_host_that_nobody_knows_is_said(server: IssuerServer):
    assert "issuer.invalid" in refused("https://issuer.invalid")


def test_a_token_of_such_an_issuer_becomes_a_key(server: IssuerServer, make_rule: MakeRule, lab: Environment):
    issuer = Issuer(server.serve())
    make_rule(issuer=issuer.url)
    found = token_exchange(ExchangeRequest(issuer.token(), lab.pk))
    assert (found.environment, found.role) == (lab, "restricted")
    with pytest.raises(TokenRefused):
        token_exchange(ExchangeRequest(issuer.token(key=rsa_key(7)), lab.pk))
    assert len(server.paths) == 2  # the keys are known by then
