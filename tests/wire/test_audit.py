"""`auditLog` on the wire: request and answer, filters, files, and `auditVerification`."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from apps.control.audit.verify import verify
from apps.control.models import AuditEntry
from apps.control.services import record
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from tests.wire.api_client import http_client


def last_entry(environment: Environment, event: str) -> AuditEntry:
    found = AuditEntry.objects.within([environment.pk]).filter(event=event).order_by("-pk")[0]
    assert isinstance(found, AuditEntry)
    return found


def test_a_change_is_written_down_with_its_answer(api_of: Any, lab: Any, host: Any):
    api = api_of("bob").inside(lab)
    made = api.post("environments", {"name": "web"})
    entry = last_entry(lab, "stack.create")
    assert (entry.code, entry.response["id"], entry.via, entry.auth_type) == ("201", made["id"], "api", "BasicAuth")
    assert entry.key is not None
    [seen] = api.get("auditlogs?eventType=api.environment.create")["data"]
    assert (seen["responseCode"], json.loads(seen["responseObject"])["name"]) == ("201", "web")
    assert (seen["resourceType"], seen["resourceId"], seen["clientIp"]) == ("environment", made["id"], "127.0.0.1")
    assert verify(lab.pk).is_intact


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "event", "code"),
    [
        ("bob", "POST", "environments", {"name": "a b"}, "stack.create", "422"),
        ("bob", "POST", "containers", {"imageUuid": "docker:x", "privileged": True}, "container.create", "422"),
        ("rita", "POST", "environments", {"name": "web"}, "stack.create", "405"),
        ("bob", "POST", "hostpolicies", {"privileged": True}, "hostPolicy.create", "405"),
    ],
)
def test_a_refused_change_is_written_down_too(
    api_of: Any, people: Any, lab: Any, who: str, method: str, path: str, body: Any, event: str, code: str
):
    answer = api_of(who).inside(lab).call(method, path, body)
    entry = last_entry(lab, event)
    assert (entry.code, str(answer.status)) == (code, code)
    assert (entry.account, entry.response["message"]) == (getattr(people, who), answer["message"])
    assert entry.request == body
    assert verify(lab.pk).is_intact


def test_reads_and_requests_for_missing_rows_are_not_audited(api_of: Any, lab: Any):
    api = api_of("bob").inside(lab)
    before = AuditEntry.all_objects.count()
    for path in ("containers", "containers/1i99999", "auditlogs"):
        api.get(path)
    api.post("containers/1i99999?action=start", {})
    api.post("nothings", {})
    assert AuditEntry.all_objects.count() == before


def test_nobody_leaves_no_line_however_often_they_try(api_of: Any, lab: Any):
    before = AuditEntry.all_objects.count()
    for _ in range(3):
        assert api_of("nobody").post("containers", {}).status == 401
    assert AuditEntry.all_objects.count() == before


def test_one_request_that_makes_several_things_answers_for_all_of_them(api_of: Any, lab: Any, host: Any):
    text = "a:\n  image: sim/x\nb:\n  image: sim/x\n"
    assert api_of("bob").inside(lab).post("environments", {"name": "two", "dockerCompose": text}).status == 201
    rows = list(AuditEntry.objects.within([lab.pk]).filter(via="api", code="201").order_by("pk"))
    assert [row.event for row in rows][-3:] == ["stack.create", "service.create", "service.create"]
    assert [bool(row.response) for row in rows][-3:] == [True, False, False]
    assert verify(lab.pk).is_intact


def test_the_secret_of_a_new_key_is_in_the_answer_and_not_in_the_log(api_of: Any, lab: Any):
    made = api_of("alice").inside(lab).post("apikeys", {"name": "ci"})
    secret = made["secretValue"]
    assert len(secret) == 40
    audit_entries = json.dumps(list(AuditEntry.all_objects.values("request", "response", "event")))
    assert secret not in audit_entries
    assert "********" in audit_entries


FILTERS = [
    ("eventType=api.host.create", 2),
    ("eventType_like=%25host%25", 2),
    ("eventType_prefix=api.host", 2),
    ("eventType_ne=api.host.create", None),
    ("resourceType=host", 2),
    ("resourceType=host&resourceId=1h7", 1),
    ("resourceId=1h7", 1),
    ("resourceId=7", 1),
    ("resourceId=nonsense", 0),
    ("clientIp=10.0.0.1", 1),
    ("clientIp_prefix=10.", 2),
    ("authType=BasicAuth&eventType=api.host.create", 0),
    ("created_lt=2001-01-01T00:00:00Z", 0),
    ("created_gt=2001-01-01T00:00:00Z&resourceType=host", 2),
    ("description_like=%25seven%25", 1),
    ("responseCode_null=1&resourceType=host", 0),
    ("via=console", 2),
    ("unknown=1&resourceType=host", 2),
]


@pytest.fixture
def audit_entries(lab: Environment, people: Any) -> None:
    """Two lines about hosts, from two addresses."""
    from apps.hosts.models import Host

    actor = actor_of_user(people.bob, "console")
    for key, name, address in ((7, "seven", "10.0.0.1"), (8, "eight", "10.0.0.2")):
        record("host.create", actor=actor, row=Host(pk=key, name=name), environment_id=lab.pk, address=address)


@pytest.mark.parametrize(("query", "count"), FILTERS)
def test_the_log_is_filtered_by_what_v1_knows(
    api_of: Any, lab: Any, audit_entries: None, query: str, count: int | None
):
    found = api_of("alice").inside(lab).get(f"auditlogs?{query}")
    assert found.status == 200
    if count is not None:
        assert len(found["data"]) == count
    else:
        assert "api.host.create" not in {each["eventType"] for each in found["data"]}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_log_is_sorted_by_when_and_by_what(api_of: Any, lab: Any, audit_entries: None, order: str):
    api = api_of("alice").inside(lab)
    for field in ("created", "eventType", "clientIp", "number"):
        found = [each[field] or "" for each in api.get(f"auditlogs?sort={field}&order={order}")["data"]]
        assert found == sorted(found, reverse=order == "desc"), field


def _download(api: Any, path: str) -> Any:
    """What a download streams."""
    import base64

    key = "Basic " + base64.b64encode(api.key.encode()).decode()
    return http_client.get(
        f"/v1/projects/{api.project}/{path}" if api.project else f"/v1/{path}", headers={"Authorization": key}
    )


def test_an_owner_takes_the_log_away_as_csv(api_of: Any, lab: Any, audit_entries: None):
    answer = _download(api_of("alice").inside(lab), "auditlogs?export=csv&resourceType=host")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["targetName"], row["login"], row["address"]) for row in rows] == [
        ("seven", "bob", "10.0.0.1"),
        ("eight", "bob", "10.0.0.2"),
    ]
    assert all(len(row["digest"]) == 64 for row in rows)


def test_the_log_as_json_lines_is_one_object_a_line(api_of: Any, lab: Any, audit_entries: None):
    answer = _download(api_of("alice").inside(lab), "auditlogs?export=jsonl")
    found = [json.loads(line) for line in b"".join(answer.streaming_content).decode().splitlines()]
    assert [each["number"] for each in found] == sorted(each["number"] for each in found)
    assert {each["environment"] for each in found} == {wire_id("a", lab.pk)}


def test_a_cell_that_a_spreadsheet_would_run_is_made_a_text(api_of: Any, lab: Any, people: Any):
    from apps.hosts.models import Host

    evil = Host(pk=9, name='=HYPERLINK("http://evil")')
    record("host.create", actor=actor_of_user(people.bob, "api"), row=evil, environment_id=lab.pk)
    answer = _download(api_of("alice").inside(lab), "auditlogs?export=csv&resourceId=1h9")
    [row] = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert row["targetName"].startswith("'=")


@pytest.mark.parametrize("who", ["bob", "rex", "rita"])
def test_only_owners_and_administrators_take_the_log_away(api_of: Any, lab: Any, who: str):
    assert api_of(who).inside(lab).get("auditlogs?export=csv").status == 403
    assert api_of(who).get("auditlogs?export=csv").status == 403


def test_an_unknown_kind_of_file_is_refused(api_of: Any, lab: Any):
    refused = api_of("alice").inside(lab).get("auditlogs?export=pdf")
    assert (refused.status, refused["fieldName"]) == (422, "export")


def test_an_administrator_takes_everything_away(api_of: Any, lab: Any, audit_entries: None):
    record("login", actor=None, request={"login": "x"})
    answer = _download(api_of("root"), "auditlogs?export=jsonl")
    events = {json.loads(line)["event"] for line in b"".join(answer.streaming_content).decode().splitlines()}
    assert {"login", "host.create"} <= events


def test_a_chain_is_verified_by_asking_for_it(api_of: Any, lab: Any, audit_entries: None):
    alice = api_of("alice").inside(lab)
    [named] = alice.get("auditverifications")["data"]
    assert (named["name"], named["whole"], named["accountId"]) == ("Lab", None, wire_id("a", lab.pk))
    found = alice.get(f"auditverifications/{named['id']}")
    assert (found["whole"], found["faults"]) == (True, [])
    assert len(found["end"]) == 64
    victim = last_entry(lab, "host.create")
    AuditEntry.all_objects.filter(pk=victim.pk).update(address="6.6.6.6")
    broken = alice.get(f"auditverifications/{named['id']}")
    assert broken["whole"] is False
    assert broken["faults"] == [{"auditLogId": wire_id("al", victim.pk), "what": "was changed"}]


@pytest.mark.parametrize("who", ["bob", "rex", "rita", "mallory"])
def test_others_verify_nothing(api_of: Any, lab: Any, who: str):
    api = api_of(who)
    assert api.get(f"auditverifications/{wire_id('av', lab.pk)}").status == 404
    assert api.get(f"auditverifications/{wire_id('av', 0)}").status == 404
    assert api.inside(lab).get("auditverifications").status in {404, 405}


def test_an_administrator_verifies_the_installations_own_chain(api_of: Any, lab: Any):
    record("login", actor=None)
    root = api_of("root")
    assert {"installation", "Lab"} <= {each["name"] for each in root.get("auditverifications")["data"]}
    assert root.get(f"auditverifications/{wire_id('av', 0)}")["whole"] is True
