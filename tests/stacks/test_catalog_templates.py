"""Stacks of the shapes that templates in public catalogs have: nothing of them is lost without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.stacks.compose import ComposeStack, export, parse
from apps.stacks.sidekicks import SIDEKICKS_LABEL

FOLDER = Path(__file__).with_name("templates")
NAMES = sorted(path.name.removesuffix(".rancher.yml") for path in FOLDER.glob("*.rancher.yml"))
VARIABLES = {
    "image": "bb:local", "stay": "sleep 600", "end": "true", "cluster": "c1", "replicas": "3", "memory": "512",
    "SCALE": "3", "DEBUG": "true", "password": "pa$$word", "PORT": "8080", "volume": "/srv/builds",
    "plugins": "git\nmail",
}  # fmt: skip
SAME = {"net": "network_mode"}


def read(name: str) -> tuple[str, str]:
    return (FOLDER / f"{name}.yml").read_text(), (FOLDER / f"{name}.rancher.yml").read_text()


def imported(name: str) -> ComposeStack:
    return parse(*read(name), VARIABLES, stack_name="shop")


def warnings_of(stack: ComposeStack) -> str:
    return "\n".join([*stack.warnings, *(text for each in stack.services for text in each.warnings)])


def keys_of(text: str) -> Iterator[tuple[str, str, Any]]:
    for service, body in yaml.safe_load(text).items():
        if not service.startswith("."):
            yield from ((service, key, value) for key, value in body.items())


@pytest.mark.parametrize("name", NAMES)
def test_each_key_is_in_the_export_or_named(name: str) -> None:
    stack = imported(name)
    docker, rancher = (yaml.safe_load(text)["services"] for text in export(stack.services, "shop"))
    for exported, source in ((docker, read(name)[0]), (rancher, read(name)[1])):
        for service, key, value in keys_of(source):
            is_kept = SAME.get(key, key) in exported.get(service, {}) or key == "scale"
            is_own_sidekick = key == "links" and set(value) <= docker.keys()  # a member of its unit needs no link
            assert is_kept or is_own_sidekick or f"{service}: `{key}`" in warnings_of(stack), (service, key)


@pytest.mark.parametrize("name", NAMES)
def test_each_label_and_variable_is_kept_as_it_was_written(name: str) -> None:
    stack = imported(name)
    docker = yaml.safe_load(export(stack.services, "shop")[0])["services"]
    for service, key, value in keys_of(read(name)[0]):
        if key != "labels":
            continue
        for label, text in value.items():
            found = docker[service]["labels"][label]
            if label == SIDEKICKS_LABEL:
                assert set(found.split(",")) == set(text.split(","))
            else:
                assert found == (str(text).lower() if isinstance(text, bool) else text)


@pytest.mark.parametrize("first_form", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_exported_reads_back_the_same(name: str, *, first_form: bool) -> None:
    written = export(imported(name).services, "shop", first_form=first_form)
    again = parse(*written, stack_name="shop")
    assert export(again.services, "shop", first_form=first_form) == written
    for before, after in zip(by_name(imported(name)), by_name(again), strict=True):
        assert replace(after, warnings=(), config=before.config) == replace(before, warnings=())


def by_name(stack: ComposeStack) -> list[Any]:
    return sorted(stack.services, key=lambda each: each.name)


def test_the_units_of_the_big_one() -> None:
    stack = imported("big-data")
    assert {each.name: len(each.sidekicks) + 1 for each in stack.services} == {
        "name-node": 4, "data-node": 3, "worker": 3, "history": 3, "resource-manager": 4,
    }  # fmt: skip
