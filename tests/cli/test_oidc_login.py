"""Logging in by the identity token of a CI job, and the rules that accept it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import ApiKey
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.federation import issuer_store
from apps.federation.models import IssuerKeySet, TrustRule
from apps.federation.services import trust_rule_create
from corral_cli.errors import CliError, ExitCode
from corral_cli.oidc_login import job_token
from corral_cli.transport import HttpAnswer
from tests.cli.command_line import CommandLine
from tests.federation.issuing import GITHUB, Issuer

PORTAL = "http://portal.test"


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer called like GitHub's, which answers at once."""
    found = Issuer()
    monkeypatch.setattr(issuer_store, "fetch_issuer_keys", found.fetch)
    return found


@pytest.fixture
def make_rule(actor_of: Any, lab: Environment) -> Callable[..., TrustRule]:
    def make() -> TrustRule:
        row = trust_rule_create(
            actor=actor_of("alice"),
            environment=lab,
            name="deploy",
            issuer=GITHUB,
            audience=PORTAL,
            conditions={"repository": "acme/shop"},
            role="restricted",
        )
        reconcile_until_idle()
        return row

    return make


@pytest.fixture
def token_file(tmp_path: Path, issuer: Issuer) -> str:
    """A file with a token of the job."""
    (tmp_path / "token.jwt").write_text(issuer.token(aud=PORTAL) + "\n")
    return str(tmp_path / "token.jwt")


def test_a_token_of_a_file_becomes_a_key_that_is_stored(
    nobody: CommandLine, make_rule: Any, token_file: str, lab: Environment
):
    make_rule()
    found = nobody.succeed("login", PORTAL, "--oidc-token-file", token_file, "--env", f"1a{lab.pk}")
    assert found.out == f"Logged in to {PORTAL} as context portal.test: 1 environment.\n"
    assert "The key ends in 15 minutes." in found.err
    assert Path(token_file).read_text().strip() not in found.out + found.err
    stored = json.loads(Path(nobody.environ["CORRAL_CONFIG"]).read_text())["contexts"]["portal.test"]
    assert stored["environment"] == f"1a{lab.pk}"
    assert ApiKey.objects.get(public_value=stored["access_key"]).name == "acme/shop run 42 (deploy)"
    assert nobody.succeed("stacks", "--format", "json").json == []


def test_a_token_in_the_environment_needs_no_option(
    nobody: CommandLine, make_rule: Any, issuer: Issuer, lab: Environment
):
    make_rule()
    nobody.environ["CORRAL_OIDC_TOKEN"] = issuer.token(aud=PORTAL)
    assert nobody.succeed("login", PORTAL, "--env", f"1a{lab.pk}").calls[0] == "POST /v1/tokenexchange"


def test_a_key_that_is_given_comes_before_such_a_token(cli_of: Any, issuer: Issuer):
    cli = cli_of()
    cli.environ["CORRAL_OIDC_TOKEN"] = issuer.token(aud=PORTAL)
    assert "POST /v1/tokenexchange" not in cli.succeed("login", PORTAL).calls


@pytest.mark.parametrize("place", [(), ("--env", "Lab")])
def test_the_environment_is_named_by_its_id(nobody: CommandLine, make_rule: Any, issuer: Issuer, place: Any):
    make_rule()
    nobody.environ["CORRAL_OIDC_TOKEN"] = issuer.token(aud=PORTAL)
    refused = nobody.fail("login", PORTAL, "--oidc", *place)
    assert refused.code == ExitCode.USAGE
    assert "Say --env with the id of the environment" in refused.err
    assert refused.calls == []


def test_the_environment_may_be_in_a_variable_or_in_the_url(
    nobody: CommandLine, make_rule: Any, issuer: Issuer, lab: Environment
):
    make_rule()
    nobody.environ["CORRAL_OIDC_TOKEN"] = issuer.token(aud=PORTAL)
    nobody.succeed("login", f"{PORTAL}/v1/projects/1a{lab.pk}", "--oidc")
    nobody.environ |= {"CORRAL_OIDC_TOKEN": issuer.token(aud=PORTAL), "CORRAL_ENVIRONMENT": f"1a{lab.pk}"}
    nobody.succeed("login", PORTAL, "--oidc")


def test_a_token_that_no_rule_accepts_is_refused_in_words(nobody: CommandLine, token_file: str, lab: Environment):
    found = nobody.fail("login", PORTAL, "--oidc-token-file", token_file, "--env", f"1a{lab.pk}")
    assert found.code == ExitCode.CREDENTIALS
    assert "No rule of this portal accepts this token" in found.err
    assert not Path(nobody.environ["CORRAL_CONFIG"]).exists()


def test_an_issuer_that_is_away_for_a_moment_is_waited_for(
    nobody: CommandLine, make_rule: Any, issuer: Issuer, token_file: str, lab: Environment
):
    make_rule()
    issuer.failure = "it does not answer in time"

    def back() -> None:
        issuer.failure = ""
        IssuerKeySet.objects.update(attempted_at=None)

    nobody.while_waiting = back
    assert (
        "Trying again." in nobody.succeed("login", PORTAL, "--oidc-token-file", token_file, "--env", f"1a{lab.pk}").err
    )


@pytest.mark.parametrize(
    ("environ", "said", "code"),
    [
        ({}, "--oidc-token-file", ExitCode.USAGE),
        ({"GITHUB_ACTIONS": "true"}, "id-token: write", ExitCode.USAGE),
        (
            {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://x/token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"},
            "no address over https",
            ExitCode.USAGE,
        ),
    ],
)
def test_without_a_token_the_remedy_is_said(nobody: CommandLine, environ: Any, said: str, code: ExitCode):
    nobody.environ |= environ
    found = nobody.fail("login", PORTAL, "--oidc")
    assert found.code == code
    assert said in found.err


@pytest.mark.parametrize(("content", "code"), [(None, 6), (b"", 7), (b"\xff\xfe", 7), (b"x" * 70_000, 7)])
def test_a_file_without_a_token_is_refused(nobody: CommandLine, tmp_path: Path, content: bytes | None, code: int):
    path = tmp_path / "none.jwt"
    if content is not None:
        path.write_bytes(content)
    assert nobody.fail("login", PORTAL, "--oidc-token-file", str(path)).code == code


class GithubTokens:
    """What answers to a job that requests its token; what it was sent is kept."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = HttpAnswer(status, {}, body)
        self.sent: list[tuple[str, str]] = []

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        assert (method, body) == ("GET", None)
        self.sent.append((url, headers["Authorization"]))
        return self._answer

    def open_socket(self, url: str, headers: Mapping[str, str]) -> Any:
        raise AssertionError(url)


GITHUB_JOB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://run.actions.example.com/token?api-version=2.0",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner-word",
}


def test_on_github_the_job_requests_its_token_itself():
    github = GithubTokens(200, b'{"value": "a.b.c", "count": 1}')
    assert job_token(GITHUB_JOB, github, file="", audience="https://portal.example.com/a b") == "a.b.c"
    url = "https://run.actions.example.com/token?api-version=2.0&audience=https%3A%2F%2Fportal.example.com%2Fa%20b"
    assert github.sent == [(url, "bearer runner-word")]


@pytest.mark.parametrize(("status", "body"), [(403, b"{}"), (200, b"<html>"), (200, b'{"value": 7}'), (200, b"[]")])
def test_a_token_that_github_does_not_give_is_said(status: int, body: bytes):
    with pytest.raises(CliError) as found:
        job_token(GITHUB_JOB, GithubTokens(status, body), file="", audience="x")
    assert found.value.code is ExitCode.UNREACHABLE
    assert "runner-word" not in str(found.value)


def test_rules_are_made_listed_and_removed(cli_of: Any, lab: Environment):
    cli = cli_of()
    claims = ("--claim", "repository=acme/shop", "--claim", "ref=refs/heads/main")
    made = cli.succeed("trust", "create", "deploy", *claims, "--minutes", "10")
    assert f"corral login http://portal.test --oidc --env 1a{lab.pk}" in made.out
    row = TrustRule.all_objects.get()
    assert (row.issuer, row.audience, row.role, row.minutes) == (GITHUB, PORTAL, "restricted", 10)
    assert row.conditions == {"repository": "acme/shop", "ref": "refs/heads/main"}
    reconcile_until_idle()
    (listed,) = cli.succeed("trust", "--format", "json").json
    assert listed["conditions"] == "repository=acme/shop, ref=refs/heads/main"
    cli.succeed("trust", "deactivate", "deploy")
    reconcile_until_idle()
    cli.succeed("trust", "activate", "deploy")
    reconcile_until_idle()
    cli.succeed("trust", "rm", "deploy", "--yes")
    reconcile_until_idle()
    assert cli.succeed("trust", "ls", "--format", "json").json == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create",), "say which rule"),
        (("create", "x"), "say whose jobs are trusted"),
        (("create", "x", "--claim", "repository"), "is not NAME=VALUE"),
        (("create", "x", "--claim", "ref=a", "--claim", "ref=b"), "is given twice"),
        (("create", "x", "--claim", "sub=a", "--issuer", "nowhere"), "no address of an issuer"),
        (("create", "x", "--claim", "sub=a", "--minutes", "90"), "minutes must not be more than 60"),
        (("rm", "x"), "There is no trust rule x"),
    ],
)
def test_mistakes_are_said_in_a_line(cli_of: Any, arguments: tuple[str, ...], said: str):
    assert said in cli_of().fail("trust", *arguments).err
