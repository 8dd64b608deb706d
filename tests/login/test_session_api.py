"""Sessions and passwords over the API: the same services, the same refusals."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Session
from apps.accounts.services import key_create
from apps.environments.services import environment_key_create

PASSWORD = "correct horse battery staple"
NEW = "another quite long phrase"


def test_one_sees_one_s_own_sessions(people: Any, program: Any, browser: Any):
    alice, _bob = program("alice"), program("bob")
    browser("alice")
    rows = alice.get("loginSessions").body["data"]
    assert sorted((row["via"], row["current"]) for row in rows) == [("api", True), ("console", False)]
    row = next(row for row in rows if row["current"])
    assert row["accountId"] == f"1a{people.alice.pk}"
    assert (row["agent"], row["address"], row["provider"]) == ("cli/1", "127.0.0.1", "local")
    assert row["expiresTS"] > row["createdTS"]
    assert not {"digest", "data"} & set(row)


def test_an_administrator_sees_all_and_can_filter(people: Any, program: Any):
    root, _alice, _bob = program("root"), program("alice"), program("bob")
    assert len(root.get("loginsessions").body["data"]) == 3
    mine = root.get(f"loginsessions?accountId=1a{people.bob.pk}").body["data"]
    assert [row["accountId"] for row in mine] == [f"1a{people.bob.pk}"]


def test_deleting_a_session_logs_it_out(people: Any, program: Any, browser: Any, is_in: Any):
    alice, client = program("alice"), browser("alice")
    row = next(row for row in alice.get("loginsessions").body["data"] if row["via"] == "console")
    assert alice.delete(f"loginsessions/{row['id']}").status == 200
    assert not is_in(client)
    assert alice.get(f"loginsessions/{row['id']}").status == 404


def test_a_program_logs_itself_out(people: Any, program: Any):
    alice = program("alice")
    row = alice.get("loginsessions").body["data"][0]
    alice.delete(f"loginsessions/{row['id']}")
    assert alice.get("projects").status == 401


def test_another_s_session_is_not_there(people: Any, program: Any):
    alice, bob = program("alice"), program("bob")
    theirs = bob.get("loginsessions").body["data"][0]["id"]
    assert alice.get(f"loginsessions/{theirs}").status == 404
    assert alice.delete(f"loginsessions/{theirs}").status == 404
    assert bob.get("projects").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_sessions_are_not_made_or_changed_by_hand(people: Any, program: Any, method: str):
    alice = program("alice")
    row = alice.get("loginsessions").body["data"][0]["id"]
    path = "loginsessions" if method == "POST" else f"loginsessions/{row}"
    assert alice.call(method, path, {"accountId": "1a1"}).status == 405


def test_an_environment_s_key_has_no_sessions_and_no_password(
    people: Any, program: Any, lab: Any, actor_of: Any, nobody: Any, run_loop: Any
):
    program("alice")
    made = environment_key_create(actor=actor_of("alice"), environment=lab, name="ci")
    run_loop()
    headers = basic(made)
    assert nobody.get("loginsessions", **headers).body["data"] == []
    assert nobody.get("passwords", **headers).body["data"] == []
    row = Session.objects.get()
    assert nobody.call("DELETE", f"loginsessions/1ls{row.pk}", **headers).status == 404
    assert nobody.get(f"passwords/1p{people.alice.pk}", **headers).status == 404


def basic(made: Any) -> dict[str, str]:
    import base64

    pair = f"{made.key.public_value}:{made.secret}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def test_an_account_s_key_sees_its_account_s_sessions(
    people: Any, program: Any, actor_of: Any, nobody: Any, run_loop: Any
):
    program("alice")
    made = key_create(actor=actor_of("alice"), account=people.alice)
    run_loop()
    rows = nobody.get("loginsessions", **basic(made)).body["data"]
    assert [row["current"] for row in rows] == [False]


def test_one_changes_one_s_own_password(people: Any, program: Any, browser: Any, is_in: Any):
    bob, client = program("bob"), browser("bob")
    row = bob.get("passwords").body["data"][0]
    assert (row["publicValue"], row["secretValue"], row["state"]) == ("bob", None, "active")
    answer = bob.post(f"passwords/{row['id']}/?action=changesecret", {"oldSecret": PASSWORD, "newSecret": NEW})
    assert answer.status == 202
    assert not is_in(client)
    assert bob.get("projects").status == 401
    assert program("bob", NEW).get("projects").status == 200


@pytest.mark.parametrize(
    ("old", "new", "status", "field", "code"),
    [
        ("wrong", NEW, 422, "oldSecret", "InvalidFormat"),
        (PASSWORD, "short", 422, "newSecret", "InvalidFormat"),
        (PASSWORD, PASSWORD, 422, "newSecret", "InvalidFormat"),
        (None, NEW, 422, "oldSecret", "MissingRequired"),
        (PASSWORD, None, 422, "newSecret", "MissingRequired"),
        (PASSWORD, 5, 422, "newSecret", "InvalidFormat"),
    ],
)
def test_a_bad_change_is_refused_at_its_field(
    people: Any, program: Any, old: Any, new: Any, status: int, field: str, code: str
):
    bob = program("bob")
    answer = bob.post(f"passwords/1p{people.bob.pk}/?action=changesecret", {"oldSecret": old, "newSecret": new})
    assert (answer.status, answer.body["fieldName"], answer.body["code"]) == (status, field, code)
    assert bob.get("projects").status == 200


def test_another_s_password_is_not_there_to_be_changed(people: Any, program: Any):
    answer = program("alice").post(
        f"passwords/1p{people.bob.pk}/?action=changesecret", {"oldSecret": PASSWORD, "newSecret": NEW}
    )
    assert answer.status == 404


def test_an_administrator_sees_who_has_a_password_but_does_not_change_it_as_they_would(people: Any, program: Any):
    root = program("root")
    rows = {row["publicValue"]: row for row in root.get("passwords").body["data"]}
    assert {"alice", "bob", "root"} <= set(rows)
    assert set(rows["bob"]["actions"]) == set()
    assert set(rows["root"]["actions"]) == {"changesecret"}
    answer = root.post(f"passwords/{rows['bob']['id']}/?action=changesecret", {"oldSecret": PASSWORD, "newSecret": NEW})
    assert (answer.status, answer.body["code"]) == (422, "ActionNotAvailable")


@pytest.mark.parametrize("by", ["accountId", "publicValue"])
def test_an_administrator_gives_an_account_a_password(people: Any, program: Any, by: str):
    root, bob = program("root"), program("bob")
    who = {"accountId": f"1a{people.bob.pk}"} if by == "accountId" else {"publicValue": "BOB"}
    answer = root.post("passwords", {**who, "secretValue": NEW})
    assert (answer.status, answer.body["secretValue"]) == (201, None)
    assert bob.get("projects").status == 401
    assert program("bob", NEW).get("projects").status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"secretValue": NEW}, "accountId"),
        ({"accountId": "1a999999", "secretValue": NEW}, "accountId"),
        ({"publicValue": "nobody", "secretValue": NEW}, "accountId"),
        ({"publicValue": "bob"}, "secretValue"),
        ({"publicValue": "bob", "secretValue": "short"}, "secretValue"),
    ],
)
def test_a_password_that_cannot_be_given_is_refused_at_its_field(
    people: Any, program: Any, body: dict[str, str], field: str
):
    answer = program("root").post("passwords", body)
    assert (answer.status, answer.body["fieldName"]) == (422, field)


def test_only_administrators_give_passwords(people: Any, program: Any):
    answer = program("bob").post("passwords", {"publicValue": "alice", "secretValue": NEW})
    assert answer.status == 405
