"""Certificates from a real ACME server: ordered, proved by the portal, taken over, renewed, and refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.control.cancel import operation_retry
from apps.control.models import Operation
from apps.control.reconcile import reconcile_one
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.vault.acme.services import certificate_order
from apps.vault.models import AcmeAccount, AcmeChallenge, Certificate
from apps.vault.selectors import names_of
from tests.vault.pebble import Pebble, pebble, portal_at

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
STEPS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with pebble(tmp_path_factory.mktemp("pebble")) as started:
        yield started


@pytest.fixture
def order(server: Pebble, lab: Environment, actor_of: Any) -> Any:
    """Orders a certificate of this server's for the lab."""
    for name, value in {"acme.directory": server.directory, "acme.authority": server.authority}.items():
        Setting.objects.update_or_create(name=name, defaults={"value": value})

    def order(*names: str) -> Certificate:
        return certificate_order(actor=actor_of("alice"), environment=lab, names=names, email="ops@example.org")

    return order


def run(row: Certificate) -> Certificate:
    """The loop, step by step as fast as the server answers, until the certificate is there or refused."""
    for _ in range(STEPS):
        reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        if row.fault or not (row.is_placeholder or row.order):
            return row
        time.sleep(0.1)
    raise AssertionError(row.message)


def test_a_certificate_is_ordered_proved_and_renewed(order: Any, server: Pebble):
    row = order("shop.example.org", "www.example.org")
    assert (row.is_placeholder, row.issuer, row.display_state) == (True, "CN=shop.example.org", "activating")
    with portal_at(server.proof_port) as seen:
        issued = run(row)
        assert not issued.fault, issued.message
        assert {host.partition(":")[0] for host, _path in seen} == {"shop.example.org", "www.example.org"}
        assert "Pebble" in issued.issuer
        assert set(names_of(issued)) == {"shop.example.org", "www.example.org"}
        assert (issued.state, issued.is_placeholder, issued.cert_chain.count("BEGIN")) == ("active", False, 1)
        assert issued.status["warnings"] == []
        assert not AcmeChallenge.objects.exists()
        assert Operation.all_objects.get(kind="certificate").state == "succeeded"
        first, key = issued.serial_number, issued.key
        soon = timezone.now() + timedelta(days=29)  # two thirds of its life are over
        Certificate.all_objects.filter(pk=row.pk).update(issued_at=soon - timedelta(days=90), expires_at=soon)
        for _ in range(2):
            reconcile_one("certificate", row.pk)
        row.refresh_from_db()
        assert (row.state, row.serial_number, row.order["url"][:8]) == ("active", first, "https://")
        renewed = run(row)
    assert renewed.serial_number != first
    assert renewed.key != key
    assert renewed.expires_at > soon
    assert AcmeAccount.objects.count() == 1


def test_a_refusal_says_why_and_is_tried_again_later_or_on_request(order: Any, server: Pebble, actor_of: Any):
    row = run(order("far.example.org"))  # nothing answers at the port
    assert (row.state, row.is_placeholder, row.transitioning) == ("activating", True, "error")
    assert "far.example.org" in row.message
    operation = Operation.all_objects.get(kind="certificate")
    assert (operation.state, operation.message) == ("failed", row.message)
    reconcile_one("certificate", row.pk)
    row.refresh_from_db()
    assert row.next_attempt_at is not None
    assert timedelta(minutes=4) < row.next_attempt_at - timezone.now() < timedelta(minutes=6)
    with portal_at(server.proof_port):
        operation_retry(operation, actor=actor_of("alice"))
        row.refresh_from_db()
        assert run(row).is_placeholder is False


def test_an_account_that_the_server_forgot_is_made_anew(order: Any, server: Pebble, actor_of: Any):
    row = order("shop.example.org")
    with portal_at(server.proof_port):
        run(row)
        AcmeAccount.objects.update(url=server.directory.replace("/dir", "/my-account/999"))
        second = run(order("second.example.org"))
        assert second.fault
        operation_retry(Operation.all_objects.filter(target=second.pk).latest("pk"), actor=actor_of("alice"))
        second.refresh_from_db()
        assert run(second).is_placeholder is False


def test_a_server_with_a_certificate_of_nobody_s_is_not_trusted(order: Any, tmp_path: Path):
    Setting.objects.filter(name="acme.authority").delete()
    row = run(order("shop.example.org"))
    assert row.fault
    assert "cannot be reached" in row.message
    assert "certificate verify failed" in row.message


EXTERNAL = {"kid-7": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}


def test_a_server_that_binds_accounts_gets_one_of_its_own(tmp_path: Path, lab: Environment, actor_of: Any):
    """As ZeroSSL does: without the external account, or with a wrong key, nothing is ordered, and it says why."""
    with pebble(tmp_path, EXTERNAL) as strict, portal_at(strict.proof_port):
        put("acme.directory", strict.directory)
        put("acme.authority", strict.authority)
        row = run(certificate_order(actor=actor_of("alice"), environment=lab, names=["shop.example.org"]))
        assert "set acme.eab.kid and acme.eab.hmac" in row.message
        for key in ("kid-7", "kid-8"):
            put("acme.eab.kid", key)
            put("acme.eab.hmac", EXTERNAL["kid-7"][::-1] if key == "kid-7" else EXTERNAL["kid-7"])
            again(row, actor_of)
            assert (row.fault, row.is_placeholder) == (True, True)
        put("acme.eab.kid", "kid-7")
        again(row, actor_of)
        assert (row.state, row.is_placeholder) == ("active", False), row.message
        assert AcmeAccount.objects.get().url.startswith("https://")


def put(name: str, value: str) -> None:
    """Set it as an administrator would."""
    Setting.objects.update_or_create(name=name, defaults={"value": value})


def again(row: Certificate, actor_of: Any) -> None:
    """Have the refused order tried once more."""
    operation_retry(Operation.all_objects.filter(kind="certificate").latest("pk"), actor=actor_of("alice"))
    row.refresh_from_db()
    run(row)
