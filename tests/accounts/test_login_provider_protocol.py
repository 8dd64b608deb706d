"""One class is a complete login provider: a made-up one is configured, shown, used, searched and re-synced."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from apps.accounts import identity_kinds
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.login.credentials import can_reauthenticate
from apps.accounts.models import AuthProvider, Identity, Session, User
from apps.accounts.providers import registry, services
from apps.accounts.providers.base import RedirectProvider
from apps.accounts.providers.search import identities_search, identity_find
from apps.api.resources.login_providers import register_provider_type
from apps.api.wire import resource
from apps.console.login import redirect_login
from apps.control.models import AuditEntry
from apps.core.errors import Invalid
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import members_set
from tests.accounts.paper_list import PaperProvider

CONFIG = {"drawer": "top left", "drawerLock": "471"}
PIA = {"login": "pia", "password": "pia-471"}
PAGE, HX = "/admin/access/paper", {"HX-Request": "true"}


@pytest.fixture
def registers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers of providers and v1 types that forget what a test adds."""
    for owner, name in (
        (registry, "_providers"),
        (identity_kinds, "_declared"),
        (resource._v1, "by_name"),
        (resource._v1, "by_lower_name"),
        (resource._v1, "by_declared_name"),
    ):
        monkeypatch.setattr(owner, name, dict(getattr(owner, name)))


@pytest.fixture
def paper(people: Any, registers: None) -> PaperProvider:
    made = PaperProvider()
    registry.register_provider(made)
    register_provider_type(made)
    return made


@pytest.fixture
def paper_on(paper: PaperProvider, configure: Callable[..., AuthProvider]) -> PaperProvider:
    configure("paper", CONFIG)
    return paper


@pytest.fixture
def root(people: Any) -> Client:
    client = Client()
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    return client


def crew_is_member(lab: Environment, people: Any) -> None:
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    crew = {"externalId": "g-crew", "externalIdType": "paper_group", "role": "member"}
    members_set(lab, [owner, crew], actor=actor_of_user(people.alice, "api"))


def without_line_breaks(page: bytes) -> str:
    """The HTML with every run of white space as one blank: the template's formatter breaks long tags."""
    return " ".join(page.decode().split())


def log_in() -> User:
    user = authenticate(None, username=PIA["login"], password=PIA["password"])
    assert isinstance(user, User)
    return user


def test_its_configuration_is_saved_with_the_secret_kept_apart(paper: PaperProvider, actor_of: Any):
    services.provider_save("paper", {**CONFIG, "pages": "3", "unknown": 1}, actor=actor_of("root"))
    row = AuthProvider.objects.get()
    assert (str(row), row.stored) == ("Paper list", {**CONFIG, "pages": 3})
    assert services.masked_config(row)["drawerLock"] is None
    assert services.secrets_set(row) == ["drawerLock"]
    services.provider_save("paper", {"drawer": "bottom", "drawerLock": ""}, actor=actor_of("root"))
    assert AuthProvider.objects.get().stored == {"drawer": "bottom", "drawerLock": "471"}
    assert "471" not in str(list(AuditEntry.all_objects.values_list("request", flat=True)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"drawer": ""}, "drawer"),
        ({"drawerLock": None}, "drawerLock"),
        ({"pages": 10}, "pages"),
        ({"drawer": "shredder"}, "drawer"),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(paper: PaperProvider, actor_of: Any, changes: Any, field: str):
    with pytest.raises(Invalid) as refused:
        services.provider_save("paper", {**CONFIG, **changes}, actor=actor_of("root"))
    assert refused.value.field == field
    assert not AuthProvider.objects.exists()


def test_it_has_a_v1_type_with_the_declared_fields(paper: PaperProvider, root: Client):
    fields = root.get("/v1/schemas/paperconfig").json()["resourceFields"]
    assert list(fields)[:6] == ["drawer", "drawerLock", "yellow", "blue", "notes", "pages"]
    assert (fields["drawer"]["required"], fields["drawer"]["maxLength"]) == (True, 80)
    assert (fields["drawerLock"]["readOnCreateOnly"], fields["pages"]["default"]) == (True, 2)
    made = root.post("/v1/paperconfigs", CONFIG, content_type="application/json")
    assert (made.status_code, made.json()["drawerLock"]) == (201, "471")
    shown = root.get("/v1/paperconfigs").json()["data"][0]
    assert (shown["name"], shown["drawer"], shown["drawerLock"], shown["pages"]) == ("Paper list", "top left", None, 2)
    assert set(shown["actions"]) == {"test"}


def test_it_goes_on_over_v1_with_a_working_password_only(paper: PaperProvider, root: Client):
    def post(**me: str) -> Any:
        return root.post("/v1/paperconfigs", {**CONFIG, "enabled": True, **me}, content_type="application/json")

    assert post(**{**PIA, "password": "wrong"}).status_code == 409
    assert not AuthProvider.objects.exists()
    assert (post(**PIA).status_code, AuthProvider.objects.get().is_on_trial) == (201, True)


def test_others_do_not_know_its_v1_type(paper: PaperProvider, people: Any):
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    assert client.get("/v1/schemas/paperconfig").status_code == 404
    assert client.get("/v1/paperconfigs").status_code == 404


def test_the_console_lists_it_and_shows_its_form(paper: PaperProvider, root: Client):
    assert f'href="{PAGE}">Paper list</a>' in root.get("/admin/access").content.decode()
    page = root.get(PAGE).content.decode()
    for label in ("Drawer", "Number of its lock", "Color of the paper", "Yellow", "Notes", "for the clerk", "Pages"):
        assert label in page
    assert re.search(r'<input type="password"\s+name="drawerLock"', page)
    assert "Register an OAuth app" not in page


def test_its_form_is_saved_and_comes_back_with_what_was_chosen(paper: PaperProvider, root: Client):
    sent = {
        **CONFIG,
        "color": "blue",
        "notes": "ring twice",
        "accessMode": "required",
        "allowedIdentities": "paper_group g-crew",
    }
    assert root.post(PAGE, sent).status_code == 302
    assert AuthProvider.objects.get().stored == {
        **CONFIG,
        "blue": True,
        "notes": "ring twice",
        "accessMode": "required",
        "allowedIdentities": [{"externalIdType": "paper_group", "externalId": "g-crew"}],
    }
    page = without_line_breaks(root.get(PAGE).content)
    assert '<option value="blue" selected>' in page
    assert "ring twice</textarea>" in page
    assert "471" not in page
    refused = root.post(PAGE, {**sent, "drawer": "shredder", "color": "yellow"})
    assert (refused.status_code, b"out of the shredder again" in refused.content) == (422, True)
    assert '<option value="yellow" selected>' in without_line_breaks(refused.content)


def test_its_people_log_in_and_prove_themselves_again_with_their_password_there(paper_on: PaperProvider):
    browser = Client()
    assert browser.post("/login", {**PIA, "password": "pia-472"}).status_code == 403
    assert browser.post("/login", PIA)["Location"] == "/"
    assert browser.get("/environments").status_code == 200
    pia = User.objects.get(login="pia")
    assert set(pia.identities.values_list("kind", "external_id")) == {
        ("paper_user", "p-pia"),
        ("paper_group", "g-crew"),
    }
    assert Session.objects.get(account=pia).provider == "paper"
    assert can_reauthenticate(pia)
    assert browser.post("/confirm", {"password": "wrong"}).status_code != 302
    assert browser.post("/confirm", {"password": PIA["password"]}).status_code == 302


def test_one_that_is_down_is_reported_and_local_people_log_in(paper_on: PaperProvider):
    paper_on.down = "The paper is wet."
    answer = Client().post("/login", PIA)
    assert (answer.status_code, b"The paper is wet." in answer.content) == (403, True)
    assert Client().post("/login", {"login": "alice", "password": "correct horse battery staple"}).status_code == 302


def test_its_people_and_groups_are_found_and_become_members(
    paper_on: PaperProvider, people: Any, lab: Environment, actor_of: Any, root: Client
):
    found = identities_search(actor_of("rita"), "cre")
    assert [(each.kind, each.external_id, each.name) for each in found.claims] == [("paper_group", "g-crew", "Crew")]
    assert identity_find("paper_user", "p-pal") is not None
    assert identity_find("paper_user", "p-nobody") is None
    assert "paper_group" in root.get("/v1/schemas/projectMember").json()["resourceFields"]["externalIdType"]["options"]
    crew_is_member(lab, people)
    assert actor_of_user(log_in(), "api").role(lab.pk) == "member"


def test_a_re_sync_takes_groups_and_in_the_end_the_access(
    paper_on: PaperProvider, people: Any, lab: Environment, actor_of: Any, run_loop: Callable[[], None]
):
    crew_is_member(lab, people)
    pia = log_in()
    paper_on.groups["pia"] = []
    assert services.provider_resync("paper", actor=actor_of("root")) == 1
    run_loop()
    assert actor_of_user(User.objects.get(pk=pia.pk), "api").role(lab.pk) is None
    del paper_on.groups["pia"]
    Identity.objects.update(refreshed_at=timezone.now() - timedelta(minutes=11))
    User.all_objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())
    run_loop()
    pia = User.objects.get(pk=pia.pk)
    assert (pia.is_active, pia.message) == (False, "Crossed out on the paper list.")


def test_the_locked_out_switch_it_off_at_the_command_line(paper_on: PaperProvider):
    output = StringIO()
    call_command("provider_disable", "--kind", "paper", stdout=output)
    assert "Paper list is off" in output.getvalue()


def test_the_database_keeps_one_account_for_each_of_its_people(paper_on: PaperProvider, people: Any):
    from django.db import IntegrityError, transaction

    row = AuthProvider.objects.get()
    for kind in ("paper_user", "paper_group"):
        Identity.objects.create(user=people.rita, provider=row, kind=kind, external_id="1")
    Identity.objects.create(user=people.bob, provider=row, kind="paper_group", external_id="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Identity.objects.create(user=people.bob, provider=row, kind="paper_user", external_id="1")


def test_a_kind_that_the_columns_cannot_hold_is_refused(registers: None):
    class LongProvider(PaperProvider):
        kind = "seventeen-letters"

    with pytest.raises(ValueError, match="1 to 16 characters"):
        registry.register_provider(LongProvider())


@pytest.mark.parametrize(("person", "groups"), [("paper_person", ()), ("paper_user", ("paper_group", "power_user"))])
def test_people_and_groups_differ_in_the_ending_of_their_kind(person: str, groups: tuple[str, ...]):
    with pytest.raises(ValueError, match="ends in _user"):
        IdentityKinds(person, groups)


def test_a_provider_with_pages_of_its_own_gets_a_button_and_a_way_back(registers: None):
    class Elsewhere(registry.redirect_providers()["github"].__class__):  # type: ignore[misc]
        kind = "elsewhere"

    assert issubclass(Elsewhere, RedirectProvider)
    registry.register_provider(Elsewhere())
    addresses = {each.name: str(each.pattern) for each in redirect_login.routes()}
    assert addresses["elsewhere"] == "login/elsewhere"
    assert addresses["elsewhere-return"] == "login/elsewhere/return"


@pytest.mark.parametrize("provider", registry.all_providers(), ids=lambda each: each.kind)
def test_every_provider_declares_a_complete_form_and_v1_type(provider: registry.AnyProvider):
    fields = provider.config_class.config_fields()
    assert len({each.name for each in fields}) == len(fields)
    assert all(each.label and each.v1 for each in fields)
    required = {each.name for each in fields if each.required}
    assert required
    with pytest.raises(Invalid):
        provider.read_config({}, {})
    assert provider.read_config(dict.fromkeys(required, "x"), {}).to_json() == dict.fromkeys(required, "x")
