"""The external account that some authorities bind ACME accounts to: signed, and said where it is missing."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest

from apps.core.models import Setting
from apps.vault.acme import issuance
from apps.vault.acme.client import AcmeClient, AcmeError, ExternalAccount
from apps.vault.acme.signing import decode, encode, load_key, new_key, public_jwk, sign_binding

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def unpack(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_the_proof_is_that_of_the_specification():
    key = load_key(new_key())
    found = sign_binding(key, "kid-7", decode(SECRET), "https://ca.example.org/new-account")
    assert unpack(found["protected"]) == {"alg": "HS256", "kid": "kid-7", "url": "https://ca.example.org/new-account"}
    assert unpack(found["payload"]) == public_jwk(key)
    signed = f"{found['protected']}.{found['payload']}".encode()
    assert found["signature"] == encode(hmac.digest(decode(SECRET), signed, "sha256"))


@pytest.mark.parametrize("text", ["_-_-AAAA", "_-_-AAA", "_-_-AAA="])
def test_keys_are_read_with_and_without_padding(text: str):
    assert encode(decode(text)) == text.rstrip("=")


@pytest.mark.parametrize("text", ["A", "AAAAA", "no spaces"])
def test_what_is_no_base64_is_no_key(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - of base64
        decode(text)


class FakeServer(AcmeClient):
    """A client whose server says what a test wants, and keeps what it was sent."""

    def __init__(self, meta: Any) -> None:
        super().__init__("https://ca.example.org/dir", new_key())
        self._directory = {"newAccount": "https://ca.example.org/new", "meta": meta}
        self.sent: list[Any] = []

    def post(self, url: str, payload: Any, *, with_key: bool = False) -> Any:
        del url, with_key
        self.sent.append(payload)
        return type("Answer", (), {"location": "https://ca.example.org/account/1"})


def test_an_account_is_bound_where_one_is_named_and_refused_where_one_is_missing():
    server = FakeServer({"externalAccountRequired": True})
    with pytest.raises(AcmeError, match=r"set acme\.eab\.kid and acme\.eab\.hmac"):
        server.register("a@example.org")
    assert server.sent == []
    assert server.register("", ExternalAccount("kid-7", decode(SECRET))).endswith("/account/1")
    assert unpack(server.sent[0]["externalAccountBinding"]["protected"])["kid"] == "kid-7"


@pytest.mark.parametrize("meta", [None, {}, {"externalAccountRequired": False}, {"externalAccountRequired": "yes"}, []])
def test_other_servers_get_no_binding(meta: Any):
    server = FakeServer(meta)
    server.register("a@example.org")
    assert server.sent == [{"termsOfServiceAgreed": True, "contact": ["mailto:a@example.org"]}]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kid", "key", "why"),
    [
        ("kid-7", "", r"acme\.eab\.hmac is missing"),
        ("", SECRET, r"acme\.eab\.kid is missing"),
        ("k", "A" * 17, "base64url"),
    ],
)
def test_half_of_an_account_is_said(kid: str, key: str, why: str):
    for name, value in (("acme.eab.kid", kid), ("acme.eab.hmac", key)):
        Setting.objects.create(name=name, value=value)
    with pytest.raises(AcmeError, match=why):
        issuance._external_account()
