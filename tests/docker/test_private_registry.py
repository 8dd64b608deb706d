"""Private registries with real parts: a password over TLS, and tokens; through an agent and at a plain engine."""

from __future__ import annotations

import base64
import ipaddress
import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest

from apps.containers.registry_verdicts import read_refusal
from apps.drivers.base import EngineError
from apps.drivers.docker.engine import DockerDriver
from apps.vault.registries.logins import RegistryLogin
from tests.docker.agent_process import AgentProcess
from tests.docker.portal_process import Api, PortalProcess, free_port, wait_until
from tests.docker.registries import PasswordRegistry, TokenRegistry, password_registry, token_registry
from tests.engine import PrivateEngine, remove_all_containers

pytestmark = pytest.mark.docker
FIRST, SECOND, WRONG, TOKEN = "f1rst-w0rd", "s3cond-w0rd", "wr0ng-w0rd", "t0ken-w0rd"


@pytest.fixture(scope="module")
def portal(new_portal: Callable[..., PortalProcess]) -> Iterator[PortalProcess]:
    """A portal that knows no engine of its own."""
    running = new_portal("unix:///nonexistent.sock")
    running.start()
    yield running
    if running.process is not None:
        running.end()


@pytest.fixture(scope="module")
def gateway(engine: PrivateEngine) -> str:
    """The engine's bridge: an address of this machine where engines ask for a registry's certificate."""
    return str(ipaddress.ip_network(engine.net)[1])


@pytest.fixture(scope="module", autouse=True)
def _images_of_before(terminal: docker.APIClient) -> Iterator[None]:
    """What is pulled goes again: an image that has other names too may be taken from those that use it."""
    before = _names(terminal)
    yield
    remove_all_containers(terminal)
    for name in _names(terminal) - before:
        terminal.remove_image(name, force=True)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, gateway: str) -> Iterator[PasswordRegistry]:
    with password_registry(tmp_path_factory.mktemp("registry"), gateway) as running:
        yield running


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenRegistry]:
    with token_registry() as running:
        yield running


@pytest.fixture(scope="module")
def agent_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def host(api: Api, engine: PrivateEngine, agent_folder: Path) -> Iterator[Any]:
    """The engine, as a host through an agent."""
    agent = AgentProcess(agent_folder, engine)
    found: list[Any] = []

    def command() -> str:
        rows = api.get("registrationtokens")["data"]
        return str(rows[0]["command"].split(" ")[-1]) if rows and rows[0]["command"] else ""

    def is_active() -> bool:
        found[:] = api.get("hosts?removed_null=1")["data"]
        return bool(found) and found[0]["state"] == "active" and found[0]["agentState"] == "active"

    try:
        agent.start(wait_until(command, seconds=60, what="a registration command"))
        wait_until(is_active, seconds=120, what="an active host")
        yield found[0]
    finally:
        agent.end(signal.SIGKILL)


def _push(terminal: docker.APIClient, registry: PasswordRegistry, *images: str) -> None:
    """Put the tests' image there by these names, and take them off the engine again."""
    auth = {"username": "alice", "password": FIRST, "serveraddress": registry.address}
    for image in images:
        terminal.tag("bb:local", image)
        assert "error" not in terminal.push(image, auth_config=auth)
        terminal.remove_image(image)


def _until_message(api: Api, prefix: str, text: str) -> None:
    def check() -> bool:
        return any(text in (row["transitioningMessage"] or "") for row in api.containers(prefix))

    wait_until(check, seconds=120, what=f"a container that says {text!r}")


def _add(api: Api, address: str) -> Any:
    return api.until_state(api.create("registries", serverAddress=address), "active")


def _set_account(api: Api, registry: Any, user: str, password: str) -> None:
    api.create("registrycredentials", registryId=registry["id"], publicValue=user, secretValue=password, email="")


def test_an_agent_s_engine_pulls_with_a_password_that_is_rotated(
    api: Api, host: Any, private: PasswordRegistry, terminal: docker.APIClient
):
    one, two = (f"{private.address}/team/web:{tag}" for tag in (1, 2))
    private.set_password("alice", FIRST)
    row = _add(api, private.address)
    account = {"publicValue": "alice", "secretValue": FIRST}
    untrusted = api.act(row, "test", **account)
    assert untrusted["verdict"] == "certificate"
    assert f"/etc/docker/certs.d/{private.address}/ca.crt" in untrusted["remedy"]
    with private.trusted():
        _push(terminal, private, one, two)
        assert api.act(row, "test", publicValue="alice", secretValue=WRONG)["verdict"] == "wrong password"
        assert api.act(row, "test", **account)["accepted"] is True
        stop: dict[str, Any] = {"imageUuid": f"docker:{one}", "stopSignal": "SIGKILL"}
        api.deploy("first", "web", 1, **stop)
        _until_message(api, "first", f"Access denied by {private.address}")
        _set_account(api, row, "alice", FIRST)  # and what waits goes on by itself
        api.until_running("first", 1, seconds=120)
        private.set_password("alice", SECOND)
        (credential,) = api.get("registrycredentials?removed_null=1")["data"]
        api.request("PUT", credential["links"]["self"], {"secretValue": SECOND})
        api.deploy("second", "web", 1, **{**stop, "imageUuid": f"docker:{two}"})
        api.until_running("second", 1, seconds=120)


def test_an_agent_s_engine_pulls_with_a_token_and_waits_when_it_is_limited(
    api: Api, host: Any, tokens: TokenRegistry, terminal: docker.APIClient
):
    tokens.accounts["robot"] = TOKEN
    row = _add(api, tokens.address)
    wrong = api.act(row, "test", publicValue="robot", secretValue=WRONG)
    assert wrong["verdict"] == "wrong password"
    assert WRONG not in json.dumps(wrong)
    tokens.is_limited = True
    _set_account(api, row, "robot", TOKEN)
    api.deploy("third", "tool", 1, imageUuid=f"docker:{tokens.image}")
    _until_message(api, "third", f"The rate limit of {tokens.address} is reached")
    assert tokens.pulls == 0
    tokens.is_limited = False
    _set_account(api, row, "robot", TOKEN)
    wait_until(lambda: tokens.image in _names(terminal), seconds=120, what="the image")
    assert tokens.pulls == 1


def _names(terminal: docker.APIClient) -> set[str]:
    return {name for image in terminal.images() for name in image["RepoTags"] or ()}


def test_the_passwords_are_in_nothing_that_was_written(
    api: Api, host: Any, portal: PortalProcess, agent_folder: Path, engine: PrivateEngine
):
    secrets = [secret.encode() for secret in (FIRST, SECOND, WRONG, TOKEN)]
    pairs = [("alice", FIRST), ("alice", SECOND), ("alice", WRONG), ("robot", TOKEN), ("robot", WRONG)]
    secrets += [base64.b64encode(f"{user}:{password}".encode()).rstrip(b"=") for user, password in pairs]
    files = [path for folder in (portal.data_dir, agent_folder) for path in folder.rglob("*") if path.is_file()]
    found = {str(path) for path in files for secret in secrets if secret in path.read_bytes()}
    assert found == set()
    # Engines log what registries say, and one of these repeated the wrong password.
    logged = (engine.folder / "log").read_bytes()
    assert [secret for secret in (FIRST, SECOND, TOKEN) if secret.encode() in logged] == []
    assert any(b"registryCredential" in path.read_bytes() for path in files)  # the search reads the database
    audit = json.dumps(api.get("auditlogs?limit=1000"))
    assert "registry.test" in audit
    assert "w0rd" not in audit


@pytest.fixture
def web_server(gateway: str) -> Iterator[str]:
    """Something that is no registry, without TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)  # noqa: S104
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield str(server.server_port)
    server.shutdown()
    server.server_close()
    thread.join(60)


def test_what_a_plain_engine_says_of_registries(
    engine: PrivateEngine, private: PasswordRegistry, tokens: TokenRegistry, gateway: str, web_server: str
):
    driver = DockerDriver(engine.endpoint)
    private.set_password("alice", FIRST)
    tokens.accounts["robot"] = TOKEN

    def verdict(address: str, user: str, password: str) -> str:
        login = RegistryLogin(address, user, password)
        try:
            driver.log_in(login.auth)
        except EngineError as error:
            found = read_refusal(login.redact(str(error)), address, "h1")
            assert password not in found.message
            return found.kind
        return "accepted"

    try:
        with private.trusted():
            assert verdict(private.address, "alice", FIRST) == "accepted"
            assert verdict(private.address, "alice", WRONG) == "wrong password"
        assert verdict(tokens.address, "robot", TOKEN) == "accepted"
        assert verdict(tokens.address, "robot", WRONG) == "wrong password"
        assert verdict(f"{gateway}:{web_server}", "alice", FIRST) == "plain HTTP"
        assert verdict(f"127.0.0.1:{web_server}", "alice", FIRST) == "not a registry"
        assert verdict(f"{gateway}:{free_port()}", "alice", FIRST) == "unreachable"
    finally:
        driver.close()
