"""The built-in library: every template is whole, asks well, and is imported with its defaults without a warning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from apps.catalog.language.rendered import RenderedFiles
from apps.stacks.compose import ComposeStack, parse
from tests.catalog.library_files import FOLDER, TEMPLATES, VERSIONS, LibraryVersion, config_of

WANTED = {
    "wordpress", "jenkins", "hadoop", "nginx", "postgresql", "mariadb", "redis", "gitea", "nextcloud", "prometheus",
    "traefik", "minio", "rabbitmq", "registry", "vaultwarden", "uptime-kuma", "mattermost", "elasticsearch", "kafka",
    "wireguard",
}  # fmt: skip
PINNED = re.compile(r"[a-z0-9./-]+:(?!latest)[A-Za-z0-9][\w.-]*")


def parsed(found: RenderedFiles) -> ComposeStack:
    return parse(found.docker_compose, found.rancher_compose, found.variables, stack_name="trial")


def warnings_of(found: RenderedFiles) -> list[str]:
    stack = parsed(found)
    return [*found.warnings, *stack.warnings, *(text for each in stack.services for text in each.warnings)]


def configs_of(stack: ComposeStack) -> Iterator[Any]:
    """The launch configurations of all services and their sidekicks."""
    for each in stack.services:
        yield each.config
        yield from (config for _name, config in each.sidekicks)


# --- what is in the folders ---


def test_the_library_has_what_it_promises() -> None:
    assert set(TEMPLATES) == WANTED
    for name in ("jenkins", "wordpress", "postgresql"):
        assert f"{name}/1" in VERSIONS


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_what_it_is(name: str) -> None:
    config = config_of(name)
    assert {"name", "description", "version", "category", "license", "projectURL"} <= config.keys()
    assert config["projectURL"].startswith("https://")
    assert not config["description"].endswith(".")
    versions = [LibraryVersion(each).info.version for each in VERSIONS if each.startswith(f"{name}/")]
    assert config["version"] == versions[-1]
    assert len(set(versions)) == len(versions)
    readme = (FOLDER / name / "README.md").read_text()
    assert readme.startswith(f"# {config['name']}\n")
    assert len(readme) > 100


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_icon_is_a_small_drawing_without_anything_that_runs(name: str) -> None:
    text = (FOLDER / name / f"catalogIcon-{name}.svg").read_text()
    root = ElementTree.fromstring(text)  # noqa: S314 - a file of ours
    tags = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert tags <= {"svg", "g", "rect", "path", "circle", "ellipse"}
    assert root.get("viewBox") == "0 0 64 64"
    assert len(text) < 2000
    assert "href" not in text


@pytest.mark.parametrize("version", VERSIONS)
def test_questions_are_whole_and_no_password_is_known_before(version: str) -> None:
    info = LibraryVersion(version).info
    assert info.faults == ()
    assert info.questions
    for each in info.questions:
        assert each.label != each.variable
        assert each.description.endswith("."), each.variable
        if each.type == "password":
            assert (each.default, each.generate >= 24) == ("", True)
        elif each.required:
            assert each.default
        assert each.min is None or each.max is None or each.min < each.max


@pytest.mark.parametrize("version", VERSIONS)
def test_every_question_is_used_by_a_file(version: str) -> None:
    files = b"".join(LibraryVersion(version).files.values()).decode()
    for each in LibraryVersion(version).info.questions:
        assert f"${{{each.variable}}}" in files or f".Values.{each.variable}" in files or "show_if" in files
    asked = {each.variable for each in LibraryVersion(version).info.questions}
    assert set(re.findall(r"(?<!\$)\$\{(\w+)\}", files)) <= asked


def test_the_library_is_part_of_the_image() -> None:
    root = FOLDER.parents[3]
    assert "COPY apps apps" in (root / "Dockerfile").read_text().splitlines()
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert ignored[ignored.index("!apps") :].count("apps") == 0
    assert {each for each in ignored if not each.startswith("!")} == {"*", "**/__pycache__", "static/dist"}


# --- what comes of them ---


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_imported_with_its_defaults_without_a_warning(version: str) -> None:
    assert warnings_of(LibraryVersion(version).rendered()) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_images_have_a_fixed_tag_and_services_a_check(version: str) -> None:
    stack = parsed(LibraryVersion(version).rendered())
    for config in configs_of(stack):
        assert PINNED.fullmatch(config.image), config.image
    assert any(each.config.health_check for each in stack.services)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_choice_is_imported_without_a_warning(version: str) -> None:
    """Every option of an enum, both answers of a boolean, and a text that needs quotes."""
    library = LibraryVersion(version)
    for each in library.info.questions:
        choices = {"enum": each.options, "boolean": ("true", "false"), "service": ("other/web",)}.get(each.type, ())
        for choice in choices:
            assert warnings_of(library.rendered(**{each.variable: choice})) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_password_arrives_as_it_was_typed(version: str) -> None:
    library = LibraryVersion(version)
    for each in library.info.questions:
        if each.type == "password" and not each.valid_chars:
            typed = "pa$$w0rd: '\"#{}\\ ${x}"
            environments = [
                config.environment for config in configs_of(parsed(library.rendered(**{each.variable: typed})))
            ]
            assert any(typed in environment.values() for environment in environments), each.variable


def test_further_targets_become_part_of_the_configuration_of_prometheus() -> None:
    more = "- job_name: shop\n  static_configs: [{targets: ['shop:80']}]\n"
    (config, *_rest) = configs_of(parsed(LibraryVersion("prometheus/0").rendered(targets=more)))
    written = config.environment["PROMETHEUS_CONFIGURATION"]
    assert written.endswith("  - job_name: shop\n    static_configs: [{targets: ['shop:80']}]\n")


def test_a_route_of_traefik_leads_to_the_chosen_service() -> None:
    stack = parsed(
        LibraryVersion("traefik/0").rendered(target="shop/web", name="a.example.com", more='a: "$x"\nb: 1\n')
    )
    (traefik,) = stack.services
    assert traefik.external_links == (("shop/web", "target"),)
    assert "Host(`a.example.com`)" in traefik.config.environment["TRAEFIK_ROUTES"]
    assert traefik.config.environment["TRAEFIK_MORE"] == 'a: "$x"\nb: 1\n'
