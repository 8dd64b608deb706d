"""Ordering certificates, with a server that answers whatever the test says; the real one is in another file."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.control.kinds import KINDS
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, Invalid
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.vault.acme import issuance
from apps.vault.acme.client import BAD_NONCE_TRIES, AcmeClient, AcmeError, describe_problem
from apps.vault.acme.request import check_email, check_names, placeholder, signing_request
from apps.vault.acme.services import certificate_order
from apps.vault.acme.signing import key_authorization, load_key, new_key, public_jwk, sign
from apps.vault.certificate_facts import read_certificate
from apps.vault.expiry import due_warning, next_change, renewal_time
from apps.vault.models import AcmeChallenge, Certificate
from apps.vault.private_key import read_private_key, require_match

KEY = new_key()
DIRECTORY = "https://acme.example.org/dir"
NOW = datetime(2026, 6, 1, tzinfo=timezone.get_default_timezone())


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["A.example.org.", "b.example.org", "a.example.org"], ["a.example.org", "b.example.org"]),
        (["xn--bcher-kva.example"], ["xn--bcher-kva.example"]),
    ],
)
def test_names_are_taken_each_once_in_small_letters(names: list[str], found: list[str]):
    assert check_names("names", names) == found


@pytest.mark.parametrize(
    "names",
    [
        [], [" "], "a.example.org", None, [5], ["*.example.org"], ["localhost"], ["192.0.2.7"], ["a..org"], ["-a.org"],
        ["bücher.example"], [f"{'a' * 64}.org"], [f"{'a.' * 130}org"], ["a.org/x"], ["a b.org"],
        [f"n{number}.example.org" for number in range(21)],
    ],
)  # fmt: skip
def test_names_that_no_authority_would_certify_are_refused(names: Any):
    with pytest.raises(Invalid) as refused:
        check_names("names", names)
    assert refused.value.field == "names"


@given(st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text()), st.lists(st.none())))
def test_no_input_is_a_fault(value: Any):
    for check in (check_names, check_email):
        try:
            check("field", value)
        except Invalid as refused:
            assert refused.field == "field"  # noqa: PT017 - whatever else is raised fails the test


def test_a_request_is_signed_with_the_key_of_its_account():
    key = load_key(KEY)
    signed = sign(key, {"nonce": "n", "url": "https://x"}, {"a": 1})
    assert json.loads(decoded(signed["protected"])) == {"alg": "ES256", "nonce": "n", "url": "https://x"}
    raw = decoded(signed["signature"])
    numbers = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.public_key().verify(numbers, f"{signed['protected']}.{signed['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
    assert sign(key, {}, None)["payload"] == ""
    assert public_jwk(key).keys() == {"crv", "kty", "x", "y"}
    token, _dot, thumbprint = key_authorization("tok", key).partition(".")
    assert (token, len(decoded(thumbprint))) == ("tok", 32)


def test_the_signing_request_and_the_placeholder_name_every_host():
    names = ["a.example.org", "b.example.org"]
    request = x509.load_der_x509_csr(decoded(signing_request(names, KEY)))
    assert request.is_signature_valid
    assert request.extensions[0].value.get_values_for_type(x509.DNSName) == names
    parsed = read_certificate("cert", placeholder([f"{'a' * 60}.example.org"], KEY, timezone.now()))
    require_match("key", parsed, read_private_key("key", KEY)[0])


@pytest.mark.parametrize("days", [6, 47, 90, 365])
def test_what_renews_itself_is_warned_of_only_when_that_is_late(days: int):
    issued, expires = NOW, NOW + timedelta(days=days)
    due = renewal_time(issued, expires)
    assert due - issued == (expires - issued) * 2 / 3
    assert next_change(issued, expires, due - timedelta(seconds=1), renews=True) == due
    assert due_warning(issued, expires, due, renews=True) is None
    late = min((expires - issued) / 4, timedelta(days=30))
    assert due_warning(issued, expires, expires - late, renews=True) is not None
    assert due_warning(issued, expires, expires, renews=True) == 0


Server = Callable[[str, str], tuple[int, Any, dict[str, str]]]


@pytest.fixture
def server(monkeypatch: Any) -> Callable[[Server], list[tuple[str, str]]]:
    """A server that answers what a function says: status, JSON, headers; yields what was asked of it."""

    def install(answer: Server) -> list[tuple[str, str]]:
        asked: list[tuple[str, str]] = []

        def send(method: str, url: str, **_: Any) -> requests.Response:
            asked.append((method, url))
            response = requests.Response()
            response.status_code, body, headers = answer(method, url)
            response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
            response.headers.update(headers)
            return response

        monkeypatch.setattr("apps.accounts.providers.http.send_request", send)
        return asked

    return install


ADDRESSES = {name: f"https://acme.example.org/{name}" for name in ("newNonce", "newAccount", "newOrder")}


def test_a_refused_nonce_is_replaced_but_not_for_ever(server: Any):
    def answer(method: str, url: str) -> tuple[int, Any, dict[str, str]]:
        if method != "POST":
            return 200, ADDRESSES, {"Replay-Nonce": "n"}
        return 400, {"type": "urn:ietf:params:acme:error:badNonce", "detail": "stale"}, {}

    asked = server(answer)
    with pytest.raises(AcmeError, match="stale") as refused:
        AcmeClient(DIRECTORY, KEY).register("")
    assert refused.value.kind == "badNonce"
    assert sum(method == "POST" for method, _url in asked) == BAD_NONCE_TRIES


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_problem_of_a_server_is_a_fault(problem: Any):
    assert len(describe_problem(problem)) <= 1000
    assert describe_problem({"subproblems": [problem], "detail": problem}) is not None


@pytest.mark.django_db
class TestIssuance:
    """The steps of the loop."""

    @pytest.fixture
    def row(self, lab: Environment, actor_of: Any) -> Certificate:
        Setting.objects.create(name="acme.directory", value=DIRECTORY)
        return certificate_order(actor=actor_of("bob"), environment=lab, names=["a.example.org"])

    @pytest.mark.parametrize(
        "body",
        [None, [], "x", {}, {"newNonce": 5}, {**ADDRESSES, "status": "valid"}, {**ADDRESSES, "authorizations": "x"}],
    )
    def test_whatever_a_server_answers_is_a_reason_and_no_fault(self, body: Any, server: Any, row: Certificate):
        server(lambda *_: (200, body, {"Replay-Nonce": "n", "Location": "https://acme.example.org/1"}))
        for _ in range(3):
            reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        assert row.is_placeholder
        assert "Error" not in row.message
        assert row.message

    def test_it_is_tried_again_twice_as_late_each_time(self, server: Any, row: Certificate):
        server(lambda *_: (503, {"detail": "maintenance"}, {}))
        reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        waits = []
        for _ in range(9):
            Certificate.all_objects.filter(pk=row.pk).update(order={**row.order, "again": None})
            reconcile_one("certificate", row.pk)
            row.refresh_from_db()
            assert row.next_attempt_at is not None
            waits.append(round((row.next_attempt_at - timezone.now()).total_seconds() / 60))
        assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 720]

    def test_a_server_that_names_a_time_is_left_alone_until_then(self, server: Any, row: Certificate):
        limited = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"}
        answers = {"POST": (429, limited, {"Retry-After": "7200", "Replay-Nonce": "n"})}
        asked = server(lambda method, _url: answers.get(method, (200, ADDRESSES, {"Replay-Nonce": "n"})))
        for _ in range(2):
            reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        assert (row.fault, row.message) == (True, "too many")
        assert row.next_attempt_at is not None
        assert row.next_attempt_at - timezone.now() > timedelta(minutes=119)
        before = len(asked)
        reconcile_one("certificate", row.pk)
        assert len(asked) == before

    def test_the_placeholder_serves_until_then_and_readers_order_nothing(
        self, row: Certificate, lab: Environment, actor_of: Any
    ):
        require_match("key", read_certificate("cert", row.cert), read_private_key("key", row.key)[0])
        with pytest.raises(Forbidden):
            certificate_order(actor=actor_of("rita"), environment=lab, names=["b.example.org"])
        with pytest.raises(Invalid, match="There is a certificate"):
            certificate_order(actor=actor_of("bob"), environment=lab, names=["a.example.org"])

    def test_only_known_tokens_are_answered(self, row: Certificate):
        AcmeChallenge.objects.create(token="tok_-1", answer="tok_-1.thumb", certificate=row)
        answers = [Client().get(f"/.well-known/acme-challenge/{token}") for token in ("tok_-1", "other", "x" * 4000)]
        assert [each.status_code for each in answers] == [200, 404, 404]
        assert answers[0].content == b"tok_-1.thumb"
        assert Client().get("/.well-known/acme-challenge/../secret").status_code == 404

    def test_balancers_are_requeued_before_the_authority_looks(
        self, server: Any, row: Certificate, lab: Environment, monkeypatch: Any
    ):
        monkeypatch.setattr(KINDS["certificate"], "owners", [lambda found: [("environment", found.environment_id)]])
        queued: list[tuple[str, int]] = []
        monkeypatch.setattr(issuance, "enqueue_after_commit", lambda *what: queued.append(what))
        asked = server(lambda *_: (200, ADDRESSES, {}))
        reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        assert (queued, asked, row.order) == ([("environment", lab.pk)], [], {"failures": 0})
        assert row.next_attempt_at is not None
        assert timedelta(seconds=3) < row.next_attempt_at - timezone.now() < timedelta(seconds=6)
        reconcile_one("certificate", row.pk)
        assert asked
