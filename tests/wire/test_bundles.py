"""A stack from a bundle, over the API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apps.control.models import OperationLine
from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from tests.stacks.bundle.archives import FILES, tar_of, zip_of


def test_the_api_takes_a_bundle_in_base64(api: Any, lab: Environment):
    answer = api.post("environments", {"name": "shop", "bundle": base64.b64encode(tar_of(FILES)).decode()})
    assert (answer.status, answer["bundle"]) == (201, None)
    service = Service.all_objects.get(stack__name="shop")
    assert (service.scale, service.config.image) == (2, "bb:local")
    assert service.config.environment == {"PASSWORD": "top secret"}
    lines = OperationLine.objects.values_list("text", flat=True)
    assert "LICENSE is in the bundle and was not used." in lines


def test_the_callers_variables_are_stronger(api: Any):
    bundle = base64.b64encode(zip_of(FILES)).decode()
    answer = api.post("environments", {"name": "shop", "bundle": bundle, "environment": {"TAG": "9"}})
    assert answer.status == 201
    assert Service.all_objects.get(stack__name="shop").config.image == "bb:9"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"bundle": "?"}, "InvalidFormat"),
        ({"bundle": base64.b64encode(b"nothing").decode()}, "InvalidFormat"),
        ({"bundle": base64.b64encode(zip_of({"../a": b""})).decode()}, "InvalidReference"),
        ({"bundle": base64.b64encode(zip_of(FILES)).decode(), "dockerCompose": "a: {}"}, "InvalidOption"),
    ],
)
def test_a_bad_bundle_is_refused_and_leaves_nothing(api: Any, body: dict[str, str], code: str):
    answer = api.post("environments", {"name": "shop", **body})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, code, "bundle")
    assert not Stack.all_objects.exists()
