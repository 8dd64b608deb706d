"""Tokens and keys as they are read: within bounds, and never with an algorithm of the token's choosing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.federation.id_token import TokenInvalid, read_unverified, verify
from apps.federation.issuer_keys import IssuerKeysInvalid, key_for, parse_issuer_keys
from apps.federation.issuer_url import discovery_url, parse_issuer, read_https_url
from apps.federation.jobs import job_of, kept_claims, subject_of
from tests.federation.issuing import GITHUB, GITLAB, JOB, PORTAL, Issuer, ec_key, jwk, rsa_key


def keys(*listed: Any) -> str:
    return json.dumps({"keys": list(listed)})


def test_a_key_says_itself_what_it_verifies():
    found = parse_issuer_keys(keys(jwk(rsa_key(), "k1"), jwk(rsa_key(), "k2", alg="RS512"), jwk(ec_key(), "e1")))
    assert [each.algorithms for each in found] == [("RS256", "RS384", "RS512"), ("RS512",), ("ES256",)]


def test_keys_that_verify_nothing_here_are_left_out():
    large = jwk(ec.generate_private_key(ec.SECP384R1()), "e3")
    odd = [
        jwk(rsa_key(5, 1024), "short"),
        jwk(rsa_key(), "encrypts", use="enc"),
        jwk(rsa_key(), "pss", alg="PS256"),
        jwk(rsa_key(), "x" * 300),
        {**jwk(rsa_key(), "broken"), "n": "!"},
        {**jwk(rsa_key(), "huge"), "n": "A" * 3000},
        {**jwk(ec_key(), "elsewhere"), "y": "AAAA"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "RSA"},
        {},
        "text",
    ]
    assert [each.key_id for each in parse_issuer_keys(keys(*odd, large))] == ["e3"]
    with pytest.raises(IssuerKeysInvalid):
        parse_issuer_keys(keys(*odd))


def test_a_private_half_that_an_issuer_serves_is_not_read():
    shown = {**jwk(rsa_key(), "k1"), "d": "AQAB", "p": "AQAB", "q": "AQAB"}
    (found,) = parse_issuer_keys(keys(shown))
    assert not hasattr(found.public_key, "private_numbers")


def test_without_an_id_only_the_single_key_is_meant():
    one, two = parse_issuer_keys(keys(jwk(rsa_key(), "k1"), jwk(ec_key(), "e1")))
    assert key_for([one], "") is one
    assert key_for([one, two], "") is None
    assert key_for([one, two], "e1") is two
    assert key_for([one, two], "x") is None


def test_a_key_verifies_its_own_algorithms_only():
    token = read_unverified(Issuer().token())
    (found,) = parse_issuer_keys(keys(jwk(rsa_key(), "k1", alg="RS512")))
    with pytest.raises(TokenInvalid) as problem:
        verify(token, found, [PORTAL])
    assert problem.value.kind == "signature"


def test_a_token_for_several_counts_for_each_of_them():
    token = read_unverified(Issuer().token(aud=["https://a.example.com", PORTAL]))
    (key,) = parse_issuer_keys(keys(jwk(rsa_key(), "k1")))
    assert verify(token, key, [PORTAL]).claims["repository"] == "acme/shop"
    with pytest.raises(TokenInvalid) as problem:
        verify(token, key, ["https://b.example.com"])
    assert problem.value.kind == "audience"


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str):
    for each in (text, f"e30.{text}.x", f"{text}.e30.x"):
        with pytest.raises(TokenInvalid):
            read_unverified(each)


@pytest.mark.parametrize(
    "text", [GITHUB, GITLAB, "https://git.example.com:8443/_services/token", "https://[2001:db8::1]/"]
)
def test_an_issuer_is_kept_letter_by_letter(text: str):
    assert parse_issuer("issuer", f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gitlab.com",
        "http://gitlab.com",
        "https://",
        "https://ann:word@gitlab.com",
        "https://gitlab.com/?x=1",
        "https://gitlab.com/?",
        "https://gitlab.com/#x",
        "https://gitlab.com:99999",
        "https://git lab.com",
        "https://gitlab.com/a b",
        "https://gitlab.com/\r\nHost: x",
        "https://gítlab.com",
        "https://-x.com",
        "https://gitlab.com/" + "x" * 300,
    ],
)
def test_what_is_no_address_of_an_issuer_is_refused(text: str):
    with pytest.raises(Invalid) as found:
        parse_issuer("issuer", text)
    assert (found.value.field, found.value.code) == ("issuer", "InvalidFormat")


def test_the_discovery_document_is_below_the_issuers_path():
    found = discovery_url("https://git.example.com:8443/_services/token/")
    assert (found.endpoint.authority, found.path) == (
        "git.example.com:8443",
        "/_services/token/.well-known/openid-configuration",
    )
    assert read_https_url("https://a.example.com/keys?v=1").path == "/keys?v=1"  # type: ignore[union-attr]


def test_a_job_leads_to_its_page():
    found = job_of(GITHUB, JOB)
    assert (found.name, found.url) == ("acme/shop run 42", "https://github.com/acme/shop/actions/runs/4711")
    own = job_of("https://git.example.com/_services/token", JOB)
    assert own.url == "https://git.example.com/acme/shop/actions/runs/4711"
    lab = job_of(GITLAB, {"project_path": "group/sub/shop", "job_id": "77", "sub": "project_path:group/sub/shop"})
    assert (lab.name, lab.url) == ("group/sub/shop job 77", "https://gitlab.example.com/group/sub/shop/-/jobs/77")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "system:serviceaccount:ci:deployer"}, "system:serviceaccount:ci:deployer"),
        ({"sub": "a\nb\x1bc"}, "a b c"),
        ({"sub": "x" * 200}, "x" * 119 + "…"),
        ({}, "a job without a subject"),
        ({"repository": "acme/shop/../../x?y", "run_id": "1", "sub": "s"}, "s"),
        ({"repository": "acme/shop", "run_id": "1/../2", "sub": "s"}, "s"),
    ],
)
def test_other_jobs_are_called_by_their_subject(claims: dict[str, Any], name: str):
    found = job_of("https://issuer.example.com", claims)
    assert (found.name, found.url) == (name, "")


def test_of_the_claims_those_that_tell_of_the_job_are_kept():
    claims = {**JOB, "own": ["a", 1], "jti": "x", "exp": 1, "secret": "word", "sha": "a\x00b" + "c" * 400}
    found = kept_claims(claims, ["own"])
    assert (found["own"], found["repository"], found["actor"]) == ("a, 1", "acme/shop", "ann")
    assert {"jti", "exp", "secret"}.isdisjoint(found)
    assert (len(found["sha"]), "\x00" in found["sha"]) == (300, False)
    assert subject_of({"sub": "a\x00b"}) == "a\ufffdb"
