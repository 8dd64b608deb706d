"""WordPress and Jenkins of the library on a real engine, launched and upgraded by a client of the catalog's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from portal.tools.busybox_image import image_tar, import_image
from tests.docker.portal_process import Api, free_port, wait_until
from tests.engine import PrivateEngine, remove_all_containers

pytestmark = pytest.mark.docker

SERVE = (
    "mkdir -p /www; echo > /www/login; httpd -p {port} -h /www;"
    " trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
)
IMAGES = {
    "wordpress:6.6.2-apache": 80,
    "wordpress:6.7.1-apache": 80,
    "mariadb:11.4.3": 3306,
    "mariadb:11.4.4": 3306,
    "jenkins/jenkins:2.462.3-lts-jdk17": 8080,
    "jenkins/jenkins:2.479.2-lts-jdk17": 8080,
}
"""What two versions of each run, with the ports that their health checks connect to."""
OLD, NEW = ("mariadb:11.4.3", "wordpress:6.6.2-apache"), ("mariadb:11.4.4", "wordpress:6.7.1-apache")
Listed = Callable[[str], dict[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _images(engine: PrivateEngine, terminal: docker.APIClient, _clean_engine: None) -> Iterator[None]:
    """Images under the names that the template has, which listen where the real ones do."""
    tree = image_tar()
    for tag, port in IMAGES.items():
        words = f'CMD ["sh", "-c", "{SERVE.format(port=port)}"]'
        import_image(engine.url, tag, tree, [words, "ENV PATH=/bin"])
    yield
    remove_all_containers(terminal)
    for tag in IMAGES:
        terminal.remove_image(tag)


def first_version(api: Api, template: str) -> Any:
    """The oldest version of a template, as soon as the library has been read."""
    path = f"{api.base}/v1-catalog/templates/library:{template}:0"
    wait_until(lambda: api.call("GET", path).ok, seconds=60, what=f"the library's {template}")
    return api.get(path)


def running(listed_containers: Listed, prefix: str = "blog_") -> tuple[str, ...]:
    found = listed_containers(prefix).values()
    return tuple(sorted(each["Image"] for each in found if each["State"] == "running"))


def ports(listed_containers: Listed) -> set[int]:
    """The ports of the host at which the stack answers."""
    found = [port for each in listed_containers("blog_").values() for port in each["Ports"]]
    return {int(port["PublicPort"]) for port in found if "PublicPort" in port}


def passwords(terminal: docker.APIClient, listed_containers: Listed) -> set[str]:
    """What the running containers have as the password of the database."""
    environments = [
        terminal.inspect_container(each["Id"])["Config"]["Env"]
        for each in listed_containers("blog_").values()
        if each["State"] == "running"
    ]
    texts = [text.partition("=") for listed in environments for text in listed]
    return {value for name, _equal, value in texts if name in {"WORDPRESS_DB_PASSWORD", "MARIADB_PASSWORD"}}


def test_wordpress_is_launched_upgraded_and_rolled_back(
    api: Api, terminal: docker.APIClient, listed_containers: Listed
) -> None:
    first = first_version(api, "wordpress")
    answers = {each["variable"]: each["default"] for each in first["questions"]}
    assert answers == {"http_port": "8080", "db_password": ""}
    answers["http_port"] = str(free_port())
    made = api.create(
        "environments", name="blog", externalId=f"catalog://{first['id']}", environment=answers, startOnCreate=True
    )
    api.until_running("blog_", 2)
    stack = api.until_state(made, "active")
    assert (stack["externalId"], running(listed_containers)) == ("catalog://library:wordpress:0", OLD)
    (password,) = passwords(terminal, listed_containers)
    assert len(password) == 24
    assert ports(listed_containers) == {int(answers["http_port"])}

    (newer,) = [link for text, link in first["upgradeVersionLinks"].items() if text == "6.7.1"]
    wanted = f"catalog://{api.get(newer)['id']}"
    seen = api.act(stack, "previewupgrade", externalId=wanted)
    assert {each["name"]: each["change"] for each in seen["services"]} == {"wordpress": "upgrade", "db": "upgrade"}
    api.act(stack, "upgrade", externalId=wanted, basedOn=seen["basedOn"])
    upgraded = api.until_state(stack, "upgraded", seconds=120)
    assert (upgraded["externalId"], running(listed_containers)) == (wanted, NEW)
    assert passwords(terminal, listed_containers) == {password}

    api.act(upgraded, "rollback")
    back = api.until_state(upgraded, "active", seconds=120)
    assert (back["externalId"], running(listed_containers)) == ("catalog://library:wordpress:0", OLD)
    assert passwords(terminal, listed_containers) == {password}
    api.delete(back)
    api.until_state(back, "removed", "purged", seconds=60)


def test_jenkins_is_launched_upgraded_and_rolled_back_with_its_home(
    api: Api, terminal: docker.APIClient, listed_containers: Listed
) -> None:
    first = first_version(api, "jenkins")
    answers = {each["variable"]: each["default"] for each in first["questions"]}
    assert answers == {"http_port": "8080", "agent_port": "50000", "heap": "1024"}
    answers |= {"http_port": str(free_port()), "agent_port": str(free_port())}
    made = api.create(
        "environments", name="build", externalId=f"catalog://{first['id']}", environment=answers, startOnCreate=True
    )
    (home,) = _homes(api, made, terminal, listed_containers, "jenkins/jenkins:2.462.3-lts-jdk17", "active")

    ((text, link),) = first["upgradeVersionLinks"].items()
    assert text == "2.479.2"
    wanted = f"catalog://{api.get(link)['id']}"
    seen = api.act(api.reload(made), "previewupgrade", externalId=wanted)
    api.act(api.reload(made), "upgrade", externalId=wanted, basedOn=seen["basedOn"])
    assert _homes(api, made, terminal, listed_containers, "jenkins/jenkins:2.479.2-lts-jdk17", "upgraded") == {home}
    api.act(api.reload(made), "rollback")
    assert _homes(api, made, terminal, listed_containers, "jenkins/jenkins:2.462.3-lts-jdk17", "active") == {home}
    api.delete(made)
    api.until_state(made, "removed", "purged", seconds=60)


def _homes(api: Api, stack: Any, terminal: docker.APIClient, listed: Listed, image: str, state: str) -> set[str]:
    """The volumes that are Jenkins' home, once the stack has the state and runs the image alone."""
    api.until_state(stack, state, seconds=120)
    wait_until(lambda: running(listed, "build_") == (image,), seconds=60, what=image)
    found = [each for each in listed("build_").values() if each["State"] == "running"]
    mounts = [mount for each in found for mount in terminal.inspect_container(each["Id"])["Mounts"]]
    return {str(mount["Name"]) for mount in mounts if mount["Destination"] == "/var/jenkins_home"}
