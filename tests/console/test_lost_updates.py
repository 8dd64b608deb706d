"""Forms that were open while somebody else saved: only what was changed is sent on, and conflicts show both values."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.containers.models import HostPolicy
from apps.containers.policy_services import policy_set
from apps.containers.selectors import policies_of
from apps.control.reconcile import reconcile_one
from apps.core.models import Setting
from apps.core.services import setting_write
from apps.environments.models import Environment, Member, Role
from apps.environments.services import environment_key_create, role_create, role_update
from apps.hosts.models import Host
from apps.hosts.services import host_update
from apps.stacks.models import Service
from apps.stacks.services import service_update

HX = {"HX-Request": "true"}
WEB = {"name": "web", "description": "", "scale": "2", "lost_policy": "wait", "lost_seconds": "60"}


def basis_of(page: str) -> str:
    found = re.search(r'name="based_on"\s+value="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def opened(client: Any, path: str) -> str:
    """What a form that is opened now starts from."""
    return basis_of(client.get(path, headers=HX).content.decode())


@pytest.fixture
def path(at: Any, web: Service) -> str:
    return str(at("service-edit", pk=web.pk))


def test_a_description_saved_from_an_old_form_leaves_the_new_scale(
    browser_as: Any, path: str, web: Service, actor_of: Any
):
    client = browser_as("alice")
    basis = opened(client, path)
    service_update(web, actor=actor_of("bob"), scale=3)
    answer = client.post(path, {**WEB, "description": "front door", "based_on": basis}, headers=HX)
    assert answer.status_code == 204
    web.refresh_from_db()
    assert (web.scale, web.description) == (3, "front door")


def test_two_scales_are_both_shown_and_one_is_chosen(browser_as: Any, path: str, web: Service, actor_of: Any):
    client = browser_as("alice")
    basis = opened(client, path)
    service_update(web, actor=actor_of("bob"), scale=3)
    answer = client.post(path, {**WEB, "scale": "5", "based_on": basis}, headers=HX)
    page = answer.content.decode()
    assert answer.status_code == 412
    assert "Bob changed this" in page
    assert re.search(r"Keep theirs:\s*<b>3</b>", page)
    assert re.search(r"Use mine:\s*<b>5</b>", page)
    web.refresh_from_db()
    assert web.scale == 3
    again = {**WEB, "scale": "5", "based_on": basis_of(page)}
    assert client.post(path, {**again, "choice-scale": "theirs"}, headers=HX).status_code == 204
    web.refresh_from_db()
    assert web.scale == 3
    assert client.post(path, {**again, "choice-scale": "mine"}, headers=HX).status_code == 204
    web.refresh_from_db()
    assert web.scale == 5


def test_a_form_refused_for_another_reason_still_starts_from_what_was_seen(
    browser_as: Any, path: str, web: Service, actor_of: Any
):
    client = browser_as("alice")
    basis = opened(client, path)
    service_update(web, actor=actor_of("bob"), scale=3)
    sent = {**WEB, "scale": "5", "name": "not a name", "based_on": basis}
    refused = client.post(path, sent, headers=HX)
    assert refused.status_code in {412, 422}
    sent |= {"name": "web", "based_on": basis_of(refused.content.decode())}
    if refused.status_code == 422:
        assert client.post(path, sent, headers=HX).status_code == 412
    web.refresh_from_db()
    assert web.scale == 3


def test_saving_what_was_not_changed_changes_nothing(browser_as: Any, path: str, web: Service):
    before = web.generation
    client = browser_as("alice")
    assert client.post(path, {**WEB, "based_on": opened(client, path)}, headers=HX).status_code == 204
    web.refresh_from_db()
    assert web.generation == before


@pytest.mark.parametrize("basis", ["{", "[]", "null", '{"values": 3}', '{"generation": "x", "values": {}}', "9" * 5000])
def test_a_basis_that_is_not_ours_is_as_none(browser_as: Any, path: str, web: Service, basis: str):
    answer = browser_as("alice").post(path, {**WEB, "scale": "4", "based_on": basis}, headers=HX)
    assert answer.status_code == 204
    web.refresh_from_db()
    assert web.scale == 4


def test_a_scale_typed_over_somebody_else_s_is_refused_in_words(browser_as: Any, at: Any, web: Service, actor_of: Any):
    service_update(web, actor=actor_of("bob"), scale=3)
    answer = browser_as("alice").post(at("service-scale", pk=web.pk), {"scale": "1", "seen": "2"}, headers=HX)
    assert answer.status_code == 412
    assert "scale is 3 now, you want 1" in answer.content.decode()
    web.refresh_from_db()
    assert web.scale == 3


def test_labels_of_a_host(browser_as: Any, at: Any, host: Host, actor_of: Any):
    client, path = browser_as("alice"), at("host-edit", pk=host.pk)
    basis = opened(client, path)
    host_update(host, actor=actor_of("alice"), labels={"disk": "ssd"}, description="left rack")
    sent = {"name": host.name, "description": "", "address": "", "labels": "zone=a", "based_on": basis}
    page = client.post(path, sent, headers=HX).content.decode()
    assert "disk=ssd" in page
    assert "zone=a" in page
    host.refresh_from_db()
    assert (host.labels, host.description) == ({"disk": "ssd"}, "left rack")


def test_the_addresses_of_a_key(browser_as: Any, at: Any, lab: Environment, actor_of: Any):
    key = environment_key_create(actor=actor_of("alice"), environment=lab, name="ci", addresses=["10.0.0.0/8"]).key
    reconcile_one("apiKey", key.pk)
    client, path = browser_as("alice"), at("environment-key-edit", pk=key.pk)
    basis = opened(client, path)
    first = {"name": "ci", "addresses": "10.1.0.0/16", "based_on": basis}
    assert client.post(path, first, headers=HX).status_code == 204
    assert client.post(path, {**first, "addresses": "10.2.0.0/16"}, headers=HX).status_code == 412
    assert ApiKey.all_objects.get(pk=key.pk).addresses == ["10.1.0.0/16"]
    assert client.post(path, {**first, "name": "nightly", "addresses": "10.0.0.0/8"}, headers=HX).status_code == 204
    after = ApiKey.all_objects.get(pk=key.pk)
    assert (after.name, after.addresses) == ("nightly", ["10.1.0.0/16"])


def test_the_name_of_an_account(browser_as: Any, people: Any):
    client, path = browser_as("root"), reverse("console:account-edit", kwargs={"pk": people.bob.pk})
    basis = opened(client, path)
    for name, status in (("Robert", 204), ("Bobby", 412)):
        sent = {"name": name, "kind": "user", "based_on": basis}
        assert client.post(path, sent, headers=HX).status_code == status
    assert User.objects.get(pk=people.bob.pk).name == "Robert"


def test_the_permissions_of_a_role(browser_as: Any, people: Any, actor_of: Any):
    role = role_create(actor=actor_of("root"), name="support", permissions=["logs"])
    client, path = browser_as("root"), reverse("console:role-edit", kwargs={"pk": role.pk})
    basis = opened(client, path)
    role_update(role, actor=actor_of("root"), permissions=["logs", "exec"])
    named = {"permissions": ["logs"], "label": "Support desk", "based_on": basis}
    assert client.post(path, named, headers=HX).status_code == 204
    after = Role.objects.get(pk=role.pk)
    assert (after.label, "exec" in after.permissions) == ("Support desk", True)
    narrowed = {"permissions": ["values"], "label": "", "based_on": basis}
    assert client.post(path, narrowed, headers=HX).status_code == 412


def test_a_rule_of_the_host_policy(browser_as: Any, at: Any, people: Any, lab: Environment, actor_of: Any):
    client, path = browser_as("root"), at("policy")
    basis = opened(client, path)
    rules = policies_of([lab.pk])[lab.pk][0].to_json()
    policy_set(lab, {**rules, "sysctls": ["net.core.somaxconn"], "privileged": True}, actor=actor_of("root"))
    sent = {name: "on" for name, value in rules.items() if value is True}
    sent |= {name: "\n".join(value) for name, value in rules.items() if isinstance(value, list)}
    page = client.post(path, {**sent, "sysctls": "kernel.msgmax", "based_on": basis}, headers=HX)
    assert page.status_code == 412
    assert "net.core.somaxconn" in page.content.decode()
    assert client.post(path, {**sent, "hostIpc": "on", "based_on": basis}, headers=HX).status_code == 204
    stored = HostPolicy.objects.get(environment=lab).rules
    assert (stored["sysctls"], stored["privileged"], stored["hostIpc"]) == (["net.core.somaxconn"], True, True)


def test_the_role_of_a_member(browser_as: Any, people: Any, lab: Environment):
    path = reverse("console:member-role", kwargs={"pk": lab.pk, "account": people.bob.pk})
    client = browser_as("alice")
    assert client.post(path, {"role": "readonly", "seen": "member"}, headers=HX).status_code == 204
    answer = client.post(path, {"role": "owner", "seen": "member"}, headers=HX)
    assert answer.status_code == 412
    assert "readonly" in answer.content.decode()
    assert Member.objects.get(environment=lab, account=people.bob).role == "readonly"


def test_the_value_of_a_setting(browser_as: Any, people: Any, actor_of: Any):
    name = "retention.stats.hours"
    path = reverse("console:settings-save", kwargs={"section": "retention"})
    seen = re.search(rf'name="seen:{name}"\s+value="(\d+)"', page_of(browser_as), re.DOTALL)
    assert seen
    setting_write(name, "96", actor=actor_of("root"))
    client = browser_as("root")
    answer = client.post(path, {name: "72", f"seen:{name}": seen[1]}, headers=HX)
    assert answer.status_code == 412
    assert json.loads(answer.headers["HX-Trigger"])["corral:toast"]["tone"] == "bad"
    assert client.post(path, {name: "", f"seen:{name}": seen[1]}, headers=HX).status_code == 412
    assert Setting.objects.get(name=name).value == "96"
    assert client.post(path, {name: "72", f"seen:{name}": "96"}, headers=HX).status_code == 204


def page_of(browser_as: Any) -> str:
    return str(browser_as("root").get("/admin/settings").content.decode())
