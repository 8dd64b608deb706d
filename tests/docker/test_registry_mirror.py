"""Mirrors of registries with real parts: an engine, Debian's registry as the mirror, and a registry with tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.docker.registries import PasswordRegistry, TokenRegistry, password_registry, token_registry
from tests.engine import PrivateEngine, remove_all_containers

pytestmark = pytest.mark.docker
SECRET, TOKEN = "m1rror-w0rd", "t0ken-w0rd"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, engine: PrivateEngine) -> Iterator[PasswordRegistry]:
    gateway = str(ipaddress.ip_network(engine.net)[1])  # where engines ask for a registry's certificate
    with password_registry(tmp_path_factory.mktemp("mirror"), gateway) as running:
        running.set_password("alice", SECRET)
        with running.trusted():
            yield running


@pytest.fixture(scope="module")
def origin() -> Iterator[TokenRegistry]:
    with token_registry() as running:
        running.accounts["robot"] = TOKEN
        yield running


@pytest.fixture(scope="module", autouse=True)
def _images_of_before(terminal: docker.APIClient) -> Iterator[None]:
    """What is pulled goes again."""
    before = {image["Id"] for image in terminal.images()}
    yield
    remove_all_containers(terminal)
    for image in terminal.images():
        if image["Id"] not in before:
            terminal.remove_image(image["Id"], force=True)


def _names(terminal: docker.APIClient) -> set[str]:
    return {name for image in terminal.images() for name in image["RepoTags"] or ()}


def _push(terminal: docker.APIClient, registry: PasswordRegistry, image: str) -> str:
    """Put an image of its own into the mirror and take it off the engine again; its id."""
    made = terminal.create_container("bb:local", command=["sleep", "3600"])["Id"]
    committed = terminal.commit(made, *image.rsplit(":", 1))["Id"]
    terminal.remove_container(made)
    auth = {"username": "alice", "password": SECRET, "serveraddress": registry.address}
    assert "error" not in terminal.push(image, auth_config=auth)
    terminal.remove_image(image)
    return str(committed)


def _add(api: Api, address: str, user: str = "", password: str = "", **more: Any) -> Any:
    row = api.until_state(api.create("registries", serverAddress=address, **more), "active")
    if user:
        api.create("registrycredentials", registryId=row["id"], publicValue=user, secretValue=password, email="")
    return row


def _pull(api: Api, image: str) -> Any:
    task = api.create("pulltasks", image=image, mode="all", labels={})
    return api.until_state(task, "active", seconds=120)


def test_images_that_only_the_mirror_has_run_under_the_names_of_their_registry(
    api: Api, terminal: docker.APIClient, mirror: PasswordRegistry, origin: TokenRegistry, portal: PortalProcess
):
    name, at_mirror = f"{origin.address}/team/web:1", f"{mirror.address}/team/web:1"
    image_id = _push(terminal, mirror, at_mirror)
    origin.is_limited = True
    _add(api, origin.address, "robot", TOKEN, mirror=mirror.address)
    stop: dict[str, Any] = {"stopSignal": "SIGKILL"}
    api.deploy("first", "web", 1, imageUuid=f"docker:{name}", **stop)

    def has_failed() -> bool:
        return any("The rate limit of" in (row["transitioningMessage"] or "") for row in api.containers("first"))

    wait_until(has_failed, seconds=120, what="a failed pull")
    (said,) = portal.rows("SELECT message FROM containers_pull")[0]
    assert f"Before that, the mirror {mirror.address} failed: Access denied by {mirror.address}" in said
    _add(api, mirror.address, "alice", SECRET)  # and what waits goes on by itself
    api.until_running("first", 1, seconds=120)
    assert name in _names(terminal)
    assert at_mirror not in _names(terminal)
    assert terminal.inspect_image(name)["Id"] == image_id
    assert terminal.inspect_image(name)["RepoDigests"] == []  # what the portal keeps the digest for
    ((digest_name,),) = portal.rows("SELECT digest_name FROM containers_mirroredimage")
    repository, _at, digest = digest_name.partition("@")
    assert (repository, digest[:7]) == (f"{origin.address}/team/web", "sha256:")

    remove_all_containers(terminal)
    terminal.remove_image(name, force=True)
    api.deploy("second", "web", 1, imageUuid=f"docker:{name}@{digest}", **stop)
    api.until_running("second", 1, seconds=120)
    made = next(each for each in terminal.containers() if any("second" in name for name in each["Names"]))
    assert made["ImageID"] == image_id


def test_what_the_mirror_does_not_have_or_cannot_answer_comes_from_the_registry(
    api: Api, terminal: docker.APIClient, mirror: PasswordRegistry, origin: TokenRegistry
):
    origin.is_limited = False
    done = _pull(api, origin.image)
    assert list(done["status"].values()) == ["Done"]
    assert f"the mirror {mirror.address} failed: " in done["transitioningMessage"]
    assert origin.image in _names(terminal)
    assert mirror.process is not None
    mirror.process.kill()
    mirror.process.wait(60)
    done = _pull(api, origin.image)
    assert "The host cannot connect to the registry." in done["transitioningMessage"]
    for secret in (SECRET, TOKEN):
        assert secret not in str(done)
