"""Certificates of an environment: adding, renewing, removing; who uses them, and when they expire."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.control.cancel import operation_cancel
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.edits import BasedOn, StaleEdit
from apps.core.errors import Forbidden, Invalid
from apps.core.hooks import hooks
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.vault.models import Certificate
from apps.vault.selectors import (
    bundle_of,
    certificates_in,
    certificates_of,
    failing_certificates,
    names_of,
)
from apps.vault.services import (
    certificate_create,
    certificate_remove,
    certificate_update,
)
from tests.vault.issuing import DAY, Issued, intermediate, issue, root

pytestmark = pytest.mark.django_db


def test_a_certificate_is_stored_with_what_it_says_and_its_key_encrypted(shop: Certificate):
    assert (shop.state, shop.common_name, shop.alternative_names) == (
        "active",
        "shop.example.org",
        ["shop.example.org"],
    )
    assert (shop.message, shop.status) == ("", {"warnings": []})
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM vault_certificate")
        stored = str(cursor.fetchall())
    line = shop.key.splitlines()[1]
    assert "BEGIN PRIVATE KEY" in shop.key
    assert line not in stored
    assert shop.cert.splitlines()[1] in stored


def test_the_key_is_in_no_operation_and_no_audit_entry(shop: Certificate, actor_of: Any):
    renewed = intermediate().issue("shop.example.org", kind="p384")
    certificate_update(shop, actor=actor_of("alice"), cert=renewed.cert, key=renewed.key_text)
    written = [str(each.input) for each in Operation.all_objects.filter(kind="certificate")]
    written += [str(each.request) for each in AuditEntry.all_objects.filter(kind="certificate")]
    assert len(written) == 4
    for each in written:
        assert "PRIVATE" not in each
        assert "'key': '********'" in each


def test_renewing_keeps_the_id_and_takes_over_what_the_new_one_says(shop: Certificate, actor_of: Any):
    before, renewed = shop.pk, root().issue("shop.example.org", kind="p384", days=365)
    certificate_update(shop, actor=actor_of("bob"), cert=renewed.cert, key=renewed.key_text, cert_chain="")
    assert (shop.pk, shop.display_state, shop.generation) == (before, "updating-active", 2)
    reconcile_until_idle()
    shop.refresh_from_db()
    assert (shop.display_state, shop.algorithm, shop.key_size, shop.cert_chain) == (
        "active",
        "SHA256withECDSA",
        256 + 128,
        "",
    )


def test_a_renewed_certificate_of_the_same_key_needs_no_key(shop: Certificate, actor_of: Any):
    certificate_update(shop, actor=actor_of("bob"), cert=intermediate().issue("shop.example.org", days=300).cert)
    assert shop.expires_at > timezone.now() + timedelta(days=299)


@pytest.mark.parametrize("sent", ["cert", "key"])
def test_a_half_renewed_certificate_is_refused_and_nothing_changes(sent: str, shop: Certificate, actor_of: Any):
    other = root().issue("shop.example.org", kind="p384")
    with pytest.raises(Invalid, match="their public keys differ"):
        certificate_update(shop, actor=actor_of("bob"), **{sent: {"cert": other.cert, "key": other.key_text}[sent]})
    shop.refresh_from_db()
    assert shop.generation == 1


def test_an_edit_of_an_older_page_is_refused(shop: Certificate, actor_of: Any):
    certificate_update(shop, actor=actor_of("alice"), description="first")
    shop.based_on = BasedOn(1, {"description": ""})
    with pytest.raises(StaleEdit):
        certificate_update(shop, actor=actor_of("bob"), description="second")


def test_cancelling_a_renewal_brings_the_older_one_back_whole(shop: Certificate, actor_of: Any):
    wanted = (shop.cert, shop.key, shop.cert_chain, shop.expires_at, shop.alternative_names)
    renewed = root().issue("new.example.org", kind="p384")
    certificate_update(shop, actor=actor_of("alice"), cert=renewed.cert, key=renewed.key_text, cert_chain=root().cert)
    operation_cancel(Operation.all_objects.get(name="certificate.update"), actor=actor_of("alice"))
    shop.refresh_from_db()
    assert (shop.cert, shop.key, shop.cert_chain, shop.expires_at, shop.alternative_names) == wanted


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "MissingRequired"),
        ("  ", "MissingRequired"),
        ("a\nb", "InvalidCharacters"),
        ("x" * 256, "MaxLengthExceeded"),
    ],
)
def test_names_that_are_refused(name: str, code: str, add: Any):
    with pytest.raises(Invalid) as refused:
        add(name=name)
    assert (refused.value.field, refused.value.code) == ("name", code)


def test_a_name_is_free_again_once_its_certificate_is_gone(shop: Certificate, add: Any, actor_of: Any):
    with pytest.raises(Invalid) as refused:
        add(name="SHOP")
    assert (refused.value.field, refused.value.code) == ("name", "NotUnique")
    with pytest.raises(Invalid, match="There is a certificate"):
        certificate_update(add(name="other"), actor=actor_of("alice"), name="Shop")
    certificate_remove(shop, actor=actor_of("alice"))
    reconcile_until_idle()
    assert add().state == "active"
    shop.refresh_from_db()
    assert (shop.state, shop.removed is None) == ("removed", False)


@pytest.mark.parametrize(
    ("who", "may"), [("alice", True), ("bob", True), ("rex", True), ("rita", False), ("mallory", False)]
)
def test_who_may_add_renew_and_remove(who: str, may: bool, add: Any, shop: Certificate, actor_of: Any):
    attempts: list[Callable[[], Any]] = [
        lambda: add(name="mine", who=who),
        lambda: certificate_update(shop, actor=actor_of(who), description="changed"),
        lambda: certificate_remove(shop, actor=actor_of(who)),
    ]
    for attempt in attempts:
        if may:
            attempt()
            continue
        with pytest.raises(Forbidden):
            attempt()


@pytest.fixture
def balancers() -> Iterator[dict[int, list[Any]]]:
    """What the hook says that serves with each certificate."""
    used: dict[int, list[Any]] = {}
    hooks.certificate_users.append(lambda keys: {key: used[key] for key in keys if key in used})
    yield used
    hooks.certificate_users.pop()


def test_a_certificate_in_use_is_not_removed(shop: Certificate, balancers: dict[int, list[Any]], actor_of: Any):
    balancers[shop.pk] = [Environment(name=f"balancer-{n}") for n in range(7)]
    with pytest.raises(Invalid, match=r"in use by balancer-0, .* and 2 more") as refused:
        certificate_remove(shop, actor=actor_of("alice"))
    assert (refused.value.status, refused.value.code) == (422, "InvalidAction")
    with pytest.raises(Forbidden):  # what uses it is none of theirs
        certificate_remove(shop, actor=actor_of("mallory"))
    balancers.clear()
    certificate_remove(shop, actor=actor_of("alice"))
    assert shop.display_state == "removing"


def test_others_see_no_certificates(shop: Certificate, lab: Environment, actor_of: Any):
    assert [each.pk for each in certificates_of(actor_of("rita"), lab.pk)] == [shop.pk]
    assert list(certificates_of(actor_of("mallory"), lab.pk)) == []
    assert [each.pk for each in certificates_in(lab.pk)] == [shop.pk]


def test_an_environment_goes_with_its_certificates(shop: Certificate, lab: Environment, actor_of: Any):
    environment_act(lab, "deactivate", actor=actor_of("alice"))
    reconcile_until_idle()
    environment_act(lab, "remove", actor=actor_of("alice"))
    for _ in range(3):
        Environment.objects.filter(pk=lab.pk).update(next_attempt_at=timezone.now())
        reconcile_until_idle()
    lab.refresh_from_db()
    shop.refresh_from_db()
    assert (shop.state, lab.state) == ("removed", "removed")


def test_a_balancer_gets_certificate_chain_and_key_in_one_file(shop: Certificate, tmp_path: Path):
    path = tmp_path / "shop.pem"
    path.write_bytes(bundle_of(shop))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    parts = path.read_text().split("-----BEGIN ")
    assert [each.partition("-----")[0] for each in parts[1:]] == ["CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"]


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (issue("a.example.org"), ("a.example.org",)),
        (issue("a", names=["B.example.org", "*.c.example.org", "b.example.org"]), ("b.example.org", "*.c.example.org")),
        (issue("old.example.org", names=[]), ("old.example.org",)),
        (issue("An Old Server", names=[]), ()),
        (issue("ignored.example.org", names=["192.0.2.7"]), ()),
        (issue("", names=["only.example.org"]), ("only.example.org",)),
    ],
)
def test_the_host_names_that_it_is_served_for(made: Issued, names: tuple[str, ...], add: Any):
    assert names_of(add(made)) == names


def moved(row: Certificate, days: float) -> Certificate:
    """The certificate as the loop meets it when it has this many days left."""
    columns = {"expires_at": timezone.now() + days * DAY, "next_attempt_at": timezone.now()}
    Certificate.all_objects.filter(pk=row.pk).update(**columns)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def test_each_warning_of_its_expiry_is_given_once(shop: Certificate):
    def given() -> list[tuple[str, int]]:
        found = AuditEntry.all_objects.filter(event__startswith="certificate.expir").order_by("pk")
        return [(each.event, each.request["days"]) for each in found]

    assert given() == []
    for days in (31, 29.9, 20, 13, 6.5, 6, 0.5, 0.4, -1, -20):
        moved(shop, days)
        reconcile_one("certificate", shop.pk)
    wanted = [("certificate.expiring", days) for days in (30, 14, 7, 1)] + [("certificate.expired", 0)]
    assert given() == wanted
    moved(shop, 10)  # as by a clock that was set back
    assert given() == wanted


def test_the_loop_comes_back_when_there_is_something_new_to_say(shop: Certificate):
    times = [(50, 20), (30, 16), (14, 7), (1.5, 0.5), (0.5, 0.5)]
    for left, again in times:
        moved(shop, left)
        assert shop.next_attempt_at is not None
        assert abs(shop.next_attempt_at - timezone.now() - again * DAY) < timedelta(minutes=1), left
    assert moved(shop, -1).next_attempt_at is None


def test_a_renewed_certificate_is_warned_of_anew(shop: Certificate, actor_of: Any):
    moved(shop, 0.5)
    renewed = intermediate().issue("shop.example.org", days=5)
    certificate_update(shop, actor=actor_of("alice"), cert=renewed.cert)
    reconcile_until_idle()
    found = AuditEntry.all_objects.filter(event="certificate.expiring").order_by("pk")
    assert [each.request["days"] for each in found] == [1, 7]


def test_what_expires_soon_is_listed_the_most_urgent_first(add: Any, lab: Environment):
    rows = [add(issue(days=days), name=str(days)) for days in (20, 90, 5)]
    assert [each.name for each in failing_certificates([lab.pk], 5)] == ["5", "20"]
    assert failing_certificates([lab.pk + 1], 5) == []
    assert [each.expires_soon for each in rows] == [True, False, True]


WARNED = {
    "expired": (lambda: root().issue("a.example.org", begins=-9, days=-1), "", "It expired on"),
    "not yet valid": (lambda: root().issue("a.example.org", begins=3), "root", "It is not valid before"),
    "no chain": (lambda: intermediate().issue("a.example.org"), "", "do not know 'Intermediate of tests'"),
    "another chain": (lambda: intermediate().issue("a.example.org"), "root", "The chain lacks 'Intermediate of tests'"),
    "another order": (
        lambda: intermediate().issue("a.example.org"),
        "root intermediate",
        "was issued by 'Intermediate of tests', which must come next",
    ),
    "no names": (lambda: root().issue("a.example.org", names=[]), "root", "no subject alternative names"),
    "Ed25519": (lambda: root().issue("a.example.org", kind="ed25519"), "root", "Ed25519"),
    "an authority": (lambda: root().issue("CA", ca=True, names=["a.example.org"]), "root", "not a server's"),
}


@pytest.mark.parametrize("what", WARNED)
def test_what_is_odd_is_accepted_and_said(what: str, add: Any):
    make, chain, words = WARNED[what]
    texts = {"root": root().cert, "intermediate": intermediate().cert}
    row = add(make(), chain="".join(texts[each] for each in chain.split()))
    assert row.state == "active"
    assert any(words in each for each in row.status["warnings"]), row.status
    assert words in row.message
    operation = Operation.all_objects.get(kind="certificate")
    assert (
        list(OperationLine.objects.filter(operation=operation).values_list("text", flat=True)) == row.status["warnings"]
    )


def test_nothing_is_odd_about_a_self_signed_one_or_a_whole_chain(add: Any, self_signed: Issued):
    whole = add(intermediate().issue("a.example.org"), chain=intermediate().cert + root().cert)
    assert (add(self_signed, name="self").status["warnings"], whole.status["warnings"]) == ([], [])


def test_a_chain_that_begins_with_the_certificate_is_stored_without_it(add: Any):
    made = intermediate().issue("a.example.org")
    assert add(made, chain=made.cert + intermediate().cert).cert_chain == intermediate().cert


def test_nothing_is_made_of_a_refused_certificate(lab: Environment, actor_of: Any):
    with pytest.raises(Invalid):
        certificate_create(actor=actor_of("alice"), environment=lab, name="x", cert="x", key="x")
    assert not Certificate.all_objects.exists()
    assert not Operation.all_objects.filter(kind="certificate").exists()
