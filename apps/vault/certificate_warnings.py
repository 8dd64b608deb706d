"""What is odd about a certificate though it is accepted: dates, chain, purpose; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from apps.vault.certificate_facts import UNREADABLE, ParsedCertificate, common_name


def find_warnings(certificate: ParsedCertificate, chain: Sequence[ParsedCertificate], now: datetime) -> list[str]:
    """Everything that people should know, in sentences."""
    return [
        *_date_warnings(certificate, chain, now),
        *_chain_warnings(certificate, chain),
        *_purpose_warnings(certificate),
    ]


def _date_warnings(certificate: ParsedCertificate, chain: Sequence[ParsedCertificate], now: datetime) -> Iterator[str]:
    facts = certificate.facts
    if facts.expires_at <= now:
        yield f"It expired on {facts.expires_at:%Y-%m-%d}: browsers refuse it. Renew it."
    elif facts.issued_at > now:
        yield f"It is not valid before {facts.issued_at:%Y-%m-%d %H:%M} UTC: browsers refuse it until then."
    for each in chain:
        if each.facts.expires_at <= now:
            yield f"In the chain, {_title(each)} expired on {each.facts.expires_at:%Y-%m-%d}."


def _chain_warnings(certificate: ParsedCertificate, chain: Sequence[ParsedCertificate]) -> Iterator[str]:
    """Whether each certificate was issued by the next one."""
    if not chain:
        if not _issued(certificate, certificate):
            yield (
                f"There is no chain: clients that do not know {_issuer(certificate)} refuse the certificate. "
                "Add the authority's intermediate certificates."
            )
        return
    for issued, issuer in zip((certificate, *chain), chain, strict=False):
        if _issued(issued, issuer):
            continue
        if any(_issued(issued, each) for each in chain):
            yield f"The chain is not in order: {_title(issued)} was issued by {_issuer(issued)}, which must come next."
        elif _issued(issued, issued):
            yield f"{_title(issued)} signs itself: what follows it in the chain, {_title(issuer)}, is of no use."
        else:
            yield f"The chain lacks {_issuer(issued)}, who issued {_title(issued)}; {_title(issuer)} did not."


def _issued(issued: ParsedCertificate, issuer: ParsedCertificate) -> bool:
    try:
        issued.x509.verify_directly_issued_by(issuer.x509)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _purpose_warnings(certificate: ParsedCertificate) -> Iterator[str]:
    facts, loaded = certificate.facts, certificate.x509
    if not facts.alternative_names:
        yield "It has no subject alternative names: browsers ignore the common name and refuse it."
    if facts.algorithm.startswith(("SHA1", "MD5")):
        yield f"It is signed with {facts.algorithm}, which browsers no longer accept."
    if isinstance(certificate.public_key, ed25519.Ed25519PublicKey):
        yield "Its key is Ed25519, which browsers do not accept in certificates."
    try:
        basic = loaded.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        basic = None
    if basic is not None and basic.ca and not _issued(certificate, certificate):
        yield "It is an authority's certificate, not a server's."
    try:
        usage = loaded.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        yield "It is not meant for servers (its extended key usage lacks server authentication)."


def _title(certificate: ParsedCertificate) -> str:
    return repr(certificate.facts.common_name or certificate.facts.serial_number)


def _issuer(certificate: ParsedCertificate) -> str:
    return repr(common_name(certificate.x509.issuer) or certificate.facts.issuer)
