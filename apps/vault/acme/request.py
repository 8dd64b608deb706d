"""What is requested of an authority: names, checked; the signing request, and the placeholder until there is an answer;
pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from apps.core.errors import Invalid
from apps.vault.acme.signing import encode, load_key

MAX_NAMES = 20
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^\s@,]{1,64}@[^\s@,]{1,255}")


def check_names(field: str, names: object) -> list[str]:
    """The host names to be certified, each once. Raises `Invalid`."""
    if not isinstance(names, Sequence) or isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise Invalid(field, "InvalidFormat", f"{field} is a list of host names.")
    found = list(dict.fromkeys(name for each in names if (name := each.strip().lower().rstrip("."))))
    if not found:
        raise Invalid(field, "MissingRequired", f"{field}: name at least one host, such as www.example.org.")
    if len(found) > MAX_NAMES:
        raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {MAX_NAMES} names.")
    for name in found:
        if why := _name_refusal(name):
            raise Invalid(field, "InvalidFormat", f"{field}: {name[:100]!r} {why}")
    return found


def _name_refusal(name: str) -> str:
    if "*" in name:
        return "has a wildcard, which an authority proves over DNS only; name each host, or add a certificate by hand."
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(each) for each in labels):
        return "is no host name; write international names in punycode (xn--...)."
    if len(labels) < 2 or labels[-1].isdigit():
        return "is not a name that an authority can reach over the internet."
    return ""


def check_email(field: str, email: object) -> str:
    """The address that the authority may write to; empty for none. Raises `Invalid`."""
    found = email.strip() if isinstance(email, str) else email
    if not isinstance(found, str) or (found and not (_EMAIL.fullmatch(found) and found.isascii())):
        raise Invalid(field, "InvalidFormat", f"{field} is one e-mail address, or empty.")
    return found


def signing_request(names: Sequence[str], key: str) -> str:
    """The signing request (PKCS #10) for these names, as ACME sends it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(_alternative_names(names), critical=False)
    return encode(builder.sign(load_key(key), hashes.SHA256()).public_bytes(Encoding.DER))


def placeholder(names: Sequence[str], key: str, now: datetime) -> str:
    """A certificate that signs itself: a balancer has something to serve while the authority looks."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    loaded = load_key(key)
    begins, ends = now - timedelta(hours=1), now + timedelta(days=365)
    builder = x509.CertificateBuilder(name, name, loaded.public_key(), x509.random_serial_number(), begins, ends)
    made = builder.add_extension(_alternative_names(names), critical=False).sign(loaded, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
