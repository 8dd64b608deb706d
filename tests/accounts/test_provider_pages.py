"""The administrator's pages about providers and local site access: what they show, take and refuse."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuthProvider, Identity, Session
from apps.accounts.providers import services
from apps.accounts.site_access import local_access
from apps.core.errors import ReauthenticationRequired
from apps.environments.actor import actor_of_user
from tests.accounts.fake_directory import SAMPLE, FakeDirectory

PAGE, PART = "/admin/access/openldap", {"HX-Request": "true"}
FORM = {name: str(value) for name, value in SAMPLE.items()}


@pytest.fixture
def root(people: Any, fake_directory: FakeDirectory) -> Client:
    client = Client()
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    return client


def status(client: Client) -> str:
    answer = client.get(f"{PAGE}/status", headers=PART)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_provider_that_is_on_shows_its_people_and_when_it_answered(root: Client):
    authenticate(None, username="ann", password="ann")
    AuthProvider.objects.update(answered_at=timezone.now() - timedelta(minutes=3))
    page_text = status(root)
    assert "Re-sync now" in page_text
    assert "3 min ago" in page_text
    assert "<dd>1</dd>" in page_text
    assert "Confirm" not in page_text


@pytest.mark.parametrize(("is_reconfigured", "words"), [(False, "Turns off in 2:0"), (True, "Reverts in 2:0")])
def test_a_trial_counts_down_and_says_what_happens_then(root: Client, is_reconfigured: bool, words: str):
    AuthProvider.objects.update(trial_until=timezone.now() + timedelta(seconds=125), is_reconfigured=is_reconfigured)
    page_text = status(root)
    assert words in page_text
    assert "Confirm: stay on" in page_text
    assert "Re-sync now" not in page_text
    assert "On trial" in root.get("/admin/access").content.decode()


def test_a_directory_that_is_down_is_reported_with_the_reason_and_the_time(root: Client):
    AuthProvider.objects.update(last_error="Nothing listens.", last_error_at=timezone.now() - timedelta(minutes=2))
    page_text = status(root)
    assert "Unreachable. Nothing changes until it responds again." in page_text
    assert "Nothing listens." in page_text
    assert "2 min ago" in page_text
    assert "is-bad" in page_text
    listed = root.get("/admin/access").content.decode()
    assert "On, does not answer" in listed
    assert re.search(r"since <time[^>]*>2 min ago", listed)


@pytest.mark.parametrize(
    ("row", "word", "tone"),
    [
        ({}, "On", "good"),
        ({"last_error_at": timezone.now(), "last_error": "Nothing listens."}, "On, does not answer", "bad"),
        ({"trial_until": timezone.now() + timedelta(minutes=4)}, "On trial", "busy"),
        ({"enabled": False}, "Off", "off"),
        ({"enabled": False, "last_error_at": timezone.now()}, "Off", "off"),
    ],
)
def test_its_state_is_the_same_badge_on_its_page_and_in_the_list(root: Client, row: Any, word: str, tone: str):
    AuthProvider.objects.update(**row)
    badge = rf'<span class="state is-{tone}"><svg.*?</svg><span>{word}</span></span>'
    assert re.search(badge, status(root))
    assert re.search(badge, root.get("/admin/access").content.decode())


def test_one_that_never_answered_says_so(root: Client):
    AuthProvider.objects.update(answered_at=None)
    assert "none yet" in status(root)


def test_what_is_long_has_room(root: Client):
    page = root.get(PAGE).content.decode()
    broad = re.findall(r'is-broad">\s*<span>([^<]+)</span>', page)
    assert broad == ["Servers", "Search base", "Service account"]


def test_people_who_are_out_are_named_with_the_reason(root: Client):
    authenticate(None, username="ann", password="ann")
    Identity.objects.filter(kind="openldap_user").update(rejection_reason="Disabled there.")
    assert "Disabled there." in status(root)


def test_the_buttons_do_what_they_say(root: Client, run_loop: Any, fake_directory: FakeDirectory):
    authenticate(None, username="ann", password="ann")
    requested = root.post(f"{PAGE}/do/resync", headers=PART)
    assert (requested.status_code, "Re-syncing 1 person." in requested["HX-Trigger"]) == (204, True)
    run_loop()
    assert fake_directory.requested == ["u-ann"]
    assert root.post(f"{PAGE}/do/disable", headers=PART).status_code == 204
    assert root.post(f"{PAGE}/do/resync", headers=PART).status_code == 409
    assert root.post(f"{PAGE}/do/enable", {"login": "ann", "password": "no"}, headers=PART).status_code == 409
    assert root.post(f"{PAGE}/do/enable", headers=PART).status_code == 422
    assert root.post(f"{PAGE}/do/enable", {"login": "ann", "password": "ann"}, headers=PART).status_code == 204
    assert root.post(f"{PAGE}/do/confirm", headers=PART).status_code == 204
    assert AuthProvider.objects.get().accepts_logins
    assert root.post(f"{PAGE}/do/explode", headers=PART).status_code == 404


def test_a_change_says_that_it_is_on_trial(root: Client):
    answer = root.post(PAGE, {**FORM, "server": "b.test"})
    assert answer.status_code == 302
    assert "confirm it within five minutes" in root.get(PAGE).content.decode()


@pytest.mark.parametrize("path", ["", "/status", "/do/disable", "/do/resync", "/test"])
def test_to_others_none_of_it_is_there(people: Any, fake_directory: FakeDirectory, path: str):
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    for answer in (client.get(PAGE + path), client.post(PAGE + path, headers=PART)):
        assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/admin/access/local", "/admin/access/identities?q=a"])
def test_site_access_is_for_administrators(people: Any, fake_directory: FakeDirectory, path: str):
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    assert client.get(path).status_code == 404
    assert client.post(path, {"accessMode": "required"}).status_code == 404
    assert local_access().access == "unrestricted"


def test_people_and_groups_are_found_by_name_to_tick(root: Client, fake_directory: FakeDirectory):
    page_text = root.get("/admin/access/identities", {"q": "cre"}, headers=PART).content.decode()
    assert 'value="openldap_group cn=crew,ou=groups,dc=example,dc=test"' in page_text
    assert "No matching people" in root.get("/admin/access/identities", {"q": "zzz"}, headers=PART).content.decode()
    fake_directory.down = "It is down."
    assert "OpenLDAP: It is down." in root.get("/admin/access/identities", {"q": "c"}, headers=PART).content.decode()


def test_what_is_ticked_joins_what_was_typed(root: Client):
    typed = {"allowedIdentities": "openldap_group g-crew\n\n", "accessMode": "required"}
    ticked = ["openldap_user uid=ann,dc=x", "openldap_group g-crew"]
    assert root.post(PAGE, {**FORM, **typed, "allow": ticked}).status_code == 302
    listed = [(each.kind, each.external_id) for each in AuthProvider.objects.get().config.allowed]
    assert listed == [("openldap_group", "g-crew"), ("openldap_user", "uid=ann,dc=x")]


def test_local_site_access_is_set_and_counts_who_is_out(root: Client, people: Any, lab: Any):
    outsider = Client()
    outsider.post("/login", {"login": "mallory", "password": "correct horse battery staple"})
    answer = root.post("/admin/access/local", {"accessMode": "restricted"}, headers=PART)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/admin/access")
    assert "1 session ended" in root.get("/admin/access").content.decode()
    assert outsider.get("/environments").status_code == 302
    assert "Members of environments" in root.get("/admin/access").content.decode()


@pytest.mark.parametrize("form", [{"accessMode": "open"}, {"accessMode": "required", "allowedIdentities": "x y"}])
def test_a_wrong_rule_comes_back_with_the_reason(root: Client, form: dict[str, str]):
    answer = root.post("/admin/access/local", form)
    assert (answer.status_code, b"must be one of" in answer.content) == (422, True)
    assert local_access().access == "unrestricted"


def test_access_settings_require_recent_authentication(people: Any, fake_directory: FakeDirectory):
    outdated = actor_of_user(people.root, "console")
    for decide in (
        lambda: services.provider_save("openldap", SAMPLE, actor=outdated),
        lambda: services.provider_enable("openldap", actor=outdated, login="ann", password="ann"),
        lambda: services.provider_confirm("openldap", actor=outdated),
        lambda: services.provider_disable("openldap", actor=outdated),
    ):
        with pytest.raises(ReauthenticationRequired):
            decide()
    assert AuthProvider.objects.get().accepts_logins


def test_a_browser_is_sent_to_prove_it_and_the_provider_stays_as_it_is(root: Client):
    Session.objects.update(confirmed=timezone.now() - timedelta(hours=1))
    for path, form in ((PAGE, FORM), (f"{PAGE}/do/disable", {}), ("/admin/access/local", {"accessMode": "required"})):
        answer = root.post(path, form, headers=PART)
        assert (answer.status_code, answer["HX-Redirect"].partition("?")[0]) == (403, "/confirm")
    assert AuthProvider.objects.get().accepts_logins
    assert local_access().access == "unrestricted"
