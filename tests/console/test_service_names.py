"""The pages of services show the name by which others reach them, ready to be copied."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.stacks.models import Stack
from apps.stacks.service_options import EXTERNAL, SERVICE, ServiceOptions, config_of_kind, parse_target
from apps.stacks.services import service_create


@pytest.mark.parametrize("kind", [SERVICE, EXTERNAL])
def test_a_services_page_has_its_full_name_to_copy(shop: Stack, at: Any, browser_as: Any, actor_of: Any, kind: str):
    if kind == SERVICE:
        config, options = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"}), ServiceOptions()
    else:
        config = config_of_kind(EXTERNAL, {})
        options = ServiceOptions(kind=EXTERNAL, external=parse_target(["192.0.2.7"]))
    row = service_create(actor=actor_of("bob"), stack=shop, name="Front", config=config, options=options)
    page = browser_as("rita").get(at("service", pk=row.pk)).content.decode()
    assert f'data-copy="front.{shop.name.lower()}.rancher.internal"' in page
