"""What a certificate says: names, issuer, validity, key; pure, and never an exception but `Invalid`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from apps.core.errors import Invalid
from apps.core.texts import strip_unstorable
from apps.vault.pem import PemBlock, read_blocks

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    NotImplementedError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.ExtensionNotFound,
)
"""What `cryptography` raises on certificates and keys that it cannot read."""

LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
MAX_CHAIN = 20
MIN_RSA, MAX_RSA = 2048, 8192  # OpenSSL refuses to serve less; a handshake with more takes a tenth of a second
CURVES = ("secp256r1", "secp384r1", "secp521r1")  # what browsers and HAProxy speak

_OTHER_LABELS = {
    "CERTIFICATE REQUEST": "it holds a signing request; paste the certificate that the authority answered it with.",
    "NEW CERTIFICATE REQUEST": "it holds a signing request; paste the certificate that the authority answered it with.",
    "TRUSTED CERTIFICATE": "convert it first: openssl x509 -in trusted.pem -out cert.pem",
    "PKCS7": "convert it first: openssl pkcs7 -print_certs -in bundle.p7b -out certs.pem",
}
_ALGORITHMS = {  # as Java, and so v1, calls them
    SignatureAlgorithmOID.RSASSA_PSS: "RSASSA-PSS",
    SignatureAlgorithmOID.ED25519: "Ed25519",
    SignatureAlgorithmOID.ED448: "Ed448",
}


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is shown of a certificate; its fields are columns of the table."""

    common_name: str
    issuer: str
    issued_at: datetime
    expires_at: datetime
    serial_number: str
    algorithm: str
    version: str
    key_size: int
    fingerprint: str
    alternative_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedCertificate:
    """A certificate that was read: the object, its PEM, and its key."""

    x509: x509.Certificate
    pem: str
    public_key: PublicKey
    facts: CertificateFacts

    def columns(self) -> dict[str, Any]:
        """The columns of the table that it fills."""
        return {**asdict(self.facts), "alternative_names": list(self.facts.alternative_names), "cert": self.pem}


def read_certificate(field: str, text: str) -> ParsedCertificate:
    """The one certificate in a text. Raises `Invalid`."""
    found = _certificate_blocks(field, text)
    if len(found) > 1:
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field} holds {len(found)} certificates and takes one: the first, of the server. "
            "The others belong into certChain.",
        )
    if not found:
        raise Invalid(
            field, "InvalidFormat", f"{field} is no PEM: it begins with `-----BEGIN CERTIFICATE-----`, on its own line."
        )
    return _parse(field, found[0])


def read_chain(field: str, text: str) -> list[ParsedCertificate]:
    """The certificates of a chain, none for an empty text. Raises `Invalid`."""
    if not text.strip():
        return []
    found = _certificate_blocks(field, text)
    if not found:
        raise Invalid(
            field, "InvalidFormat", f"{field} holds no `-----BEGIN CERTIFICATE-----`; leave it empty or paste PEM."
        )
    if len(found) > MAX_CHAIN:
        raise Invalid(
            field, "MaxLengthExceeded", f"{field} holds {len(found)} certificates; a chain has at most {MAX_CHAIN}."
        )
    return [_parse(field, each, is_server=False) for each in found]


def _certificate_blocks(field: str, text: str) -> list[PemBlock]:
    blocks = read_blocks(field, text)
    for each in blocks:
        if "PRIVATE KEY" in each.label:  # everybody who sees the environment reads certificates
            raise Invalid(field, "InvalidFormat", f"{field} holds a private key, which belongs into key alone.")
        if each.label in _OTHER_LABELS:
            raise Invalid(field, "InvalidFormat", f"{field}: {_OTHER_LABELS[each.label]}")
    return [each for each in blocks if each.label in LABELS]


def _parse(field: str, block: PemBlock, *, is_server: bool = True) -> ParsedCertificate:
    try:
        loaded = x509.load_der_x509_certificate(block.content)
        key = loaded.public_key()
        facts = _facts(loaded, key_size(key))
    except UNREADABLE:
        raise Invalid(
            field, "InvalidFormat", f"{field} holds something that is no X.509 certificate, or a damaged one."
        ) from None
    if is_server and (why := key_refusal(key)):
        raise Invalid(field, "InvalidFormat", f"{field}: {why}")
    return ParsedCertificate(loaded, PemBlock("CERTIFICATE", block.content).to_pem(), key, facts)  # type: ignore[arg-type]


def key_size(key: object) -> int:
    """How many bits a public or private key has; 0 where that says nothing."""
    if isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return 256
    return int(getattr(key, "key_size", 0))


def key_refusal(key: object) -> str:
    """Why no balancer could serve with such a key; empty when one can."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        if MIN_RSA <= key.key_size <= MAX_RSA:
            return ""
        return f"an RSA key has {MIN_RSA} to {MAX_RSA} bits, this one {key.key_size}; make a new one."
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        if key.curve.name in CURVES:
            return ""
        return f"the curve {key.curve.name} is not one that browsers speak; use P-256, P-384 or P-521."
    if isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return ""
    return "this kind of key serves no TLS; use RSA, an elliptic curve (P-256, P-384, P-521) or Ed25519."


def public_bytes(key: PublicKey) -> bytes:
    """A public key in the form in which two are compared."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _facts(loaded: x509.Certificate, bits: int) -> CertificateFacts:
    digits = loaded.fingerprint(hashes.SHA256()).hex().upper()
    return CertificateFacts(
        common_name=common_name(loaded.subject),
        issuer=strip_unstorable(loaded.issuer.rfc4514_string()),
        issued_at=loaded.not_valid_before_utc,
        expires_at=loaded.not_valid_after_utc,
        serial_number=str(loaded.serial_number),
        algorithm=_algorithm(loaded),
        version=str(loaded.version.value + 1),
        key_size=bits,
        fingerprint=":".join(digits[at : at + 2] for at in range(0, len(digits), 2)),
        alternative_names=tuple(strip_unstorable(each) for each in _alternative_names(loaded)),
    )


def common_name(name: x509.Name) -> str:
    """The last common name of a subject or issuer: the most specific one; empty where it has none."""
    found = [str(each.value) for each in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return str(strip_unstorable(found[-1])) if found else ""


def _alternative_names(loaded: x509.Certificate) -> Iterator[str]:
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for each in names:
        if isinstance(each, x509.DNSName | x509.IPAddress | x509.RFC822Name | x509.UniformResourceIdentifier):
            yield str(each.value)


def _algorithm(loaded: x509.Certificate) -> str:
    """The signature's algorithm, such as `SHA256withRSA`."""
    oid = loaded.signature_algorithm_oid
    if oid in _ALGORITHMS:
        return _ALGORITHMS[oid]
    digest = loaded.signature_hash_algorithm
    if digest is None:
        return str(oid.dotted_string)
    kind = "ECDSA" if "ecdsa" in (oid._name or "").lower() else "DSA" if "dsa" in oid._name.lower() else "RSA"  # noqa: SLF001
    return f"{digest.name.upper().replace('-', '')}with{kind}"
