"""The forms that add stacks, services, containers and hosts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict

from apps.console.containers.launch_form import (
    config_to_form,
    form_errors,
    form_to_config,
    submitted_values,
)
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import service_create
from tests.console.form_page import FormPage

HX = {"HX-Request": "true"}
COMPOSE = "web:\n  image: bb:local\n  links: [db]\ndb:\n  image: bb:local\n"


def form(**fields: Any) -> QueryDict:
    """A posted launch form."""
    sent = QueryDict(mutable=True)
    for name, value in ({"image": "nginx"} | fields).items():
        sent.setlist(name, value if isinstance(value, list) else [value])
    return sent


def test_a_stack_is_made_from_a_pasted_compose_file(browser_as: Any, at: Any, host: Host, lab: Any):
    answer = browser_as("bob").post(
        at("stack-new"), {"name": "shop", "dockerCompose": COMPOSE, "start": "on"}, headers=HX
    )
    stack = Stack.all_objects.get(name="shop", environment=lab)
    assert answer["HX-Redirect"] == at("stack", pk=stack.pk)
    assert set(stack.services.values_list("name", "desired")) == {("web", "active"), ("db", "active")}


def test_a_stack_is_made_from_an_uploaded_file(browser_as: Any, at: Any, lab: Any):
    upload = SimpleUploadedFile("docker-compose.yml", COMPOSE.encode())
    browser_as("bob").post(at("stack-new"), {"name": "shop", "dockerCompose": "", "dockerComposeFile": upload})
    assert Stack.all_objects.get(name="shop", environment=lab).services.count() == 2


def test_a_file_that_is_no_text_is_refused(browser_as: Any, at: Any):
    upload = SimpleUploadedFile("docker-compose.yml", b"\xff\xfe\x00\x01")
    answer = browser_as("bob").post(at("stack-new"), {"name": "shop", "dockerComposeFile": upload})
    assert answer.status_code == 422
    assert b"not valid UTF-8 text" in answer.content
    assert not Stack.all_objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": ""}, b"A name is required"),
        ({"name": "a b"}, b"such as web-1"),
        ({"name": "x" * 64}, b"at most 63"),
        ({"name": "ok", "dockerCompose": "web: [unclosed"}, b"line"),
        ({"name": "ok", "dockerCompose": "web:\n  image: 'BAD IMAGE'\n"}, b"image"),
    ],
)
def test_a_stack_with_a_mistake_is_not_made_and_the_form_says_why(browser_as: Any, at: Any, data: Any, words: bytes):
    answer = browser_as("bob").post(at("stack-new"), data, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content
    assert not Stack.all_objects.exists()


def test_a_compose_file_is_checked_while_it_is_typed(browser_as: Any, at: Any):
    client = browser_as("bob")
    good = client.post(at("stack-check"), {"dockerCompose": COMPOSE}, headers=HX)
    assert b"web" in good.content
    assert b"is-bad" not in good.content
    bad = client.post(at("stack-check"), {"dockerCompose": "web:\n  image: [\n"}, headers=HX)
    assert bad.status_code == 200
    assert b"is-bad" in bad.content
    assert b"line" in bad.content
    assert client.post(at("stack-check"), {"dockerCompose": ""}, headers=HX).status_code == 200


def test_a_service_is_made_with_everything_the_form_has(browser_as: Any, at: Any, shop: Stack, web: Service):
    answer = browser_as("bob").post(
        at("service-new", stack=shop.pk),
        {
            "name": "api", "scale": "3", "image": "bb:local", "start": "on", "env": "A=1\nB=two words",
            "portPublic": ["8080", ""], "portPrivate": ["80", "53"], "portProtocol": ["tcp", "udp"],
            "linkService": [str(web.pk)], "linkName": ["front"], "command": "sleep 'a b'", "memory": "64",
            "awaitPorts": "on",  # the one host can publish 8080 once
        },
        headers=HX,
    )  # fmt: skip
    made = Service.all_objects.get(name="api")
    assert answer["HX-Redirect"] == at("service", pk=made.pk)
    assert made.scale == 3
    assert made.config.environment == {"A": "1", "B": "two words"}
    assert [str(port) for port in made.config.ports] == ["8080:80/tcp", "53/udp"]
    assert made.config.command == ("sleep", "a b")
    assert made.config.memory == 64 * 1024 * 1024
    assert list(ServiceLink.objects.filter(service=made).values_list("target", "name")) == [(web.pk, "front")]


@pytest.mark.parametrize(("names", "words"), [(["a b"], b"is no host name"), (["x", "X"], b"Two links are called")])
def test_what_is_wrong_with_a_link_is_shown_at_the_links(
    names: list[str], words: bytes, browser_as: Any, at: Any, shop: Stack, web: Service
):
    sent = {"name": "api", "scale": "1", "image": "bb:local", "linkService": [str(web.pk)] * len(names)}
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), {**sent, "linkName": names}, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content.partition(b'name="linkName"')[2].partition(b"</fieldset>")[0]
    assert not Service.all_objects.filter(name="api").exists()


def test_a_service_that_links_to_a_foreign_one_is_not_made(browser_as: Any, at: Any, web: Service, actor_of: Any):
    from apps.environments.services import environment_create
    from apps.stacks.services import stack_create

    mallory = actor_of("mallory")
    den = environment_create(actor=mallory, name="Den")
    mine = stack_create(actor=mallory, environment=den, name="mine")
    answer = browser_as("mallory").post(
        f"/env/{den.pk}/stacks/{mine.pk}/services/new",
        {"name": "spy", "scale": "1", "image": "bb:local", "linkService": [str(web.pk)], "linkName": [""]},
        headers=HX,
    )
    assert answer.status_code == 422
    assert not Service.all_objects.filter(name="spy").exists()
    assert b"shop/web" not in browser_as("mallory").get(f"/env/{den.pk}/stacks/{mine.pk}/services/new").content


@pytest.mark.parametrize(
    ("fields", "where", "words"),
    [
        ({"image": ""}, "image", "Name an image"),
        ({"image": "Bad Image"}, "image", "not the name of an image"),
        ({"env": "just words"}, "env", "KEY=value"),
        ({"command": "'open"}, "command", "not closed"),
        (
            {"portPublic": ["80"], "portPrivate": [""], "portProtocol": ["tcp"]},
            "ports",
            "the container port that 80 maps to",
        ),
        ({"portPublic": [""], "portPrivate": ["70000"], "portProtocol": ["tcp"]}, "ports", "1 to 65535"),
        ({"volumes": "relative"}, "volumes", "not a volume"),
        ({"memory": "lots"}, "memory", "not a number"),
        ({"cpus": "-1"}, "cpus", "less than 0"),
        ({"capAdd": "FLY"}, "capAdd", "capability"),
        ({"dns": "nowhere"}, "dns", "IP address"),
        ({"check": "tcp"}, "checkPort", "Enter the port to check"),
        ({"check": "http", "checkPort": "0"}, "checkPort", "less than 1"),
        ({"workingDir": "here"}, "workingDir", "absolute path"),
        ({"memory": "1e999"}, "memory", "not a number"),
        ({"memorySwap": "-2"}, "memorySwap", "less than -1"),
        ({"cpuSet": "all"}, "cpuSet", "0-3,6"),
        ({"domainName": "a b"}, "domainName", "letters"),
        ({"pidMode": "guest"}, "pidMode", "host"),
        ({"logDriver": "json-file", "logOptions": "max size=1m"}, "logOptions", "letters"),
        ({"logDriver": "no such"}, "logDriver", "logConfig.driver"),
        ({"host": "1h999"}, "", ""),
    ],
)
def test_each_mistake_is_shown_at_its_own_field(fields: dict[str, Any], where: str, words: str):
    if not where:
        assert form_to_config(form(**fields)).requested_host_id == "1h999"
        return
    with pytest.raises(Invalid) as caught:
        form_to_config(form(**fields))
    assert list(form_errors(caught.value)) == [where]
    assert words in form_errors(caught.value)[where]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"env": "A=1\nB=x=y", "labels": "io.x=1", "command": "sh -c 'echo hi'", "entryPoint": "/init"},
        {"portPublic": ["80", ""], "portPrivate": ["8080", "53"], "portProtocol": ["tcp", "udp"]},
        {"volumes": "data:/x\n/srv:/y:ro", "memory": "64", "cpus": "0.5", "capAdd": "NET_ADMIN", "pidsLimit": "10"},
        {"check": "http", "checkPort": "80", "checkPath": "/health", "hostname": "web", "dns": "10.0.0.2"},
        {"check": "command", "checkCommand": "true", "tty": "on", "privileged": "on", "restart": "on-failure"},
        {"networkMode": "host", "logDriver": "json-file", "user": "1000", "workingDir": "/srv", "shmSize": "32"},
        {"logDriver": "json-file", "logOptions": "max-size=10m\nmax-file=3", "memory": "64", "memorySwap": "-1"},
        {"memory": "64.3", "memorySwap": "128.7", "cpuSet": "0-1", "pidMode": "host", "domainName": "example.com"},
        {"volumes": "data:/x", "volumeDriver": "rexray", "check": "http", "checkPort": "80", "checkMethod": "HEAD"},
        {"check": "http", "checkPort": "80", "checkPath": "/up", "checkVersion": "HTTP/1.1"},
    ],
)
def test_a_clone_of_what_the_form_made_is_the_same(fields: dict[str, Any]):
    first = form_to_config(form(**fields))
    values = config_to_form(first)
    rows = values.pop("portRows")
    again = form(**{name: str(value) if value is not True else "on" for name, value in values.items() if value})
    for name, at in (("portPublic", 0), ("portPrivate", 1), ("portProtocol", 2)):
        again.setlist(name, [str(row[at]) for row in rows])
    assert form_to_config(again) == first


def test_what_was_typed_is_kept_beside_the_error(browser_as: Any, at: Any, shop: Stack):
    sent = {"name": "api", "scale": "x", "image": "bb:local", "env": "A=1", "portPrivate": ["81"], "portPublic": [""]}
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), sent, headers=HX)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The scale must be a whole number" in page
    assert 'value="api"' in page
    assert ">A=1</textarea>" in page
    assert submitted_values(form(portPublic=["1"], portPrivate=["2"], portProtocol=["udp"]))["portRows"] == [
        ("1", "2", "udp")
    ]


def test_the_form_is_shown_as_compose_files_while_it_is_filled_in(browser_as: Any, at: Any):
    client = browser_as("bob")
    good = client.post(at("service-preview"), {"name": "api", "image": "bb:local", "scale": "2"}, headers=HX)
    assert b"image: bb:local" in good.content
    bad = client.post(at("service-preview"), {"name": "api", "image": "NO"}, headers=HX)
    assert bad.status_code == 200
    assert b"lower-case" in bad.content


ALL_OF_THE_FORM = {
    "name": "api", "scale": "1", "image": "bb:local", "volumes": "data:/x", "volumeDriver": "local",
    "logDriver": "json-file", "logOptions": "max-size=10m", "memory": "64", "memorySwap": "128", "cpuSet": "0-1",
    "domainName": "example.com", "check": "http", "checkPort": "80", "checkMethod": "HEAD", "checkVersion": "HTTP/1.1",
}  # fmt: skip


def test_the_preview_has_what_is_set_in_every_section(browser_as: Any, at: Any):
    page = browser_as("bob").post(at("service-preview"), {**ALL_OF_THE_FORM, "pidMode": "host"}, headers=HX)
    for words in (
        "max-size: 10m", "memswap_limit: 134217728", "cpuset: 0-1", "pid: host", "domainname: example.com",
        "volume_driver: local", "request_line: HEAD / HTTP/1.1",
    ):  # fmt: skip
        assert words in page.content.decode()


def test_a_service_made_by_the_form_is_shown_by_its_forms_as_it_was_typed(browser_as: Any, at: Any, shop: Stack):
    client = browser_as("bob")
    client.post(at("service-new", stack=shop.pk), ALL_OF_THE_FORM, headers=HX)
    made = Service.all_objects.get(name="api")
    for page in ("service-clone", "service-upgrade"):
        text = client.get(at(page, pk=made.pk)).content.decode()
        for words in ("max-size=10m</textarea>", 'value="128"', 'value="0-1"', 'value="example.com"'):
            assert words in text
        assert "<option selected>HEAD</option>" in text
        assert "<option selected>HTTP/1.1</option>" in text


def test_the_processes_of_the_host_are_refused_by_the_host_policy_at_their_control(
    browser_as: Any, at: Any, shop: Stack
):
    sent = {**ALL_OF_THE_FORM, "pidMode": "host"}
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), sent, headers=HX)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "<option selected>host</option>" in page
    assert "host policy" in page[page.index('name="pidMode"') :][:600]
    assert "max-size=10m</textarea>" in page


def test_a_clone_has_the_values_only_for_those_who_may_see_them(browser_as: Any, at: Any, web: Service):
    page = browser_as("bob").get(at("service-clone", pk=web.pk)).content.decode()
    assert "TOKEN=s3cret-value" in page
    assert 'value="web-copy"' in page
    answer = browser_as("rita").get(at("service-clone", pk=web.pk))
    assert answer.status_code == 403
    assert b"s3cret-value" not in answer.content


def test_a_clone_has_what_the_form_does_not_show_in_the_preview_too(
    browser_as: Any, at: Any, shop: Stack, actor_of: Any
):
    hidden = {"groupAdd": ["audio"], "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}]}
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "command": ["httpd"], "memory": 2**26, **hidden})
    row = service_create(actor=actor_of("alice"), stack=shop, name="api", config=config)
    client, address = browser_as("alice"), at("service-clone", pk=row.pk)
    form = FormPage(client.get(address).content.decode())
    form.set("name", "api2")
    form.set("command", "")
    preview = client.post(f"{at('service-preview')}?copyOf={row.pk}", form.data(), headers=HX).content.decode()
    assert "group_add" in preview
    assert f"copyOf={row.pk}" in client.get(address).content.decode()
    assert client.post(address, form.data(), headers=HX).status_code == 204
    made = Service.all_objects.get(name="api2").config
    assert (made.group_add, made.ulimits, made.memory) == (config.group_add, config.ulimits, config.memory)
    assert made.command == ()


def test_a_container_of_its_own_is_made(browser_as: Any, at: Any, host: Host, run_loop: Any):
    answer = browser_as("rex").post(
        at("container-new"), {"name": "solo", "image": "bb:local", "start": "on"}, headers=HX
    )
    made = Container.all_objects.get(name="solo")
    assert answer["HX-Redirect"] == at("container", pk=made.pk)
    run_loop()
    made.refresh_from_db()
    assert made.display_state == "running"
    page = browser_as("rita").get(at("container", pk=made.pk)).content.decode()
    assert "selected</span>" in page


def test_a_host_is_tried_before_it_is_kept(browser_as: Any, at: Any):
    answer = browser_as("alice").post(at("host-new"), {"url": "tcp://127.0.0.1:1"}, headers=HX)
    assert answer.status_code == 422
    assert b"does not answer" in answer.content
    assert not Host.all_objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"url": ""}, b"Say where the engine listens"),
        ({"url": "http://h:1"}, b"use unix:"),
        ({"url": "tcp://h"}, b"a host and a port"),
        ({"url": "unix:///run/docker.sock"}, b"Only administrators"),
        ({"url": "tcp://127.0.0.1:1", "cert": "x"}, b"certificate and its key"),
        ({"url": "tcp://127.0.0.1:1", "labels": "words"}, b"KEY=value"),
    ],
)
def test_a_bad_host_is_refused_in_words(browser_as: Any, at: Any, data: dict[str, str], words: bytes):
    answer = browser_as("bob").post(at("host-new"), data, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content


def test_the_key_of_a_host_is_never_shown_again(browser_as: Any, at: Any):
    sent = {"url": "tcp://127.0.0.1:1", "ca": "AAA", "cert": "BBB", "key": "VERY-PRIVATE"}
    assert b"VERY-PRIVATE" not in browser_as("alice").post(at("host-new"), sent, headers=HX).content


def test_what_is_typed_can_do_no_harm_in_the_page(browser_as: Any, at: Any, shop: Stack):
    nasty = '"><script>alert(1)</script>'
    answer = browser_as("bob").post(
        at("service-new", stack=shop.pk), {"name": nasty, "image": nasty, "env": nasty}, headers=HX
    )
    assert b"<script>alert" not in answer.content
