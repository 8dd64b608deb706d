"""The pages of certificates: list, form by paste or file, detail, renewal, removal, and the warning on the overview."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core.hooks import hooks
from apps.environments.models import Environment
from apps.stacks.models import Service
from apps.vault.models import Certificate
from apps.vault.services import certificate_create
from tests.console.page_costs import queries
from tests.vault.issuing import Issued, intermediate, issue, root

SHOP = intermediate().issue("shop.example.org", names=["shop.example.org", "www.example.org"])
FORM = {"name": "shop", "description": "", "cert": SHOP.cert, "key": SHOP.key_text, "certChain": intermediate().cert}
CRLF = {name: text.replace("\n", "\r\n") for name, text in FORM.items()}  # as browsers send text areas
HTMX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}


@pytest.fixture
def add(lab: Environment, actor_of: Any, run_loop: Any) -> Any:
    def add(name: str, made: Issued, chain: str = "") -> Certificate:
        row = certificate_create(
            actor=actor_of("alice"), environment=lab, name=name, cert=made.cert, key=made.key_text, cert_chain=chain
        )
        run_loop()
        row.refresh_from_db()
        return row

    return add


@pytest.fixture
def certificate(add: Any) -> Certificate:
    found: Certificate = add("shop", SHOP, intermediate().cert)
    return found


def test_a_certificate_is_added_by_pasting(browser_as: Any, at: Any, run_loop: Any):
    client = browser_as("bob")
    assert "No certificates yet" in client.get(at("certificates")).content.decode()
    answer = client.post(at("certificate-new"), CRLF)
    row = Certificate.all_objects.get()
    assert (answer.status_code, answer["Location"]) == (302, at("certificate", pk=row.pk))
    assert (row.cert, row.cert_chain, row.key) == (SHOP.cert, intermediate().cert, SHOP.key_text)
    run_loop()
    text = client.get(at("certificate", pk=row.pk)).content.decode()
    for shown in (
        "shop.example.org, www.example.org",
        "CN=Intermediate of tests",
        row.fingerprint,
        "256 bits",
        "in 2 mo",
    ):
        assert shown in text
    assert SHOP.key_text.splitlines()[1] not in text


def test_a_certificate_is_added_from_files(browser_as: Any, at: Any):
    texts = {"cert": SHOP.cert, "key": SHOP.key_text, "certChain": intermediate().cert}
    files = {f"{name}File": SimpleUploadedFile(f"{name}.pem", text.encode()) for name, text in texts.items()}
    assert browser_as("bob").post(at("certificate-new"), {"name": "shop", **files}).status_code == 302
    assert Certificate.all_objects.get().cert_chain == intermediate().cert


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": " "}, "name", "Give the certificate a name"),
        ({"cert": ""}, "cert", "is no PEM"),
        ({"key": root().key_text}, "key", "their public keys differ"),
        ({"certChain": "x"}, "certChain", "leave it empty"),
        ({"cert": "", "certFile": SimpleUploadedFile("cert.der", b"\x30\x82\xff")}, "cert", "openssl x509 -inform der"),
    ],
)
def test_a_refusal_stands_at_its_field_and_repeats_no_key(
    change: dict[str, Any], field: str, words: str, browser_as: Any, at: Any
):
    answer = browser_as("alice").post(at("certificate-new"), {**FORM, **change}, headers=HTMX)
    text = answer.content.decode()
    assert (answer.status_code, list(answer.context["errors"])) == (422, [field])
    assert words in answer.context["errors"][field]
    assert "PRIVATE KEY-----\n" not in text
    assert not Certificate.all_objects.exists()


def test_a_certificate_is_renewed_and_keeps_its_key_where_none_is_typed(
    browser_as: Any, at: Any, certificate: Certificate
):
    client, path = browser_as("alice"), at("certificate-edit", pk=certificate.pk)
    basis = client.get(path).context["edit"].basis
    renewed = intermediate().issue("shop.example.org", days=400)
    sent = {**CRLF, "key": "", "cert": renewed.cert, "based_on": basis}
    assert client.post(path, sent, headers=HTMX).status_code == 204
    certificate.refresh_from_db()
    assert (certificate.cert, certificate.key) == (renewed.cert, SHOP.key_text)
    assert certificate.cert_chain == intermediate().cert


def test_saving_what_is_there_changes_nothing(browser_as: Any, at: Any, certificate: Certificate):
    client, path = browser_as("alice"), at("certificate-edit", pk=certificate.pk)
    basis = client.get(path).context["edit"].basis
    assert client.post(path, {**CRLF, "key": "", "based_on": basis}, headers=HTMX).status_code == 204
    certificate.refresh_from_db()
    assert certificate.generation == 1


def test_who_was_overtaken_sees_both_certificates_and_no_key(browser_as: Any, at: Any, certificate: Certificate):
    client, path = browser_as("alice"), at("certificate-edit", pk=certificate.pk)
    basis = client.get(path).context["edit"].basis
    mine, theirs = root().issue("mine.example.org", kind="p384"), root().issue("theirs.example.org", kind="p384")
    for each, status in ((theirs, 204), (mine, 412)):
        sent = {**FORM, "cert": each.cert, "key": each.key_text, "certChain": "", "based_on": basis}
        answer = client.post(path, sent, headers=HTMX)
        assert answer.status_code == status
    shown = {each.name: (each.theirs, each.mine) for each in answer.context["edit"].conflicts}
    assert shown == {"cert": (theirs.cert, mine.cert)}
    text = answer.content.decode()
    assert not [key for key in (SHOP, mine, theirs) if key.key_text.splitlines()[1] in text]


def test_what_somebody_else_renamed_is_no_conflict_for_a_renewal(browser_as: Any, at: Any, certificate: Certificate):
    client, path = browser_as("alice"), at("certificate-edit", pk=certificate.pk)
    basis = client.get(path).context["edit"].basis
    assert (
        client.post(path, {**CRLF, "key": "", "description": "theirs", "based_on": basis}, headers=HTMX).status_code
        == 204
    )
    renewed = intermediate().issue("shop.example.org", days=400)
    assert (
        client.post(path, {**CRLF, "key": "", "cert": renewed.cert, "based_on": basis}, headers=HTMX).status_code == 204
    )
    certificate.refresh_from_db()
    assert (certificate.description, certificate.cert) == ("theirs", renewed.cert)


def test_a_certificate_is_deleted_unless_something_serves_with_it(
    browser_as: Any, at: Any, certificate: Certificate, web: Service, monkeypatch: Any
):
    client, path = browser_as("alice"), at("certificate-remove", pk=certificate.pk)
    monkeypatch.setattr(hooks, "certificate_users", [lambda keys: {certificate.pk: [web]}])
    asked = client.get(path).content.decode()
    assert "These still serve with it:" in asked
    assert "<li>web</li>" in asked
    assert 'title="Give them another certificate first."' in asked
    assert client.post(path, headers=HTMX).status_code == 422
    for name, keys in (("certificates", {}), ("certificate", {"pk": certificate.pk})):
        assert f'href="{at("service", pk=web.pk)}"' in client.get(at(name, **keys)).content.decode()
    monkeypatch.setattr(hooks, "certificate_users", [])
    assert "nobody can get it back" in client.get(path).content.decode()
    assert client.post(path).status_code == 302
    certificate.refresh_from_db()
    assert certificate.display_state == "removing"


def test_the_most_urgent_certificate_comes_first_and_is_marked(browser_as: Any, at: Any, add: Any):
    for days in (80, 5, -2):
        add(f"{days} days", issue(f"d{days}.example.org", begins=-9, days=days))
    client = browser_as("rita")
    page = client.get(at("certificates"))
    assert [row.name for row in page.context["page"].rows] == ["-2 days", "5 days", "80 days"]
    text = page.content.decode()
    assert (text.count('class="state is-bad"'), text.count(">2 d ago<"), text.count("in 4 d")) == (3, 1, 1)
    found = client.get(at("certificates") + "?q=d80").context["page"].rows
    assert [row.name for row in found] == ["80 days"]
    assert client.get(at("certificates") + "?sort=-expires").context["page"].rows[0].name == "80 days"


def test_the_overview_names_what_expires_soon(browser_as: Any, add: Any):
    add("calm", issue("calm.example.org", days=80))
    row = add("urgent", issue("urgent.example.org", days=5))
    client = browser_as("rita")
    failing = [found for found, _name in client.get("/", headers=BROWSER).context["failing"]]
    assert failing == [row]
    assert "It expires on" in client.get("/", headers=BROWSER).content.decode()
    assert list(browser_as("mallory").get("/", headers=BROWSER).context["failing"]) == []


def test_what_is_odd_stands_on_its_page(browser_as: Any, at: Any, add: Any):
    row = add("odd", intermediate().issue("a.example.org"), root().cert)
    text = browser_as("rita").get(at("certificate", pk=row.pk)).content.decode()
    assert "The chain lacks" in text


def test_readers_see_certificates_and_others_do_not(browser_as: Any, at: Any, certificate: Certificate):
    pages = [at("certificates"), *(at(name, pk=certificate.pk) for name in ("certificate", "certificate-remove"))]
    forms = [at("certificate-new"), at("certificate-order"), at("certificate-edit", pk=certificate.pk)]
    rita, mallory = browser_as("rita"), browser_as("mallory")
    assert [rita.get(path).status_code for path in pages + forms] == [200, 200, 200, 403, 403, 403]
    assert {mallory.get(path).status_code for path in pages + forms} == {404}
    assert [rita.post(path, FORM, headers=HTMX).status_code for path in (*forms, pages[2])] == [403, 403, 403, 403]
    certificate.refresh_from_db()
    assert certificate.generation == 1


def test_more_certificates_take_no_more_queries_and_no_key_is_opened(
    browser_as: Any, at: Any, certificate: Certificate, add: Any, monkeypatch: Any
):
    client = browser_as("rita")
    client.get(at("certificates"))
    before = queries(client, at("certificates")), queries(client, "/", **BROWSER)
    for number in range(4):
        add(f"more-{number}", issue(f"more-{number}.example.org", days=9))
    monkeypatch.setattr("apps.core.encrypted.decrypt", lambda _token: 1 / 0)
    assert (queries(client, at("certificates")), queries(client, "/", **BROWSER)) == before
    assert client.get(at("certificate", pk=certificate.pk)).status_code == 200


def test_certificates_are_found_by_name_and_domain(browser_as: Any, at: Any, certificate: Certificate):
    hits = browser_as("rita").get(at("find") + "?q=shop.example").context["hits"]
    assert [(each.title, each.url) for each in hits] == [("shop", at("certificate", pk=certificate.pk))]


def test_a_certificate_is_ordered_by_host_names(browser_as: Any, at: Any):
    client, path = browser_as("bob"), at("certificate-order")
    refused = client.post(path, {"names": "*.example.org"}, headers=HTMX)
    assert (refused.status_code, "wildcard" in refused.context["errors"]["names"]) == (422, True)
    sent = {"names": "shop.example.org\r\nwww.example.org", "email": "ops@example.org"}
    assert client.post(path, sent).status_code == 302
    row = Certificate.all_objects.get()
    assert (row.name, row.acme["names"]) == ("shop.example.org", ["shop.example.org", "www.example.org"])
    shown = client.get(at("certificate", pk=row.pk)).content.decode()
    assert "by itself, from its authority" in shown
    edit = at("certificate-edit", pk=row.pk)
    assert 'name="cert"' not in client.get(edit).content.decode()
    assert client.post(edit, {"name": "ours", "description": "x"}, headers=HTMX).status_code == 204
    row.refresh_from_db()
    assert row.name == "ours"
