"""A stack from a bundle, in the console."""

from __future__ import annotations

from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from tests.stacks.bundle.archives import FILES, zip_of


def _upload(files: dict[str, bytes]) -> SimpleUploadedFile:
    return SimpleUploadedFile("shop.zip", zip_of(files), "application/zip")


def test_the_page_shows_what_a_bundle_stands_for_before_anything_is_created(
    lab: Environment, browser_as: Callable[[str], Client]
):
    url = reverse("console:stack-bundle", kwargs={"environment": lab.pk})
    page = browser_as("bob").post(url, {"name": "shop", "bundleFile": _upload(FILES)})
    text = page.content.decode()
    assert page.status_code == 200
    assert "PASSWORD: top secret" in text
    assert "TAG=&#x27;local&#x27;" in text
    assert "LICENSE is in the bundle and was not used." in text
    assert not Stack.all_objects.exists()


def test_without_scripts_the_bundle_is_created_at_once(lab: Environment, browser_as: Callable[[str], Client]):
    url = reverse("console:stack-new", kwargs={"environment": lab.pk})
    browser_as("bob").post(url, {"name": "shop", "bundleFile": _upload(FILES)})
    stack = Stack.all_objects.get()
    assert (stack.name, stack.variables["NAME"]) == ("shop", "it's")


def test_the_page_says_what_is_wrong_beside_the_field(lab: Environment, browser_as: Callable[[str], Client]):
    url = reverse("console:stack-bundle", kwargs={"environment": lab.pk})
    page = browser_as("bob").post(url, {"bundleFile": _upload({"a.txt": b""})})
    assert page.status_code == 422
    assert "There is no compose file" in page.content.decode()
    assert browser_as("bob").post(url, {}).status_code == 422


def test_variables_of_the_form_fill_the_files(lab: Environment, browser_as: Callable[[str], Client]):
    url = reverse("console:stack-new", kwargs={"environment": lab.pk})
    sent = {"name": "shop", "dockerCompose": "web:\n  image: bb:${TAG}\n", "variables": "TAG='local'\n"}
    browser_as("bob").post(url, sent)
    assert Service.all_objects.get().config.image == "bb:local"
    refused = browser_as("bob").post(url, {**sent, "name": "shop2", "variables": "= x"})
    assert refused.status_code == 422
    assert "write NAME=value" in refused.content.decode()


def test_who_only_reads_uploads_nothing(lab: Environment, browser_as: Callable[[str], Client]):
    url = reverse("console:stack-bundle", kwargs={"environment": lab.pk})
    answer = browser_as("rita").post(url, {"bundleFile": _upload(FILES)}, headers={"HX-Request": "true"})
    assert answer.status_code == 403
