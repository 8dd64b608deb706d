"""`certificate`: what balancers serve TLS with, and `acmeCertificate` (not in Rancher's v1), which orders one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    Data,
    Link,
    Resource,
)
from apps.api.wire.roles import TypeRoles
from apps.vault.acme.services import certificate_order
from apps.vault.models import Certificate
from apps.vault.services import certificate_act, certificate_create, certificate_update

_COLUMNS = {"name": "name", "description": "description", "cert": "cert", "cert_chain": "certChain", "key": "key"}


def _time(moment: datetime) -> str:
    """v1 has these two as texts."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class CertificateResource(Resource):
    """A certificate; its private key is written and never read.

    Not in Rancher's v1: `warnings`, what is odd about it though it was accepted, and `acmeNames`, the names for which
    an authority issues and renews it (null: people bring it).
    """

    name = "certificate"
    model = Certificate
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
    own_fields = parse_fields("""
        name             string        cu <name * 1..255
        CN               string        r  <common_name
        algorithm        string        r  <algorithm
        cert             string        cu <cert * 1..65535
        certChain        string        cu <cert_chain 0..65535
        certFingerprint  string        r  <fingerprint
        expiresAt        string        r
        issuedAt         string        r
        issuer           string        r  <issuer
        key              string        cu * 1..65535 !
        keySize          int           r  <key_size
        serialNumber     string        r  <serial_number
        subjectAlternativeNames array[string] r
        version          string        r  <version
        warnings         array[string] r
        acmeNames        array[string] r
    """)
    computed = {
        "acmeNames": lambda context: context.row.acme.get("names"),
        "expiresAt": lambda context: _time(context.row.expires_at),
        "issuedAt": lambda context: _time(context.row.issued_at),
        "key": lambda _context: None,
        "subjectAlternativeNames": lambda context: context.row.alternative_names,
        "warnings": lambda context: context.row.status.get("warnings", []),
    }
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the caller's environments; no request for them decrypts a key."""
        return Certificate.objects.within(caller.environments()).defer("key", "order")

    def create(self, caller: ApiCaller, data: Data) -> Certificate:
        """Add a certificate."""
        named = pick(data, **_COLUMNS)
        return certificate_create(actor=caller.actor, environment=caller.require_environment(), **named)

    def update(self, caller: ApiCaller, row: Certificate, data: Data) -> None:
        """Rename or renew it."""
        certificate_update(row, actor=caller.actor, **pick(data, **_COLUMNS))

    def act(self, caller: ApiCaller, row: Certificate, action: str) -> None:
        """Remove it."""
        certificate_act(row, action, actor=caller.actor)


class AcmeCertificateResource(Resource):
    """Host names for which an authority is to issue a certificate; creating one creates that, which is the response."""

    name = "acmeCertificate"
    roles = TypeRoles(environment={"operate": "c"})
    listable = False
    sortable = False
    own_fields = parse_fields("""
        names       array[string] c *
        name        string        c 0..255
        description string        c 0..1024
        email       string        c 0..320
    """)

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none: it has become a certificate."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> Certificate:
        """Order a certificate."""
        return certificate_order(actor=caller.actor, environment=caller.require_environment(), **data)
