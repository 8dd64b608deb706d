"""WordPress of the library on a real engine, as a client of the catalog's API launches and upgrades it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from portal.tools.busybox_image import image_tar, import_image
from tests.docker.portal_process import Api, free_port, wait_until
from tests.engine import PrivateEngine, remove_all_containers

pytestmark = pytest.mark.docker

SERVE = "httpd -p {port} -h /www; trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
IMAGES = {
    "wordpress:6.6.2-apache": 80,
    "wordpress:6.7.1-apache": 80,
    "mariadb:11.4.3": 3306,
    "mariadb:11.4.4": 3306,
}
"""What the two versions run, with the ports that their health checks connect to."""
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


def version(api: Api, number: int) -> Any:
    """A version of the template, as soon as the library has been read."""
    path = f"{api.base}/v1-catalog/templates/library:wordpress:{number}"
    wait_until(lambda: api.call("GET", path).ok, seconds=60, what="the library's WordPress")
    return api.get(path)


def running(listed_containers: Listed) -> tuple[str, ...]:
    found = listed_containers("blog_").values()
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
    first = version(api, 0)
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
