"""Reading certificates: of an environment, what serves with them, and what a balancer needs of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from apps.core.hooks import hooks
from apps.core.models import Managed, TenantQuerySet
from apps.environments.actor import Actor
from apps.vault.certificate_facts import read_certificate, read_chain
from apps.vault.certificate_warnings import find_warnings
from apps.vault.expiry import SOON
from apps.vault.models import AcmeChallenge, Certificate


def certificates_of(actor: Actor, environment_id: int) -> TenantQuerySet[Certificate]:
    """The certificates that the actor sees in an environment, without their keys."""
    seen = [environment_id] if "view" in actor.permissions(environment_id) else []
    rows: TenantQuerySet[Certificate] = Certificate.objects.within(seen).filter(removed=None).defer("key", "order")
    return rows


def certificates_in(environment_id: int) -> list[Certificate]:
    """All certificates of an environment that a balancer may serve with, in the order in which they were added."""
    return list(Certificate.all_objects.filter(environment=environment_id, removed=None, desired="active"))


def failing_certificates(environments: Collection[int], limit: int) -> list[Certificate]:
    """Those that have expired, will soon, or cannot be had from their authority, the most urgent first."""
    wrong = Q(fault=True) | Q(expires_at__lte=timezone.now() + SOON)
    rows = Certificate.objects.within(environments).filter(wrong, removed=None, desired="active")
    found = rows.defer("key", "cert", "cert_chain", "order").order_by("expires_at", "pk")
    return [row for row in found if row.fault or row.expires_soon][:limit]


def users_of_certificates(keys: Collection[int]) -> dict[int, list[Managed]]:
    """What serves with each of these certificates, by certificate; one query for each provider of the hook."""
    found: dict[int, list[Managed]] = defaultdict(list)
    for find_users in hooks.certificate_users if keys else ():
        for key, rows in find_users(keys).items():
            found[key].extend(rows)
    return dict(found)


def bundle_of(certificate: Certificate) -> bytes:
    """The file that HAProxy reads for `crt`: certificate, chain, then the private key."""
    return f"{certificate.cert}{certificate.cert_chain}{certificate.key}".encode("ascii")


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The host names for which it is served (SNI), lower case; `*.example.org` covers one label.

    Those of its subject alternative names; only a certificate without any is served for its common name.
    """
    names: Sequence[str] = [each for each in certificate.alternative_names if _is_host_name(each)]
    if not certificate.alternative_names and _is_host_name(certificate.common_name):
        names = [certificate.common_name]
    return tuple(dict.fromkeys(each.lower().rstrip(".") for each in names))


def _is_host_name(text: str) -> bool:
    """Whether a name is one of DNS, as opposed to an address, a URL or an e-mail address."""
    labels = text.removeprefix("*.").rstrip(".").split(".")
    letters = all(label and label.isascii() and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    return letters and not labels[-1].isdigit()


def warnings_about(certificate: Certificate, now: datetime | None = None) -> list[str]:
    """What is odd about a certificate, in sentences."""
    parsed = read_certificate("cert", certificate.cert)
    return find_warnings(parsed, read_chain("certChain", certificate.cert_chain), now or timezone.now())


def challenge_answer(token: str) -> str:
    """What an authority that looks for this token is to find; empty: nothing is known of it."""
    return str(AcmeChallenge.objects.filter(token=token).values_list("answer", flat=True).first() or "")
