"""How tenants of similar products reached each other's objects; here each of these ways is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.login.passwords import password_set
from apps.accounts.models import Session, User
from apps.accounts.services import account_act, account_update, first_admin_create
from apps.console.login.setup import setup_link_create
from apps.containers.models import Container
from apps.core.errors import Conflict, Forbidden, ReauthenticationRequired
from apps.core.models import Setting, UnscopedRead
from apps.core.services import setting_write
from apps.environments.actor import Actor, actor_of_user
from apps.environments.models import Environment, SocketTicket
from apps.environments.services import members_set, ticket_issue, ticket_redeem
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack

PASSWORD = "correct horse battery staple"
PEOPLE = ("alice", "bob", "rex", "rita", "mallory")
HX = {"HX-Request": "true"}


def owners(*accounts: User) -> list[dict[str, str]]:
    return [{"externalId": f"1a{each.pk}", "externalIdType": "rancher_id", "role": "owner"} for each in accounts]


@pytest.mark.parametrize("who", PEOPLE)
def test_cve_2017_7297_no_user_can_switch_authentication_off(who: str, api_of: Any, browser_as: Any):
    """Rancher 1.2 to 1.5 (#8296): any logged-in user could set api.security.enabled to false."""
    api = api_of(who, inside=False)
    assert api.put("settings/api.security.enabled", {"value": "false"}).status in {403, 405}
    assert api.post("settings", {"name": "api.security.enabled", "value": "false"}).status in {403, 405}
    assert api.post("openmodes", {"enabled": True, "password": PASSWORD}).status == 404
    assert browser_as(who).post("/admin/open-mode", {"password": PASSWORD}, headers=HX).status_code == 404
    assert not Setting.objects.filter(name="api.security.enabled").exists()


def test_cve_2017_7297_an_administrator_needs_a_second_step(api_of: Any, browser_as: Any, people: Any):
    """The rule it taught: global settings take an administrator, the password again, and a page of their own."""
    root = api_of("root", inside=False)
    assert root.put("settings/api.security.enabled", {"value": "false"}).status == 403
    assert root.post("openmodes", {"enabled": True}).status == 422
    client = browser_as("root")
    Session.objects.update(confirmed="2020-01-01T00:00:00Z")
    answer = client.post("/admin/open-mode", {"password": PASSWORD}, headers=HX)
    assert answer["HX-Redirect"].startswith("/confirm")
    with pytest.raises(ReauthenticationRequired):
        setting_write("session.limit", "1", actor=actor_of_user(people.root, "console"))
    assert not Setting.objects.filter(name__in=["api.security.enabled", "session.limit"]).exists()


@pytest.mark.parametrize("model", [Container, Host, Service, Stack], ids=lambda model: model.__name__)
def test_cve_2026_48742_rows_cannot_be_read_without_naming_environments(model: Any, people: Any, lab: Environment):
    """Coolify: an object was loaded by its UUID without the team's scope; the policy layer had been commented out."""
    for read in (
        lambda: list(model.objects.all()),
        lambda: model.objects.get(pk=1),
        lambda: model.objects.filter(pk=1).first(),
        lambda: model.objects.filter(pk=1).exists(),
        model.objects.count,
    ):
        with pytest.raises(UnscopedRead):
            read()


@pytest.mark.parametrize(("who", "status"), [("alice", 200), ("bob", 200), ("rex", 404), ("rita", 404)])
def test_cve_2025_64423_registration_tokens_are_not_shown_to_lower_roles(who: str, status: int, api_of: Any):
    """Coolify: a member could use the invitation link of an administrator."""
    assert api_of(who).get("registrationtokens").status == status


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("path", ["settings/api.host", "accounts/1a1", "settings/retention.audit.days"])
def test_cve_2026_45625_only_administrators_change_global_objects(who: str, path: str, api_of: Any):
    """Arcane, and -47125: git repositories and global variables had no check for administrators at all."""
    api = api_of(who, inside=False)
    assert api.put(path, {"value": "x", "name": "x", "kind": "admin"}).status in {403, 404, 405}
    assert api.delete(path).status in {403, 404, 405}
    assert api.post("accounts", {"login": "eve", "password": PASSWORD, "kind": "admin"}).status in {403, 405}
    assert not User.objects.filter(login="eve").exists()


def test_cve_2026_24740_a_ticket_is_for_one_thing_and_one_verb(people: Any, lab: Environment):
    """Dozzle: a user restricted to some containers could open a shell in any, by its id."""
    actor = actor_of_user(people.bob, "api")
    token = ticket_issue(actor=actor, environment_id=lab.pk, verb="logs", kind="container", target=7)
    assert ticket_redeem(token, "exec") is None
    found = ticket_redeem(token, "logs")
    assert found is not None
    assert (found.kind, found.target, found.environment_id, found.account_id) == (
        "container", 7, lab.pk, people.bob.pk,
    )  # fmt: skip


class AccidentalError(Exception):
    """Raised by a check that crashes."""


def raise_accidentally(*_: Any, **__: Any) -> Any:
    raise AccidentalError


CHECKS = ["apps.api.wire.auth.key_by_credentials", "apps.api.wire.auth.key_refusal", "apps.api.wire.auth.actor_of_key"]


@pytest.mark.parametrize("check", CHECKS)
def test_cve_2026_44882_an_api_request_whose_check_crashes_is_refused(
    check: str, api_of: Any, monkeypatch: pytest.MonkeyPatch
):
    """Portainer: the middleware logged the failed check, and went on."""
    api = api_of("alice")
    monkeypatch.setattr(check, raise_accidentally)
    answer = api.get("containers")
    assert answer.status == 500
    assert "data" not in (answer.body or {})


@pytest.mark.parametrize("check", ["_is_session_expired", "_user_context", "_respond"])
def test_cve_2026_44882_a_console_request_whose_check_crashes_is_refused(
    check: str, browser_as: Any, monkeypatch: pytest.MonkeyPatch
):
    client = browser_as("alice")
    client.raise_request_exception = False
    monkeypatch.setattr(f"apps.console.request_context.{check}", raise_accidentally)
    assert client.get("/environments").status_code == 500


def test_cve_2026_44882_a_crash_while_loading_permissions_grants_nothing(
    api_of: Any, browser_as: Any, lab: Environment, monkeypatch: pytest.MonkeyPatch
):
    api, client = api_of("alice"), browser_as("alice")
    client.raise_request_exception = False
    monkeypatch.setattr(Actor, "permissions", raise_accidentally)
    assert api.get("containers").status == 500
    assert client.get(f"/env/{lab.pk}/stacks").status_code == 500


def test_cve_2021_36775_access_ends_with_the_membership(
    people: Any, lab: Environment, api_of: Any, browser_as: Any, actor_of: Any
):
    """Rancher 2, and CVE-2019-6287, CVE-2023-32199, CVE-2023-22650: access survived removal."""
    api, client = api_of("bob"), browser_as("bob")
    assert api.get("containers").status == 200
    assert client.get(f"/env/{lab.pk}/stacks").status_code == 200
    members_set(lab, owners(people.alice), actor=actor_of("alice"))
    assert api.get("containers").status == 404
    assert client.get(f"/env/{lab.pk}/stacks").status_code == 404


def test_cve_2023_22650_access_ends_with_the_account(people: Any, api_of: Any, browser_as: Any, actor_of: Any):
    api, client = api_of("bob"), browser_as("bob")
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert api.get("containers").status == 401
    assert client.get("/environments").status_code == 302
    assert not Session.objects.filter(account=people.bob).exists()


def test_cve_2019_6287_tickets_end_with_the_account(people: Any, lab: Environment, actor_of: Any, browser_as: Any):
    browser_as("bob")
    session = Session.objects.select_related("account").get(account=people.bob)
    ticket_issue(
        actor=actor_of_user(people.bob, "api", session=session),
        environment_id=lab.pk,
        verb="logs",
        kind="container",
        target=1,
    )
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert not SocketTicket.objects.exists()


@pytest.mark.parametrize("who", PEOPLE)
def test_cve_2025_23391_nobody_resets_the_password_of_a_higher_account(who: str, people: Any, actor_of: Any):
    """Rancher 2: a restricted administrator could set an administrator's password."""
    with pytest.raises(Forbidden):
        password_set(people.root, "another quite long phrase", actor=actor_of(who))
    with pytest.raises(Forbidden):
        account_update(people.root, actor=actor_of(who), name="Eve")
    people.root.refresh_from_db()
    assert people.root.check_password(PASSWORD)


def test_cve_2019_11202_the_first_administrator_is_created_once(people: Any, actor_of: Any, run_loop: Any):
    """Rancher 2: the default administrator was recreated with its default password after it had been deleted."""
    from apps.accounts.services import account_create

    account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    run_loop()
    for action in ("deactivate", "remove"):
        people.root.refresh_from_db()
        account_act(people.root, action, actor=actor_of("root"))
        run_loop()
    before = set(User.all_objects.values_list("pk", "login", "desired"))
    from portal.boot.startup import prepare

    prepare()
    with pytest.raises(Conflict):
        first_admin_create(login="again", password=PASSWORD)
    token = setup_link_create()
    Client().post(f"/setup/{token}", {"login": "again", "password": PASSWORD})
    assert set(User.all_objects.values_list("pk", "login", "desired")) == before


@pytest.mark.django_db
def test_cve_2026_55761_nothing_is_open_before_the_first_set_up():
    """Portainer: in the first minutes anybody could restore a backup and thereby take over the installation."""
    client = Client()
    token = setup_link_create()
    for path in ("/setup", "/setup/guess", f"/setup/{token[:-1]}", f"/setup/{token}x"):
        client.post(path, {"login": "eve", "password": PASSWORD})
    for path in ("/v1/accounts", "/v1/settings", "/v1/openmodes", "/v1/passwords"):
        assert client.post(path, {"login": "eve"}, content_type="application/json").status_code == 401
    assert client.post("/login", {"login": "admin", "password": "admin"}).status_code == 302
    assert not User.objects.exists()


@pytest.mark.parametrize("who", ["root", "alice", "mallory"])
@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("PUT", "", {"name": "taken", "kind": "admin"}),
        ("PUT", "", {"description": "taken"}),
        ("DELETE", "", None),
        *(("POST", f"?action={name}", {}) for name in ("update", "deactivate", "remove", "purge", "setmembers")),
        ("GET", "/apikeys", None),
        ("GET", "/effectiveaccess", None),
        ("GET", "/nothing", None),
    ],
)
def test_cve_2024_22031_an_environment_is_not_changed_as_an_account(
    who: str, method: str, what: str, body: Any, lab: Environment, api_of: Any
):
    answer = api_of(who).call(method, f"/v1/accounts/1a{lab.pk}{what}", body)
    assert answer.status == 404
    lab.refresh_from_db()
    assert (lab.name, lab.description, lab.desired) == ("Lab", "", "active")


def test_cve_2024_22031_ids_of_one_kind_do_not_work_as_another(people: Any, lab: Environment, api_of: Any):
    """Rancher 2: names of projects collided across clusters. Accounts and environments share one number space here."""
    root = api_of("root", inside=False)
    assert root.get(f"projects/1a{people.alice.pk}").status == 404
    found = root.get(f"accounts/1a{lab.pk}")  # in v1 environments are accounts; it is read as what it is
    assert (found["type"], found.body) == ("project", root.get(f"projects/1a{lab.pk}").body)
    assert api_of("mallory").get(f"accounts/1a{lab.pk}").status == 404
    assert not set(User.all_objects.values_list("pk", flat=True)) & set(
        Environment.objects.values_list("pk", flat=True)
    )
