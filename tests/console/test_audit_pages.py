"""The audit log in the console: entries for every change, filters, export, single entries, verification."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from apps.control.audit.verify import verify
from apps.control.models import AuditEntry
from apps.control.services import record
from apps.environments.models import Environment
from apps.stacks.models import Stack

HX = {"HX-Request": "true"}


def newest(environment: Environment) -> AuditEntry:
    found = AuditEntry.objects.within([environment.pk]).order_by("-pk")[0]
    assert isinstance(found, AuditEntry)
    return found


def test_a_change_in_the_console_is_audited_with_its_response(browser_as: Any, at: Any, lab: Any, people: Any):
    browser_as("bob").post(at("stack-new"), {"name": "shop"}, headers=HX)
    entry = newest(lab)
    assert (entry.event, entry.code, entry.via, entry.account) == ("stack.create", "204", "console", people.bob)
    assert entry.response == {"message": "Stack shop was added."}
    assert verify(lab.pk).is_intact


@pytest.mark.parametrize(
    ("who", "page", "sent", "code", "event"),
    [
        ("bob", "stack-new", {"name": "a b"}, "422", "console.stack-new"),
        ("rita", "stack-new", {"name": "ok"}, "403", "console.stack-new"),
        (
            "bob",
            "policy",
            {"privileged": "on", "bindFolders": "/secret/place"},
            "403",
            "console.policy",
        ),
    ],
)
def test_a_refused_form_is_written_down_by_its_fields_alone(
    browser_as: Any, at: Any, lab: Any, people: Any, who: str, page: str, sent: Any, code: str, event: str
):
    browser_as(who).post(at(page), sent, headers=HX)
    entry = newest(lab)
    assert (entry.event, entry.code, entry.account) == (event, code, getattr(people, who))
    assert entry.request == {"fields": sorted(sent)}
    assert "/secret/place" not in json.dumps(entry.request)


def test_viewing_pages_and_trying_forms_out_leaves_no_entry(browser_as: Any, at: Any, lab: Any):
    before = AuditEntry.all_objects.count()
    client = browser_as("bob")
    client.get(at("stacks"))
    client.post(at("stack-check"), {"dockerCompose": "web: {image: x}"}, headers=HX)
    client.post(at("service-preview"), {"image": "x"}, headers=HX)
    browser_as("mallory").post(at("stack-new"), {"name": "x"}, headers=HX)
    assert AuditEntry.all_objects.count() == before


@pytest.fixture
def entries(lab: Environment, actor_of: Any) -> list[AuditEntry]:
    """Entries to filter: two of bob's from two addresses, one of rex's through the API."""
    shop = Stack(pk=41, name="shop")
    rows = [("bob", "console", "10.0.0.1", "alpha.one"), ("bob", "console", "10.0.0.2", "alpha.two")]
    rows.append(("rex", "api", "192.168.0.1", "beta.one"))
    return [
        record(event, actor=actor_of(who, via), row=shop, environment_id=lab.pk, address=address)
        for who, via, address, event in rows
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=rex", {"beta.one"}),
        ("q=shop", {"alpha.one", "alpha.two", "beta.one"}),
        ("event=alpha", {"alpha.one", "alpha.two"}),
        ("event=alpha&address=10.0.0.2", {"alpha.two"}),
        ("address=192.168", {"beta.one"}),
        ("kind=stack", {"alpha.one", "alpha.two", "beta.one"}),
        ("kind=host", set()),
        ("target=1e41", {"alpha.one", "alpha.two", "beta.one"}),
        ("target=41", {"alpha.one", "alpha.two", "beta.one"}),
        ("target=42", set()),
        ("via=api&q=shop", {"beta.one"}),
        ("auth=BasicAuth", set()),
        ("code=4", set()),
        ("target=nonsense&event=beta", {"beta.one"}),
    ],
)
def test_the_page_is_filtered(browser_as: Any, at: Any, entries: Any, query: str, expected: set[str]):
    page = browser_as("alice").get(f"{at('audit')}?{query}").content.decode()
    assert {event for event in ("alpha.one", "alpha.two", "beta.one") if f">{event}</a>" in page} == expected


def test_one_line_shows_its_request_and_its_answer(browser_as: Any, at: Any, lab: Any, entries: Any):
    browser_as("bob").post(at("stack-new"), {"name": "shop"}, headers=HX)
    page = browser_as("alice").get(at("audit-line", pk=newest(lab).pk)).content.decode()
    assert "Stack shop was added." in page
    assert "204" in page


@pytest.mark.parametrize("who", ["bob", "rex", "rita"])
@pytest.mark.parametrize("page", ["audit", "audit-check"])
def test_the_log_is_for_owners(browser_as: Any, at: Any, who: str, page: str):
    assert browser_as(who).get(at(page)).status_code == 403
    assert browser_as(who).get(f"{at(page)}?export=csv").status_code == 403


def test_lines_of_other_environments_are_not_there(browser_as: Any, at: Any, lab: Any, entries: Any, actor_of: Any):
    from apps.environments.services import environment_create

    den = environment_create(actor=actor_of("alice"), name="Den")
    elsewhere = reverse("console:audit-line", kwargs={"environment": den.pk, "pk": entries[0].pk})
    assert browser_as("alice").get(elsewhere).status_code == 404
    for page in ("audit-everywhere", "audit-check-anywhere"):
        assert browser_as("alice").get(reverse(f"console:{page}")).status_code == 404
    assert browser_as("alice").get(reverse("console:audit-line-anywhere", args=[entries[0].pk])).status_code == 404


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_owner_downloads_what_the_filters_leave(browser_as: Any, at: Any, entries: Any, kind: str):
    answer = browser_as("alice").get(f"{at('audit')}?event=alpha&export={kind}")
    text = b"".join(answer.streaming_content).decode()
    assert ("alpha.one" in text, "alpha.two" in text, "beta.one" in text) == (True, True, False)
    assert answer["Content-Disposition"] == f'attachment; filename="audit.{kind}"'
    assert answer["Cache-Control"] == "no-store"


def test_an_untouched_log_is_reported_intact_and_a_changed_entry_is_named(
    browser_as: Any, at: Any, lab: Any, entries: Any
):
    client = browser_as("alice")
    assert "entries, chain intact" in client.get(at("audit-check")).content.decode()
    AuditEntry.all_objects.filter(pk=entries[1].pk).update(event="alpha.three")
    page = client.get(at("audit-check")).content.decode()
    assert f"Line {entries[1].pk}" in page
    assert "was changed" in page


def test_an_administrator_verifies_every_chain(browser_as: Any, lab: Any, entries: Any):
    record("login", actor=None)
    url = reverse("console:audit-check-anywhere")
    root = browser_as("root")
    page = root.get(url).content.decode()
    assert "installation" in page
    assert f"{url}?chain={lab.pk}" in page
    assert "chain intact" in root.get(f"{url}?chain={lab.pk}").content.decode()
    assert "installation" in root.get(f"{url}?chain=0").content.decode()
    for wrong in ("999999", "-1", "x", "9" * 30):
        assert root.get(f"{url}?chain={wrong}").status_code == 404
