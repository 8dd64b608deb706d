"""Another GitHub gives the same numbers to other people: nobody of it becomes somebody of the former, at any moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.models import ApiKey, AuthProvider, Identity, KnownIdentity, Session, User
from apps.accounts.providers import services
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.accounts.providers.issuer import BoundIdentities, bound_identities
from apps.accounts.providers.known_identities import save_known_identities
from apps.accounts.providers.provision import apply_resync, provision_account
from apps.accounts.providers.search import identities_search
from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Invalid, Unauthorized
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment, Member
from apps.environments.services import members_set

APP = {"clientId": "corral", "clientSecret": "hub-secret-7"}
OLD, NEW = {**APP, "hostname": "old.example.test"}, {**APP, "hostname": "new.example.test"}
MOVED, OTHER = {**NEW, "issuerChange": "sameServer"}, {**NEW, "issuerChange": "otherServer"}
ALLOWED = {"allowedIdentities": [{"externalIdType": "github_org", "externalId": "7"}]}
NOBODY = BoundIdentities(0, 0, 0)


def claims_at(host: str, login: str = "octo", number: int = 1001) -> Claims:
    """What a server says of its person 1001, who is in its organization 7."""
    person = IdentityClaim("github_user", str(number), login, login.title())
    return Claims(person, (IdentityClaim("github_org", "7", "acme", "acme"),), token="gho_x", issuer=host)


def provider() -> AuthProvider:
    return AuthProvider.objects.get(kind="github")


def log_in(host: str, **person: Any) -> User:
    return provision_account(provider(), claims_at(host, **person))


def five_minutes_pass() -> None:
    AuthProvider.objects.update(trial_until=timezone.now() - timedelta(seconds=1))


def role_of(user: User, lab: Environment) -> str | None:
    return actor_of_user(User.objects.get(pk=user.pk), "api").role(lab.pk)


def bound() -> BoundIdentities:
    return bound_identities(provider(), provider().config)


@pytest.fixture
def root(actor_of: Callable[..., Any]) -> Any:
    return actor_of("root")


@pytest.fixture
def octo(people: Any, lab: Environment, configure: Callable[..., Any], root: Any) -> User:
    """Person 1001 of the old server: a member through organization 7, with a session and a key."""
    configure("github", {**OLD, **ALLOWED})
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    acme = {"externalId": "7", "externalIdType": "github_org", "role": "member"}
    members_set(lab, [owner, acme], actor=actor_of_user(people.alice, "api"))
    user = log_in("old.example.test")
    save_known_identities([IdentityClaim("github_org", "7", "acme", "acme")])
    later = timezone.now() + timedelta(hours=1)
    Session.objects.create(digest="d", account=user, data="", expires=later, provider="github")
    key_create(actor=actor_of_user(user, "cli"), account=user)
    assert role_of(user, lab) == "member"
    return user


def assert_untouched(octo: User, lab: Environment) -> None:
    octo = User.objects.get(pk=octo.pk)
    assert octo.is_active
    assert role_of(octo, lab) == "member"
    assert set(octo.identities.values_list("external_id", "login")) == {("1001", "octo"), ("7", "acme")}
    assert Session.objects.filter(account=octo).exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"hostname": "github.com"}),
        ({}, {"hostname": "WWW.GitHub.com"}),
        ({"hostname": "ghe.test"}, {"hostname": "GHE.test."}),
        ({"hostname": "ghe.test"}, {"hostname": "ghe.test:443"}),
        ({"hostname": "ghe.test:80", "scheme": "http://"}, {"hostname": "ghe.test", "scheme": "https://"}),
    ],
)
def test_one_server_has_one_issuer_however_it_is_spelled(one: dict[str, str], other: dict[str, str]):
    issuers = {GithubProviderConfig.from_wire({**APP, **each}).identity_issuer for each in (one, other)}
    assert len(issuers) == 1


def test_other_hosts_and_ports_are_other_issuers():
    hosts = ("", "a.test", "b.test", "a.test:8443", "[::1]", "[::1]:8443")
    assert len({GithubProviderConfig.from_wire({**APP, "hostname": each}).identity_issuer for each in hosts}) == len(
        hosts
    )


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "long off"])
def test_another_server_is_refused_until_it_is_said_which_it_is(octo: User, lab: Environment, root: Any, is_on: bool):
    AuthProvider.objects.update(enabled=is_on)
    before = AuthProvider.objects.values().get()
    for data, code in ((NEW, "MissingRequired"), ({**NEW, "issuerChange": "maybe"}, "InvalidOption")):
        with pytest.raises(Invalid) as refused:
            services.provider_save("github", data, actor=root)
        assert (refused.value.field, refused.value.code) == ("issuerChange", code)
    with pytest.raises(Invalid, match=r"old.example.test: 1 account, 1 member list entry, 1 allowed identity"):
        services.provider_save("github", NEW, actor=root)
    assert AuthProvider.objects.values().get() == before
    assert services.provider_save("github", {**OLD, "scheme": "http://"}, actor=root).issuer_change == ""


def test_without_anybody_there_is_nothing_to_ask(people: Any, configure: Callable[..., Any], root: Any):
    configure("github", OLD)
    services.provider_save("github", NEW, actor=root)
    services.provider_confirm("github", actor=root)
    assert provider().identity_issuer == "new.example.test"
    assert provider().issuer_change == ""


def test_the_same_server_at_another_address_keeps_everything(octo: User, lab: Environment, root: Any):
    services.provider_save("github", {**MOVED, **ALLOWED}, actor=root)
    assert log_in("new.example.test") == octo
    assert_untouched(octo, lab)
    assert (provider().identity_issuer, provider().issuer_change) == ("new.example.test", "")
    assert len(provider().config.allowed) == 1


@pytest.mark.parametrize("how", ["log-in", "button"])
def test_another_server_deletes_the_people_of_the_former_once_it_is_confirmed(
    octo: User, lab: Environment, root: Any, how: str
):
    services.provider_save("github", {**OTHER, **ALLOWED}, actor=root)
    assert_untouched(octo, lab)
    if how == "button":
        services.provider_confirm("github", actor=root)
        assert bound() == NOBODY
    newcomer = log_in("new.example.test")
    assert newcomer != octo
    assert role_of(newcomer, lab) is None
    octo = User.objects.get(pk=octo.pk)
    assert (octo.desired, octo.is_active, octo.identities.count()) == ("inactive", False, 0)
    assert role_of(octo, lab) is None
    assert not Session.objects.filter(account=octo).exists()
    assert not ApiKey.objects.get(account=octo).account.is_active
    assert not Member.objects.exclude(identity_type="rancher_id").exists()
    assert not KnownIdentity.objects.exists()
    assert provider().config.allowed == ()
    assert (provider().identity_issuer, provider().pending_issuer_change) == ("new.example.test", "")


def test_what_was_deleted_is_in_the_audit_log(octo: User, lab: Environment, root: Any):
    services.provider_save("github", OTHER, actor=root)
    services.provider_confirm("github", actor=root)
    saved, confirmed = (
        AuditEntry.all_objects.filter(event=f"provider.{each}").latest("pk").request for each in ("save", "confirm")
    )
    assert saved["issuerChange"] == "otherServer"
    expected = {"issuerChange": "otherServer", "formerIssuer": "old.example.test", "accounts": 1, "members": 1}
    assert expected.items() <= confirmed.items()
    changed = AuditEntry.all_objects.filter(event="environment.setmembers", environment_id=lab.pk).latest("pk")
    assert [each["externalId"] for each in changed.request["removed"]] == ["7"]


def test_a_trial_that_nobody_confirms_loses_nothing(octo: User, lab: Environment, root: Any):
    services.provider_save("github", OTHER, actor=root)
    five_minutes_pass()
    assert_untouched(octo, lab)
    assert log_in("old.example.test") == octo
    assert bound() == BoundIdentities(1, 1, 1)
    assert services.provider_by_kind("github").issuer_change == ""


def test_a_log_in_that_outlives_the_trial_matches_nobody_of_the_former_server(octo: User, lab: Environment, root: Any):
    services.provider_save("github", OTHER, actor=root)
    asked = provider()
    five_minutes_pass()
    with pytest.raises(Conflict):
        provision_account(asked, claims_at("new.example.test"))
    assert_untouched(octo, lab)


def test_a_log_in_that_began_at_the_former_server_matches_nobody_of_the_other(octo: User, root: Any):
    asked = provider()
    services.provider_save("github", OTHER, actor=root)
    services.provider_confirm("github", actor=root)
    newcomer = log_in("new.example.test")
    with pytest.raises(Conflict):
        provision_account(asked, claims_at("old.example.test"))
    assert Identity.objects.get(kind="github_user").user == newcomer


def test_a_refused_newcomer_confirms_and_deletes_nothing(octo: User, lab: Environment, root: Any):
    services.provider_save("github", {**OTHER, "accessMode": "required"}, actor=root)
    with pytest.raises(Unauthorized):
        log_in("new.example.test")
    assert provider().is_on_trial
    assert_untouched(octo, lab)


def test_a_member_of_the_former_server_s_organization_gives_no_access_to_the_other_s(
    octo: User, lab: Environment, root: Any
):
    services.provider_save("github", {**OTHER, "accessMode": "restricted"}, actor=root)
    with pytest.raises(Unauthorized):  # its organization 7 is on a member list, but not that one
        log_in("new.example.test", number=2002)
    assert_untouched(octo, lab)


def test_a_late_answer_of_the_former_server_brings_nobody_back(octo: User, root: Any):
    person = Identity.objects.select_related("provider", "user").get(kind="github_user")
    services.provider_save("github", OTHER, actor=root)
    services.provider_confirm("github", actor=root)
    apply_resync(person, claims_at("old.example.test"))
    assert not Identity.objects.exists()


def test_while_another_server_is_on_trial_nobody_of_it_can_be_found_for_a_list(
    octo: User, root: Any, monkeypatch: pytest.MonkeyPatch
):
    services.provider_save("github", OTHER, actor=root)
    monkeypatch.setattr(GithubProviderConfig, "api_url", property(lambda _self: pytest.fail("was asked")))
    assert identities_search(root, "acme").errors == ()


def test_one_long_off_lets_nobody_in_while_another_server_is_tried_out(octo: User, lab: Environment, root: Any):
    services.provider_disable("github", actor=root)
    assert not User.objects.get(pk=octo.pk).is_active
    services.provider_save("github", OTHER, actor=root)
    services.provider_save("github", NEW, actor=root)  # it was said which it is
    services.provider_enable("github", actor=root)
    assert provider().is_on_trial
    assert not User.objects.get(pk=octo.pk).is_active  # nor does a key of theirs work again
    five_minutes_pass()
    assert services.provider_save("github", OLD, actor=root).issuer_change == ""
    services.provider_enable("github", actor=root)
    assert log_in("old.example.test") == octo


def test_an_account_with_another_way_in_stays_active(octo: User, root: Any):
    octo.set_password("a long enough password 7")
    octo.save()
    services.provider_save("github", OTHER, actor=root)
    services.provider_confirm("github", actor=root)
    assert User.objects.get(pk=octo.pk).is_active


def test_the_last_administrators_are_not_shut_out(octo: User, people: Any, root: Any):
    people.root.set_unusable_password()
    people.root.save()
    with pytest.raises(Conflict, match="No active administrator has a password kept here"):
        services.provider_save("github", OTHER, actor=root)


def test_an_older_row_is_bound_to_the_server_it_is_configured_for(octo: User, root: Any):
    AuthProvider.objects.update(identity_issuer="")
    with pytest.raises(Invalid, match=r"old\.example\.test"):
        services.provider_save("github", NEW, actor=root)


@pytest.fixture
def page(octo: User, people: Any) -> Client:
    client = Client()
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    return client


def test_the_form_asks_which_it_is_and_says_what_hangs_on_it(page: Client):
    address = "/admin/access/github"
    assert "issuerChange" not in page.get(address).content.decode()
    refused = page.post(address, NEW)
    assert refused.status_code == 422
    text = refused.content.decode()
    assert "old.example.test: 1 account, 1 member list entry, 1 allowed identity" in text
    assert text.count('name="issuerChange"') == 2
    assert page.post(address, OTHER).status_code == 302
    status = page.get(f"{address}/status", headers={"HX-Request": "true"}).content.decode()
    assert "1 account, 1 member list entry of old.example.test are forgotten" in status
    services.provider_confirm("github", actor=actor_of_user(User.objects.get(kind="admin"), "cli"))
    assert "forgotten" not in page.get(f"{address}/status", headers={"HX-Request": "true"}).content.decode()
