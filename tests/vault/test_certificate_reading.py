"""What is read from PEM: real certificates of every kind, however they were pasted, and clear words for the rest."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.vault.certificate_facts import read_certificate, read_chain
from apps.vault.pem import MAX_TEXT, read_blocks
from apps.vault.private_key import read_private_key, require_match
from tests.vault.issuing import TRADITIONAL, intermediate, issue, key_of_kind, key_pem, root

KINDS = {"rsa2048": ("SHA256withRSA", 2048), "p256": ("SHA256withECDSA", 256), "p384": ("SHA256withECDSA", 384)}
GOOD = issue("shop.example.org", names=["shop.example.org", "*.shop.example.org", "192.0.2.7"])


@pytest.mark.parametrize(("kind", "said"), [*KINDS.items(), ("ed25519", ("Ed25519", 256))])
def test_the_facts_of_a_certificate(kind: str, said: tuple[str, int]):
    made = issue("a.example.org", kind=kind, names=["a.example.org", "*.b.example.org", "192.0.2.7"])
    facts = read_certificate("cert", made.cert).facts
    assert (facts.algorithm, facts.key_size) == said
    assert (facts.common_name, facts.issuer, facts.version) == ("a.example.org", "CN=a.example.org", "3")
    assert facts.alternative_names == ("a.example.org", "*.b.example.org", "192.0.2.7")
    assert (facts.issued_at, facts.expires_at) == (made.x509.not_valid_before_utc, made.x509.not_valid_after_utc)
    assert facts.serial_number == str(made.x509.serial_number)
    assert facts.fingerprint.count(":") == 31


PASTED = {
    "as it is": lambda text: text,
    "windows line ends": lambda text: text.replace("\n", "\r\n"),
    "old mac line ends": lambda text: text.replace("\n", "\r"),
    "a byte order mark": lambda text: "\ufeff" + text,
    "words around it": lambda text: f"Dear customer, subject=/CN=x\n\n{text}\nKind regards: us",
    "indented": lambda text: "".join(f"      {line}\n" for line in text.splitlines()),
    "escaped line breaks": lambda text: text.replace("\n", "\\n"),
    "on one line": lambda text: text.replace("\n", " "),
    "zero-width spaces": lambda text: text.replace("\n", "\n\u200b"),
    "no last line break": lambda text: text.strip(),
}


@pytest.mark.parametrize("how", PASTED)
def test_what_people_paste_is_stored_as_everybody_writes_it(how: str):
    pasted = PASTED[how]
    assert read_certificate("cert", pasted(GOOD.cert)).pem == GOOD.cert
    assert read_private_key("key", pasted(GOOD.key_text))[1] == GOOD.key_text
    chain = intermediate().cert + root().cert
    assert "".join(each.pem for each in read_chain("certChain", pasted(chain))) == chain


def test_keys_in_the_older_forms_and_beside_other_blocks_are_read():
    for kind in ("rsa2048", "p256"):
        key = key_of_kind(kind)
        older = key_pem(key, TRADITIONAL)
        parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        assert read_private_key("key", parameters + older + GOOD.cert)[1] == key_pem(key)


def damaged(text: str) -> str:
    """Two lines in the wrong order: base64 as before, and nothing inside that is right."""
    first, one, two, *rest = text.splitlines()
    return "\n".join([first, two, one, *rest])


REFUSED_CERTIFICATES = {
    "nothing": ("", "is no PEM"),
    "words": ("hello", "is no PEM"),
    "no end": (GOOD.cert[:200], "has no END"),
    "two begins": (GOOD.cert[:200] + GOOD.cert, "has no END"),
    "no begin": (GOOD.cert[40:], "has no BEGIN"),
    "no base64": ("-----BEGIN CERTIFICATE-----\nä!\n-----END CERTIFICATE-----", "is not base64"),
    "empty": ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "is not base64"),
    "other bytes": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no X.509 certificate"),
    "lines in another order": (damaged(GOOD.cert), "no X.509 certificate"),
    "several": (GOOD.cert + root().cert, "holds 2 certificates"),
    "a key with it": (GOOD.cert + GOOD.key_text, "belongs into key alone"),
    "a key": (GOOD.key_text, "belongs into key alone"),
    "a request": ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "signing request"),
    "pkcs7": ("-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----", "openssl pkcs7"),
    "trusted": ("-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----", "openssl x509"),
    "too short a key": (issue(kind="rsa1024").cert, "2048 to 8192 bits"),
    "a curve of Bitcoin's": (issue(kind="k256").cert, "P-256"),
}


@pytest.mark.parametrize("what", REFUSED_CERTIFICATES)
def test_what_is_no_certificate_is_refused_in_words(what: str):
    text, words = REFUSED_CERTIFICATES[what]
    with pytest.raises(Invalid, match=words) as refused:
        read_certificate("cert", text)
    assert (refused.value.field, refused.value.code, refused.value.status) == ("cert", "InvalidFormat", 422)


REFUSED_KEYS = {
    "nothing": ("", "no private key"),
    "a certificate": (GOOD.cert, "no private key"),
    "a public key": ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no private key"),
    "two": (GOOD.key_text * 2, "2 private keys"),
    "with a passphrase": (key_pem(GOOD.key, password="hush"), "passphrase"),
    "with a passphrase, in the older form": (key_pem(key_of_kind("rsa2048"), TRADITIONAL, "hush"), "passphrase"),
    "damaged": (damaged(key_pem(key_of_kind("rsa2048"))), "damaged"),
    "of ssh": ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "openssl genpkey"),
    "of DSA": ("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", "openssl genpkey"),
    "too short": (key_pem(key_of_kind("rsa1024")), "2048 to 8192 bits"),
    "a curve of Bitcoin's": (key_pem(key_of_kind("k256")), "P-256"),
}


@pytest.mark.parametrize("what", REFUSED_KEYS)
def test_what_is_no_key_is_refused_without_repeating_it(what: str):
    text, words = REFUSED_KEYS[what]
    with pytest.raises(Invalid, match=words) as refused:
        read_private_key("key", text)
    assert (refused.value.field, refused.value.code) == ("key", "InvalidFormat")
    assert not [line for line in text.splitlines() if len(line) > 40 and line in refused.value.message]


def test_the_key_of_another_certificate_is_refused():
    other, _pem = read_private_key("key", key_pem(key_of_kind("other")))
    with pytest.raises(Invalid, match="their public keys differ") as refused:
        require_match("key", read_certificate("cert", GOOD.cert), other)
    assert refused.value.field == "key"


@pytest.mark.parametrize("field", ["cert", "certChain", "key"])
def test_huge_texts_are_refused_before_they_are_read(field: str):
    read: Any = {"cert": read_certificate, "certChain": read_chain, "key": read_private_key}[field]
    with pytest.raises(Invalid) as refused:
        read(field, GOOD.cert * 100 + "x" * MAX_TEXT)
    assert (refused.value.field, refused.value.code) == (field, "MaxLengthExceeded")


def test_a_chain_may_be_empty_but_not_endless_or_words():
    assert read_chain("certChain", " \n") == []
    with pytest.raises(Invalid, match="leave it empty"):
        read_chain("certChain", "none")
    with pytest.raises(Invalid, match="at most 20"):
        read_chain("certChain", root().cert * 21)


WORDS = st.sampled_from(
    ["-----BEGIN ", "-----END ", "CERTIFICATE", "PRIVATE KEY", "-----", "\n", ":", "AAAA", "\\n", "\0"]
)


def read_everything(text: str) -> None:
    for read in (read_certificate, read_chain, read_private_key, read_blocks):
        try:
            read("field", text)
        except Invalid as refused:
            assert refused.field == "field"  # noqa: PT017 - whatever else is raised fails the test


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)))
@example("-----BEGIN CERTIFICATE----------BEGIN CERTIFICATE-----")
@example("-----BEGIN CERTIFICATE-----\n\ud800\n-----END CERTIFICATE-----")
def test_no_text_is_a_fault(text: str):
    read_everything(text)


@pytest.mark.filterwarnings("ignore::UserWarning")  # the library's, about forms that it will refuse some day
@given(st.data())
def test_no_damaged_certificate_or_key_is_a_fault(data: st.DataObject):
    """Bytes inside changed, so that the structure holds here and there."""
    block = data.draw(
        st.sampled_from([block for text in (GOOD.cert, GOOD.key_text) for block in read_blocks("", text)])
    )
    content = bytearray(block.content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_everything(type(block)(block.label, bytes(content)).to_pem())


@pytest.mark.parametrize("kind", [*KINDS, "ed25519"])
def test_openssl_serves_with_what_is_accepted(kind: str, tmp_path: Path):
    made = intermediate().issue("a.example.org", kind=kind)
    parts = [read_certificate("cert", made.cert).pem, intermediate().cert, read_private_key("key", made.key_text)[1]]
    path = tmp_path / "bundle.pem"
    path.write_text("".join(parts))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)


def test_openssl_does_not_serve_with_the_keys_that_are_refused_for_their_size(tmp_path: Path):
    made, path = issue(kind="rsa1024"), tmp_path / "bundle.pem"
    path.write_text(made.cert + made.key_text)
    with pytest.raises(ssl.SSLError, match="too small"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
