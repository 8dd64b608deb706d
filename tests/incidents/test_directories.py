"""Incidents of other portals with their directories, which must not happen here."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client
from django.utils import timezone

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers import services
from apps.accounts.providers.ldap import provider as ldap_provider
from apps.accounts.providers.ldap.config import DirectoryProviderConfig
from apps.control.models import AuditEntry
from apps.core.errors import Invalid
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import members_set
from tests.accounts.certificate_authority import certificate_authority
from tests.accounts.fake_directory import SAMPLE, FakeDirectory
from tests.accounts.fake_github import FakeGitHub
from tests.accounts.silent_server import silent_server
from tests.accounts.slapd import PASSWORD, Slapd

SECRET = SAMPLE["serviceAccountPassword"]


@pytest.fixture
def root(people: Any) -> Any:
    return actor_of_user(people.root, "cli")


@pytest.fixture
def switch_on(root: Any) -> Callable[..., AuthProvider]:
    def make(kind: str, data: dict[str, Any]) -> AuthProvider:
        services.provider_save(kind, data, actor=root)
        AuthProvider.objects.filter(kind=kind).update(enabled=True)
        return AuthProvider.objects.get(kind=kind)

    return make


@pytest.fixture
def fake_directory(switch_on: Any, monkeypatch: pytest.MonkeyPatch) -> FakeDirectory:
    made = FakeDirectory()
    made.add("ann", "crew")
    monkeypatch.setattr(ldap_provider, "load_reader", lambda: made)
    switch_on("openldap", SAMPLE)
    return made


@pytest.fixture
def fake_github(switch_on: Any) -> Iterator[FakeGitHub]:
    made = FakeGitHub()
    switch_on("github", made.config())
    yield made
    made.close()


def through_github(client: Client) -> User | None:
    location = client.post("/login/github")["Location"]
    client.get("/login/github/return", {"code": "good", "state": location.rpartition("state=")[2][:32]})
    number = client.session.get("_auth_user_id")
    return User.objects.filter(pk=number or 0).first()


INJECTIONS = (
    "*",
    "ann)(uid=*",
    "*)(uid=*))(|(uid=*",
    "ann)(objectClass=*",
    "*)(|(userPassword=*)",
    "ann\\2a",
    "%(user)s",
)


@pytest.mark.servers
def test_liteops_16_input_never_becomes_part_of_the_filter(switch_on: Any, tmp_path: Any, root: Any):
    """opsre/LiteOps #16: the log-in filter was built from the unescaped user name."""
    pytest.importorskip("ldap")
    server = Slapd(tmp_path)
    server.start()
    try:
        switch_on("openldap", server.config())
        assert authenticate(None, username="ann", password=PASSWORD) is not None
        for typed in INJECTIONS:
            assert authenticate(None, username=typed, password=PASSWORD) is None, typed
            assert not services.provider_test("openldap", typed, PASSWORD, actor=root), typed
    finally:
        server.stop()


@pytest.mark.parametrize("field", ["userSearchField", "userObjectClass", "groupSearchField", "userMemberAttribute"])
@pytest.mark.parametrize("value", ["uid)(x", "*", "uid=*", "%s", "uid\n", "a b"])
def test_liteops_16_an_attribute_name_cannot_contain_a_filter(root: Any, field: str, value: str):
    with pytest.raises(Invalid):
        services.provider_save("openldap", {**SAMPLE, field: value}, actor=root)


def test_cve_2018_19466_the_bind_password_is_never_returned(people: Any, fake_directory: FakeDirectory, client: Client):
    """Portainer's settings API returned the service account's password in plain text."""
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    client.post("/admin/access/openldap", {**{k: str(v) for k, v in SAMPLE.items()}, "serviceAccountPassword": ""})
    pages = (
        "/admin/access",
        "/admin/access/openldap",
        "/admin/access/openldap/status",
        "/admin/audit",
        "/admin/settings",
    )
    wire = ("/v1/openldapconfigs", "/v1/openldapconfigs/openldapconfig", "/v1/settings", "/v1/auditlogs", "/v1/token")
    for path in (*pages, *wire):
        answer = client.get(path, headers={"Accept": "application/json" if path.startswith("/v1") else "text/html"})
        assert answer.status_code == 200, path
        assert SECRET not in answer.content.decode(), path
    assert AuthProvider.objects.get().stored["serviceAccountPassword"] == SECRET
    assert SECRET not in str(list(AuditEntry.all_objects.values()))


@pytest.mark.sockets
@pytest.mark.parametrize("via", ["page", "token"])
def test_a_silent_directory_answers_within_five_seconds_with_the_reason_and_without_its_address(
    switch_on: Any, people: Any, via: str
):
    """libldap waits forever in a TLS handshake, which many portals report as a wrong password."""
    pytest.importorskip("ldap")
    with silent_server() as port:
        switch_on("openldap", {**SAMPLE, "server": "127.0.0.1", "port": port, "tls": True, "connectionTimeout": 60000})
        began = time.monotonic()
        if via == "page":
            answer = Client().post("/login", {"login": "ann", "password": "x"})
        else:
            answer = Client().post("/v1/token", {"code": "ann:x"}, content_type="application/json")
        assert time.monotonic() - began < 5
    text = answer.content.decode()
    assert "no answer within 3.5 s" in text
    assert "127.0.0.1" not in text
    assert str(port) not in text


def test_a_certificate_of_another_authority_is_refused_by_that_name(switch_on: Any, root: Any, tmp_path: Any):
    import ssl
    import threading

    from tests.accounts.certificate_authority import certify

    certify(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def serve(listener: socket.socket) -> None:
        plain, _address = listener.accept()
        with plain, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(plain, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        other = certificate_authority()[0]
        data = {**SAMPLE, "server": "127.0.0.1", "port": listener.getsockname()[1], "tls": True, "caCertificate": other}
        pytest.importorskip("ldap")
        tested = services.provider_test("openldap", "ann", "x", actor=root, data=data)
        thread.join()
    assert "its certificate was refused" in tested.reason


@pytest.mark.parametrize("password", ["", "\0", "x" * 2000])
def test_an_empty_password_is_never_sent_to_a_directory_that_would_say_yes(
    fake_directory: FakeDirectory, root: Any, monkeypatch: pytest.MonkeyPatch, password: str
):
    """An LDAP bind with a name and an empty password succeeds anonymously."""
    queries: list[str] = []

    def yes(kinds: Any, config: DirectoryProviderConfig, login: str, given: str) -> Claims:
        queries.append(given)
        return fake_directory.claims("ann")

    monkeypatch.setattr(fake_directory, "identify", yes)
    assert authenticate(None, username="ann", password=password) is None
    assert not services.provider_test("openldap", "ann", password, actor=root)
    with pytest.raises(Invalid) if not password else pytest.raises(Exception, match="Not switched on"):
        services.provider_enable("openldap", actor=root, login="ann", password=password)
    assert queries == []


def test_cve_2026_41053_teams_count_by_their_number_on_every_page(
    fake_github: FakeGitHub, people: Any, lab: Environment, client: Client
):
    """Rancher 2 counted people as members of more GitHub teams than they were in."""
    fake_github.teams = [{"id": 1000 + each, "slug": "ops", "name": "Ops"} for each in range(65)]
    fake_github.orgs = [{"id": 7, "login": "acme"}]

    def lab_is_for(kind: str, name: str) -> None:
        owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
        member = {"externalId": name, "externalIdType": kind, "role": "member"}
        members_set(lab, [owner, member], actor=actor_of_user(people.alice, "api"))

    octo = through_github(client)
    assert octo is not None
    roles = {}
    for kind, name in (
        ("github_team", "1064"),
        ("github_team", "1065"),
        ("github_team", "ops"),
        ("github_team", "7"),
        ("github_org", "1001"),
        ("github_org", "acme"),
        ("github_org", "7"),
        ("github_user", "octo"),
    ):
        lab_is_for(kind, name)
        roles[kind, name] = actor_of_user(octo, "api").role(lab.pk)
    assert {pair for pair, role in roles.items() if role} == {("github_team", "1064"), ("github_org", "7")}


@pytest.mark.parametrize("name", ["root", "alice", "ROOT"])
def test_cve_2025_23389_a_matching_name_does_not_log_in_to_an_account(
    fake_github: FakeGitHub, fake_directory: FakeDirectory, people: Any, client: Client, name: str
):
    """A first log-in through a provider could bind to somebody else's account."""
    fake_github.person = {"id": 99, "login": name, "name": name, "email": f"{name}@example.test"}
    octo = through_github(client)
    fake_directory.add(name)
    ann = authenticate(None, username=name, password=name)
    assert octo is not None
    assert ann is not None
    before = {people.root.pk, people.alice.pk}
    assert len({octo.pk, ann.pk} | before) == 4
    assert not octo.is_admin
    assert not ann.is_admin


def test_a_new_person_with_an_old_name_inherits_nothing(fake_directory: FakeDirectory, people: Any, lab: Environment):
    """Accounts are found by entryUUID, objectGUID or GitHub's number, never by a name or a DN that can be reused."""
    first = authenticate(None, username="ann", password="ann")
    assert first is not None
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    named = {"externalId": fake_directory.claims("ann").person.dn, "externalIdType": "openldap_user", "role": "member"}
    members_set(lab, [owner, named], actor=actor_of_user(people.alice, "api"))
    assert actor_of_user(first, "api").role(lab.pk) == "member"
    old, new = (
        fake_directory.claims("ann").person,
        IdentityClaim("openldap_user", "u-ann2", "ann", "Ann", fake_directory.claims("ann").person.dn),
    )
    del fake_directory.groups["ann"]
    fake_directory.groups["ann2"], fake_directory.logins = [], {"ann2": "ann"}
    fake_directory.identify = lambda *_: Claims(new)  # type: ignore[method-assign]
    second = authenticate(None, username="ann", password="ann")
    assert second is not None
    assert second.pk != first.pk
    assert actor_of_user(second, "api").role(lab.pk) is None
    assert old.dn == new.dn


@pytest.mark.parametrize("how", ["left", "gone", "disabled"])
def test_cve_2021_36775_access_ends_with_the_group_or_provider(
    fake_directory: FakeDirectory, people: Any, lab: Environment, run_loop: Any, how: str
):
    """Rancher 2 (CVE-2021-36775, -2019-6287, -2023-32199, -2023-22650): access outlived group, project or provider."""
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    crew = {"externalId": "g-crew", "externalIdType": "openldap_group", "role": "member"}
    members_set(lab, [owner, crew], actor=actor_of_user(people.alice, "api"))
    browser = Client()
    browser.post("/login", {"login": "ann", "password": "ann"})
    page = f"/env/{lab.pk}/stacks"
    assert browser.get(page).status_code == 200
    if how == "left":
        fake_directory.groups["ann"] = []
    elif how == "gone":
        del fake_directory.groups["ann"]
    else:
        fake_directory.out["ann"] = "This person is disabled in the directory."
    Identity.objects.update(refreshed_at=None)
    User.all_objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())
    run_loop()
    assert browser.get(page).status_code == (404 if how == "left" else 302)
    fake_directory.add("ann")
    assert browser.get(page).status_code == (404 if how == "left" else 302)


def test_a_providers_site_access_never_locks_out_the_local_administrator(
    fake_directory: FakeDirectory, root: Any, people: Any
):
    """rancher #14748, #15113: a provider's site access also locked out the local administrator."""
    fake_directory.down = "It is down."
    services.provider_save("openldap", {**SAMPLE, "accessMode": "required"}, actor=root)
    people.root.set_password("the way back in")
    people.root.save()
    assert authenticate(None, username="root", password="the way back in") == people.root
