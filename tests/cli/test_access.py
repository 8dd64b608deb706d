"""Who is called and as whom: options, variables, stored contexts; and what is said when that is wrong."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.control.reconcile import reconcile_until_idle
from apps.environments.actor import Actor
from apps.environments.models import DeviceLogin, Environment
from apps.environments.services import device_login_allow, device_login_deny
from apps.hosts.models import Host
from corral_cli.contexts import ContextStore, PortalAccess, access_from
from corral_cli.errors import CliError, ExitCode
from tests.cli.command_line import CommandLine

KeyPair = Callable[..., tuple[str, str]]


def test_without_a_portal_the_remedy_is_said(nobody: CommandLine):
    found = nobody.fail("ps")
    assert found.code == ExitCode.USAGE
    assert "corral login URL" in found.err


def test_a_url_without_a_scheme_is_refused(nobody: CommandLine):
    assert nobody.fail("ps", "--url", "portal.test").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("url", "root", "environment"),
    [
        ("http://p:8080", "http://p:8080", ""),
        ("http://p:8080/", "http://p:8080", ""),
        ("https://p/v1", "https://p", ""),
        ("https://p/v1/schemas", "https://p", ""),
        ("https://p/v2-beta", "https://p", ""),
        ("https://p/v1/projects/1a5", "https://p", "1a5"),
        ("https://p/v2-beta/projects/1a5/schemas", "https://p", "1a5"),
        ("https://p/below/v1/", "https://p/below", ""),
    ],
)
def test_every_form_of_the_api_s_url_names_the_portal(url: str, root: str, environment: str):
    found = PortalAccess(url).normalized()
    assert (found.url, found.environment) == (root, environment)


def test_corral_s_variables_come_before_rancher_s():
    environ = {
        "CORRAL_URL": "http://a",
        "RANCHER_URL": "http://b",
        "RANCHER_ACCESS_KEY": "k",
        "CORRAL_ENVIRONMENT": "e",
    }
    found = access_from({"secret_key": "s"}, environ, PortalAccess())
    assert found == PortalAccess("http://a", "k", "s", "e")


def test_a_stored_key_goes_to_its_own_portal_only():
    """Whoever has a URL put into the environment must not be sent the key of another portal."""
    stored = PortalAccess("https://mine", "key", "secret", "1a5", "ca.pem")
    assert access_from({"url": "https://other"}, {}, stored) == PortalAccess("https://other")
    assert access_from({"url": "https://mine/v1"}, {}, stored).access_key == "key"
    assert access_from({}, {"RANCHER_ENVIRONMENT": "Stage"}, stored).environment == "Stage"


def test_login_stores_the_key_for_its_owner_only(nobody: CommandLine, key_pair: KeyPair, host: Host):
    access, secret = key_pair()
    found = nobody.succeed("login", "http://portal.test", "--key", stdin=f"{access}\n{secret}\n")
    assert found.out == "Logged in to http://portal.test as context portal.test: 1 environment.\n"
    assert secret not in found.out + found.err
    path = Path(nobody.environ["CORRAL_CONFIG"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert nobody.succeed("hosts", "--format", "json").json[0]["name"] == "lab-1"
    nobody.succeed("logout")
    assert secret not in path.read_text()
    assert nobody.fail("hosts").code == ExitCode.USAGE


def test_login_with_a_wrong_key_stores_nothing(nobody: CommandLine, lab: Environment):
    found = nobody.fail("login", "http://portal.test", "--key", stdin="A\nB\n")
    assert found.code == ExitCode.CREDENTIALS
    assert not Path(nobody.environ["CORRAL_CONFIG"]).exists()


def test_where_nobody_sees_the_code_a_key_is_wanted(nobody: CommandLine):
    refused = nobody.fail("login", "http://portal.test")
    assert "--key" in refused.err
    assert refused.calls == []


def test_login_by_a_browser_stores_the_key_that_was_allowed(
    nobody: CommandLine, actor_of: Callable[..., Actor], lab: Environment, host: Host
):
    def allow() -> None:
        row = DeviceLogin.objects.get()
        if row.state == DeviceLogin.WAITING and row.polled is not None:  # asked once already
            device_login_allow(row, actor=actor_of("alice"), environment=lab, role="readonly")
            reconcile_until_idle()

    nobody.while_waiting = allow
    nobody.transport.failures.append(CliError("away", ExitCode.UNREACHABLE))
    found = nobody.run("login", "http://portal.test", tty=True)
    assert found.code == ExitCode.UNREACHABLE  # nothing had begun
    found = nobody.succeed("login", "http://portal.test", tty=True)
    code = DeviceLogin.objects.get(state=DeviceLogin.FETCHED).user_code
    assert f"/device?code={code}" in found.err
    assert "1 environment." in found.out
    stored = ContextStore(nobody.environ).get()
    assert (stored.url, stored.environment) == ("http://portal.test", f"1a{lab.pk}")
    assert stored.secret_key not in found.out + found.err
    assert stat.S_IMODE(Path(nobody.environ["CORRAL_CONFIG"]).stat().st_mode) == 0o600
    assert nobody.succeed("hosts", "--format", "json").json[0]["name"] == "lab-1"


def test_a_refused_login_stores_nothing(nobody: CommandLine, actor_of: Callable[..., Actor], lab: Environment):
    nobody.while_waiting = lambda: device_login_deny(DeviceLogin.objects.get(), actor=actor_of("alice"))
    found = nobody.fail("login", "http://portal.test", "--browser")
    assert (found.code, "refused" in found.err) == (ExitCode.REFUSED, True)
    assert not Path(nobody.environ["CORRAL_CONFIG"]).exists()


def test_a_login_that_nobody_answers_ends_in_time(nobody: CommandLine, lab: Environment):
    nobody.while_waiting = lambda: None
    found = nobody.fail("login", "http://portal.test", "--browser")
    assert found.code == ExitCode.TIMEOUT
    assert 600 <= nobody.seconds < 700
    assert len(found.calls) < 60  # it goes slower when the portal says so


def test_of_several_environments_one_must_be_chosen(
    nobody: CommandLine, key_pair: KeyPair, second_environment: Environment
):
    access, secret = key_pair(account=True)
    nobody.succeed("login", "http://portal.test", "--key", "--name", "test", stdin=f"{access}\n{secret}\n")
    found = nobody.fail("ps")
    assert found.code == ExitCode.USAGE
    assert "Lab" in found.err
    assert "Stage" in found.err
    assert nobody.succeed("env", "--format", "json").json[0]["name"] == "Lab"
    nobody.succeed("env", "use", "stage")
    assert nobody.succeed("ps", "--format", "json").json == []
    assert nobody.succeed("contexts", "--format", "json").json[0]["current"] is True
    assert nobody.fail("env", "use", "nothing").code == ExitCode.NOT_FOUND
    nobody.environ["RANCHER_ENVIRONMENT"] = "nothing"
    assert nobody.fail("ps").code == ExitCode.NOT_FOUND


def test_contexts_are_used_and_removed_by_name(nobody: CommandLine, key_pair: KeyPair, lab: Environment):
    access, secret = key_pair()
    for name in ("one", "two"):
        login = ("login", "http://portal.test", "--key", "--name", name, "--format", "json")
        (row,) = nobody.succeed(*login, stdin=f"{access}\n{secret}\n").json
        assert (row["name"], row["environments"]) == (name, ["Lab"])
    nobody.succeed("contexts", "use", "one")
    rows = nobody.succeed("contexts", "--format", "json").json
    assert [(each["name"], each["current"]) for each in rows] == [("one", True), ("two", False)]
    nobody.succeed("contexts", "rm", "one", "--yes")
    assert nobody.fail("contexts", "use", "one").code == ExitCode.NOT_FOUND
    assert nobody.fail("contexts", "use").code == ExitCode.USAGE
    assert nobody.fail("ps", "--context", "one").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("text", ["{", "\x00", "\xff"])
def test_a_file_of_contexts_that_cannot_be_read_is_named(tmp_path: Path, text: str):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CliError, match="repair or delete it"):
        ContextStore({"CORRAL_CONFIG": str(path)}).get()


@pytest.mark.parametrize("text", ["[]", '{"contexts": 3}', '{"contexts": {"a": 1}, "current": "a"}', '{"current": []}'])
def test_a_damaged_file_of_contexts_holds_none(tmp_path: Path, text: str):
    path = tmp_path / "config.json"
    path.write_text(text)
    assert ContextStore({"CORRAL_CONFIG": str(path)}).get() == PortalAccess()


def test_a_context_is_stored_beside_others(tmp_path: Path):
    store = ContextStore({"CORRAL_CONFIG": str(tmp_path / "deep" / "config.json")})
    store.save("a", PortalAccess("http://a"))
    store.save("b", PortalAccess("http://b"))
    assert store.names() == ["a", "b"]
    assert store.current == "b"
    store.remove("b")
    assert store.current == "a"
    assert json.loads(store.path.read_text())["contexts"]["a"]["url"] == "http://a"
    assert [each.name for each in store.path.parent.iterdir()] == ["config.json"]


def test_a_wrong_key_is_distinguished_from_a_missing_one(cli: CommandLine):
    cli.environ["RANCHER_SECRET_KEY"] = "wrong"
    found = cli.fail("ps")
    assert found.code == ExitCode.CREDENTIALS
    assert "does not accept this key" in found.err
    del cli.environ["RANCHER_ACCESS_KEY"]
    found = cli.fail("ps")
    assert found.code == ExitCode.CREDENTIALS
    assert "wants a key" in found.err


def test_an_expired_key_is_refused_with_the_reason(cli: CommandLine, key_pair: KeyPair):
    access, secret = key_pair(expires=timezone.now() + timedelta(seconds=1))
    from apps.accounts.models import ApiKey

    ApiKey.objects.filter(public_value=access).update(expires=timezone.now() - timedelta(days=1))
    cli.environ |= {"RANCHER_ACCESS_KEY": access, "RANCHER_SECRET_KEY": secret}
    found = cli.fail("ps")
    assert found.code == ExitCode.CREDENTIALS
    assert "expired" in found.err


def test_an_address_that_is_no_portal_says_so(cli: CommandLine):
    cli.environ["RANCHER_URL"] = "http://portal.test/elsewhere"
    found = cli.fail("ps")
    assert found.code == ExitCode.NOT_FOUND
    assert "is this the URL of a portal?" in found.err


def test_a_portal_that_does_not_answer_is_said_so(cli: CommandLine):
    cli.transport.failures.append(CliError("Nothing listens at http://portal.test", ExitCode.UNREACHABLE))
    assert cli.fail("ps").code == ExitCode.UNREACHABLE


def test_members_are_listed_with_their_roles(cli: CommandLine):
    rows = cli.succeed("members", "--format", "json").json
    assert {each["name"]: each["role"] for each in rows}["Rita"] == "readonly"


def test_an_account_creates_an_environment(cli_of: Callable[..., CommandLine], lab: Environment):
    found = cli_of("alice", account=True).succeed("env", "create", "New", "--format", "json")
    assert found.json[0]["name"] == "New"


def test_a_key_is_created_shown_once_and_removed(cli: CommandLine):
    made = cli.succeed("keys", "create", "deploy", "--role", "member", "--format", "json").json
    assert made["secretKey"]
    listed = cli.succeed("keys", "--format", "json").json
    assert "deploy" in {each["name"] for each in listed}
    assert made["secretKey"] not in json.dumps(listed)
    cli.succeed("keys", "rm", "deploy", "-y")
    assert cli.fail("keys", "rm", "nothing").code == ExitCode.NOT_FOUND
    assert cli.fail("keys", "create").code == ExitCode.USAGE
    assert cli.fail("keys", "create", "x", "--role", "emperor").code == ExitCode.INVALID
