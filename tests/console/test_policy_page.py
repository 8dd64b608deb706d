"""The page of the host policy: readable for members, a form for administrators."""

from __future__ import annotations

import html
from typing import Any

import pytest

from apps.console.environments.host_policy import GROUPS, SWITCHES
from apps.containers.models import HostPolicy
from apps.containers.policy_services import policy_set
from apps.containers.selectors import policy_of

HX = {"HX-Request": "true"}


@pytest.mark.parametrize("name", ["alice", "bob", "rex", "rita"])
def test_a_member_reads_the_rules_and_cannot_save_them(browser_as: Any, at: Any, lab: Any, name: str):
    client = browser_as(name)
    page = client.get(at("policy")).content.decode()
    assert "Folders that may be mounted" in page
    assert "Only administrators may do this." in page
    assert '<button class="btn is-primary" type="submit">Save' not in page
    refused = client.post(at("policy"), {"privileged": "on"}, headers=HX)
    assert refused.status_code == 403
    assert client.post(at("policy-reset"), headers=HX).status_code == 403
    assert not HostPolicy.objects.exists()


def test_an_administrator_saves_the_whole_form(browser_as: Any, at: Any, lab: Any):
    sent = {"privileged": "on", "bindFolders": "/srv/a\r\n/srv/b", "capAdd": "net_admin, CHOWN", "sysctls": "net.*"}
    assert browser_as("root").post(at("policy"), sent, headers=HX).status_code == 204
    policy = policy_of(lab.pk)
    assert (policy.privileged, policy.bind_mounts, policy.bind_folders) == (True, False, ("/srv/a", "/srv/b"))
    assert (policy.cap_add, policy.sysctls, policy.volume_drivers) == (("NET_ADMIN", "CHOWN"), ("net.*",), ())
    page = browser_as("root").get(at("policy")).content.decode()
    assert "/srv/a\n/srv/b" in page
    assert "Back to the default" in page


def test_a_mistake_is_shown_at_its_field_and_nothing_is_lost(browser_as: Any, at: Any, lab: Any):
    answer = browser_as("root").post(at("policy"), {"devices": "on", "bindFolders": "srv/data"}, headers=HX)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "is not an absolute path" in text
    assert "srv/data</textarea>" in text
    assert not HostPolicy.objects.exists()


def test_back_to_the_default_takes_the_decision_away(browser_as: Any, at: Any, lab: Any, actor_of: Any):
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    assert browser_as("root").post(at("policy-reset"), headers=HX).status_code == 204
    assert policy_of(lab.pk).privileged is False
    assert "the installation's default" in html.unescape(browser_as("rita").get(at("policy")).content.decode())


def test_what_stands_against_the_rules_is_listed_with_its_reasons(
    browser_as: Any, at: Any, lab: Any, host: Any, actor_of: Any
):
    policy_set(lab, {"privileged": True}, actor=actor_of("root"))
    sent = {"name": "mighty", "image": "bb:local", "privileged": "on"}
    assert browser_as("bob").post(at("container-new"), sent, headers=HX).status_code == 204
    assert "Not allowed any more" not in browser_as("rita").get(at("policy")).content.decode()
    policy_set(lab, {}, actor=actor_of("root"))
    page = browser_as("rita").get(at("policy")).content.decode()
    assert "Not allowed any more" in page
    assert "mighty" in page


def test_the_page_is_not_found_for_non_members(browser_as: Any, at: Any, lab: Any):
    assert browser_as("mallory").get(at("policy")).status_code == 404
    assert browser_as("mallory").post(at("policy"), {}).status_code == 404


def test_the_form_of_a_container_names_the_rule_that_is_in_the_way(browser_as: Any, at: Any, host: Any):
    sent = {"name": "evil", "image": "bb:local", "volumes": "/etc:/e"}
    text = browser_as("bob").post(at("container-new"), sent, headers=HX).content.decode()
    assert "The host policy of this environment does not allow it" in text
    assert "/etc:/e</textarea>" in text


def test_every_rule_stands_once_under_a_heading_and_says_what_it_does(browser_as: Any, at: Any, lab: Any):
    page = html.unescape(browser_as("root").get(at("policy")).content.decode())
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(SWITCHES)
    for title in GROUPS:
        assert f"<h2>{title}</h2>" in page
    for name, (label, hint) in SWITCHES.items():
        assert page.count(f'name="{name}"') == 1
        assert f"<span>{label}<small>{hint}</small></span>" in page


def test_the_page_says_whose_rules_it_shows(browser_as: Any, at: Any, lab: Any, actor_of: Any):
    assert "These are the installation's defaults." in html.unescape(
        browser_as("rita").get(at("policy")).content.decode()
    )
    policy_set(lab, {"devices": True}, actor=actor_of("root"))
    page = browser_as("rita").get(at("policy")).content.decode()
    assert "for this environment." in page
    assert "These are the installation" not in page
    boxes = {name: f'name="{name}" checked' in " ".join(page.split()) for name in SWITCHES}
    assert [name for name, on in boxes.items() if on] == ["devices"]
