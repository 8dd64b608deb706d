"""The pages of roles, key limits, member search and effective access."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.claims import IdentityClaim
from apps.accounts.models import ApiKey
from apps.accounts.providers.search import IdentitySearchResult
from apps.console.components.revocation_summary import describe_revoked
from apps.core.result import RevokedCounts
from apps.environments.models import Environment, Member, Role
from apps.environments.roles import ROLES
from apps.environments.services import (
    environment_create,
    environment_key_create,
    role_create,
    socket_register,
)

HX = {"HX-Request": "true"}


def toast(answer: Any) -> str:
    return str(json.loads(answer["HX-Trigger"])["corral:toast"]["text"])


@pytest.fixture
def runner(actor_of: Any) -> Role:
    """A custom role that may view and open shells."""
    return role_create(actor=actor_of("root"), name="runner", permissions=["exec"])


def test_an_admin_makes_changes_and_deletes_a_role(browser_as: Any):
    client = browser_as("root")
    answer = client.post("/admin/roles/new", {"name": "runner", "label": "Runner", "permissions": ["exec"]}, headers=HX)
    role = Role.objects.get()
    assert (answer.status_code, role.permissions, role.label) == (204, ["view", "exec"], "Runner")
    client.post(f"/admin/roles/{role.pk}/edit", {"label": "R", "permissions": ["logs", "values"]}, headers=HX)
    role.refresh_from_db()
    assert (role.permissions, role.label) == (["view", "logs", "values"], "R")
    page = client.get("/admin/roles").content.decode()
    assert "runner" in page
    assert "built in" in page
    assert client.post(f"/admin/roles/{role.pk}/remove", headers=HX).status_code == 204
    assert not Role.objects.exists()
    assert client.get(f"/admin/roles/{role.pk}/edit").status_code == 404


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "mallory"])
@pytest.mark.parametrize("path", ["", "/new", "/{pk}/edit", "/{pk}/remove"])
def test_roles_are_not_there_for_others(who: str, path: str, browser_as: Any, runner: Role):
    client, url = browser_as(who), f"/admin/roles{path.format(pk=runner.pk)}"
    assert client.get(url).status_code == 404
    assert client.post(url, {"name": "x1", "permissions": ["own"]}).status_code == 404
    assert Role.objects.get().permissions == ["view", "exec"]
    assert b"/admin/roles" not in client.get("/environments").content


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "owner"}, "is taken"),
        ({"name": "No Good"}, "small letters"),
        ({"name": "x1", "permissions": ["fly"]}, "There is no permission"),
        ({"name": "x1", "label": "x" * 65}, "at most 64"),
    ],
)
def test_a_bad_role_is_refused_beside_its_field(browser_as: Any, data: Any, words: str):
    answer = browser_as("root").post("/admin/roles/new", data, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_a_role_in_use_asks_what_comes_in_its_place(browser_as: Any, lab: Environment, runner: Role, people: Any):
    owner = browser_as("alice")
    owner.post(f"/environments/{lab.pk}/members/{people.bob.pk}", {"role": "runner"}, headers=HX)
    client = browser_as("root")
    page = client.get(f"/admin/roles/{runner.pk}/remove").content.decode()
    assert "Assigned to members: 1, keys: 0, CI trust rules: 0." in page
    refused = client.post(f"/admin/roles/{runner.pk}/remove", headers=HX)
    assert (refused.status_code, b"say which role replaces it" in refused.content) == (422, True)
    done = client.post(f"/admin/roles/{runner.pk}/remove", {"replacement": "readonly"}, headers=HX)
    assert done.status_code == 204
    assert Member.objects.get(environment=lab, account=people.bob).role == "readonly"


def test_a_custom_role_decides_over_buttons_and_pages(
    browser_as: Any, at: Any, lab: Environment, container: Any, runner: Role, people: Any
):
    browser_as("alice").post(f"/environments/{lab.pk}/members/{people.bob.pk}", {"role": "runner"}, headers=HX)
    client = browser_as("bob")
    assert client.get(at("container-shell", pk=container.pk)).status_code == 200
    page = client.get(at("container", pk=container.pk)).content.decode()
    assert "Your role here (runner) may not do this: it lacks the permission" in page
    assert client.post(at("container-do", pk=container.pk, action="stop"), headers=HX).status_code == 403
    assert client.post(at("key-new"), {"name": "x"}, headers=HX).status_code == 403
    assert "s3cret-value" not in page


def test_who_may_operate_but_not_see_values_finds_them_in_no_form(
    browser_as: Any, at: Any, lab: Environment, web: Any, container: Any, people: Any, actor_of: Any
):
    role_create(actor=actor_of("root"), name="ops", permissions=["operate", "delete", "exec", "logs"])
    browser_as("alice").post(f"/environments/{lab.pk}/members/{people.bob.pk}", {"role": "ops"}, headers=HX)
    client, owner = browser_as("bob"), browser_as("alice")
    pages = [at(name, pk=web.pk) for name in ("service-clone", "service-edit", "service")]
    pages += [at(name, pk=container.pk) for name in ("container", "container-edit")]
    pages += [at(name, pk=web.stack_id) for name in ("stack-compose", "stack-edit")]
    for page in pages:
        assert b"s3cret-value" not in client.get(page).content, page
    assert b"s3cret-value" in owner.get(at("stack-compose", pk=web.stack_id)).content


@pytest.mark.parametrize("role", ["owner", "runner", "readonly"])
def test_members_get_any_role_there_is(browser_as: Any, lab: Environment, runner: Role, people: Any, role: str):
    client = browser_as("alice")
    client.post(f"/environments/{lab.pk}/members", {"login": "mallory", "role": role}, headers=HX)
    assert Member.objects.get(environment=lab, account=people.mallory).role == role
    assert b"<option >runner</option>" in re.sub(rb"\s+>", b" >", client.get(f"/environments/{lab.pk}").content)


def test_a_toast_says_what_a_change_took(browser_as: Any, lab: Environment, people: Any, actor_of: Any):
    environment_key_create(actor=actor_of("bob"), environment=lab)
    for permission in ("logs", "exec"):
        socket_register(account=people.bob.pk, environment=lab.pk, verb="x", permission=permission)
    answer = browser_as("alice").post(f"/environments/{lab.pk}/members/{people.bob.pk}/remove", headers=HX)
    assert toast(answer) == "Saved. Closed 2 sockets. 1 key lost rights."


def test_putting_an_account_out_says_what_it_took(browser_as: Any, people: Any):
    browser_as("bob")
    answer = browser_as("root").post(f"/admin/accounts/{people.bob.pk}/do/deactivate", headers=HX)
    assert toast(answer) == "Done. Closed 1 session."


@pytest.mark.parametrize(
    ("revoked_counts", "words"),
    [
        ([], ""),
        ([RevokedCounts()], ""),
        ([RevokedCounts(1), RevokedCounts(1)], "Closed 2 sockets."),
        ([RevokedCounts(0, 1)], "Closed 1 session."),
        ([RevokedCounts(1, 2, 3)], "Closed 1 socket, 2 sessions. 3 keys lost rights."),
        ([RevokedCounts(keys=1)], "1 key lost rights."),
    ],
)
def test_revoked_counts_are_described_in_words(revoked_counts: list[RevokedCounts], words: str):
    assert describe_revoked(revoked_counts) == words


def test_a_key_is_made_with_limits_and_listed_with_them(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("bob")
    sent = {"name": "ci", "role": "readonly", "expires": "30", "addresses": "10.0.0.0/8, 2001:db8::1"}
    page = client.post(at("key-new"), sent, headers=HX)
    key = ApiKey.objects.get(name="ci")
    assert f"curl -u {key.public_value} http://testserver/v1/projects/1a{lab.pk}/containers" in page.content.decode()
    assert key.addresses == ["10.0.0.0/8", "2001:db8::1/128"]
    assert key.expires is not None
    assert timedelta(days=29) < key.expires - timezone.now() < timedelta(days=31)
    page_text = client.get(at("keys")).content.decode()
    assert f"{key.expires:%Y-%m-%d %H:%M}" in page_text
    assert "10.0.0.0/8 2001:db8::1/128" in page_text
    ApiKey.objects.update(
        expires=timezone.now() - timedelta(seconds=1), last_address="10.1.1.1", last_used=timezone.now()
    )
    page_text = client.get(at("keys")).content.decode()
    assert "expired" in page_text
    assert "10.1.1.1" in page_text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"role": "owner"}, "may do more than you"),
        ({"role": "king"}, "There is no role"),
        ({"expires": "at"}, "Enter a time"),
        ({"expires": "at", "until": "2001-01-01T00:00"}, "cannot expire in the past"),
        ({"expires": "at", "until": "soon"}, "is not a valid time"),
        ({"expires": "12"}, "Choose one of the time spans"),
        ({"addresses": "here"}, "is not an address or network"),
        ({"name": "x" * 256}, "at most 255"),
    ],
)
def test_wrong_limits_are_refused_beside_their_field(browser_as: Any, at: Any, sent: Any, words: str):
    answer = browser_as("bob").post(at("key-new"), sent, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_a_time_of_ones_own_is_utc(browser_as: Any):
    browser_as("bob").post("/account/keys/new", {"name": "k", "expires": "at", "until": "2099-05-01T12:30"}, headers=HX)
    key = ApiKey.objects.get(name="k")
    assert key.expires is not None
    assert key.expires.isoformat() == "2099-05-01T12:30:00+00:00"


def test_only_roles_within_ones_own_are_offered(browser_as: Any, at: Any, runner: Role):
    page = browser_as("rex").get(at("key-new")).content.decode()
    assert "yours (restricted)" in page
    assert [each for each in ("owner", "member", "restricted", "readonly", "runner") if f'value="{each}"' in page] == [
        "restricted",
        "readonly",
        "runner",
    ]


@pytest.mark.parametrize(
    ("who", "status", "names"),
    [
        ("alice", 200, {"Alice", "Bob", "Rex", "Rita"}),
        ("bob", 200, {"Bob"}),
        ("root", 200, {"Alice", "Bob", "Rex", "Rita"}),
        ("mallory", 404, set()),
    ],
)
def test_who_may_do_what_is_for_those_who_choose(
    browser_as: Any, lab: Environment, who: str, status: int, names: set[str]
):
    answer = browser_as(who).get(f"/environments/{lab.pk}/access", headers=HX)
    assert answer.status_code == status
    page = answer.content.decode()
    assert {name for name in ("Alice", "Bob", "Rex", "Rita") if f'class="name">{name}<' in page} == names


def test_everybody_finds_their_own_reasons(browser_as: Any, lab: Environment):
    page = browser_as("bob").get("/account/access", headers=HX).content.decode()
    assert "What Bob may do" in page
    assert "as a member" in page
    assert "open a shell in a container" in page
    assert "choose the environment" not in page
    assert "Lab" in page
    assert "view, logs, values, operate, delete, exec, browse, images, keys, hosts, lock, approve" in page
    assert "No environments" in browser_as("mallory").get("/account/access").content.decode()
    assert "An administrator: everything" in browser_as("root").get("/account/access").content.decode()


def test_an_accounts_reasons_are_for_administrators(browser_as: Any, people: Any):
    path = f"/admin/accounts/{people.bob.pk}/access"
    assert b"What Bob may do" in browser_as("root").get(path).content
    for who in ("alice", "bob"):
        assert browser_as(who).get(path).status_code == 404
    assert browser_as("root").get("/admin/accounts/99999/access").status_code == 404


def test_a_keys_reasons_say_what_its_role_holds_back(browser_as: Any, at: Any, lab: Environment, actor_of: Any):
    environment_create(actor=actor_of("bob"), name="Elsewhere")
    key = environment_key_create(actor=actor_of("bob"), environment=lab, name="ci", role="readonly").key
    path = at("environment-key-why", pk=key.pk)
    page = browser_as("rita").get(path, headers=HX).content.decode()
    assert "up to the role readonly" in page
    assert page.count("limited by the key's role") == len(ROLES["member"] - ROLES["readonly"])
    assert "Elsewhere" not in page
    assert browser_as("mallory").get(path).status_code == 404
    assert browser_as("alice").get(f"/account/keys/{key.pk}/why").status_code == 404


def test_an_accounts_own_key_is_explained_to_it(browser_as: Any):
    client = browser_as("bob")
    client.post("/account/keys/new", {"name": "laptop", "role": "readonly"}, headers=HX)
    key = ApiKey.objects.get(name="laptop")
    assert b"up to the role readonly" in client.get(f"/account/keys/{key.pk}/why").content
    assert browser_as("alice").get(f"/account/keys/{key.pk}/why").status_code == 404


def test_people_and_groups_are_found_and_added(browser_as: Any, lab: Environment, monkeypatch: Any, people: Any):
    claims = (
        IdentityClaim("rancher_id", f"1a{people.mallory.pk}", "mallory", "Mallory"),
        IdentityClaim("rancher_id", f"1a{people.bob.pk}", "bob", "Bob"),
        IdentityClaim("openldap_group", "g1", "ops", "Operators", "cn=ops,ou=groups"),
    )
    monkeypatch.setattr(
        "apps.console.environments.members.identities_search",
        lambda _a, _t: IdentitySearchResult(claims, ("AD does not answer.",)),
    )
    client = browser_as("alice")
    found = client.get(f"/environments/{lab.pk}/members/search?login=o", headers=HX).content.decode()
    assert "AD does not answer." in found
    assert 'value="openldap_group:cn=ops,ou=groups"' in found
    assert found.count("disabled") == 1  # bob is a member
    sent = {
        "pick": "openldap_group:cn=ops,ou=groups",
        "name:openldap_group:cn=ops,ou=groups": "Operators",
        "role": "readonly",
    }
    answer = client.post(f"/environments/{lab.pk}/members", sent, headers=HX)
    assert toast(answer) == "Operators is a member now."
    assert Member.objects.get(environment=lab, identity_type="openldap_group").identity == "cn=ops,ou=groups"


@pytest.mark.parametrize(
    ("who", "status"), [("bob", 403), ("rita", 403), ("mallory", 404), ("alice", 200), ("root", 200)]
)
def test_only_who_chooses_members_looks_for_them(who: str, status: int, browser_as: Any, lab: Environment):
    answer = browser_as(who).get(f"/environments/{lab.pk}/members/search?login=mal", headers=HX)
    assert answer.status_code == status
    assert (b"Mallory" in answer.content) is (status == 200)


def test_a_search_without_a_match_says_so(browser_as: Any, lab: Environment):
    client: Client = browser_as("alice")
    assert (
        "No one named “zz” was found" in client.get(f"/environments/{lab.pk}/members/search?login=zz").content.decode()
    )
    assert client.get(f"/environments/{lab.pk}/members/search?login=").content.strip() == b""


@pytest.mark.parametrize("pick", ["pigeon:x", "openldap_group:", "rancher_id:1a99999", ":", "github_org"])
def test_picking_an_unknown_identity_is_refused(browser_as: Any, lab: Environment, pick: str):
    before = Member.objects.filter(environment=lab).count()
    answer = browser_as("alice").post(f"/environments/{lab.pk}/members", {"pick": pick, "role": "member"}, headers=HX)
    assert answer.status_code in {400, 422}
    assert Member.objects.filter(environment=lab).count() == before
