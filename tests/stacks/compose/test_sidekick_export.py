"""What a sidekick has in rancher-compose survives export and import, in both forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from apps.stacks.compose import export, parse

DOCKER = """
web: {image: bb, labels: {io.rancher.sidekicks: 'helper,plain'}}
helper: {image: bb}
plain: {image: bb}
"""
RANCHER = """
web: {scale: 3}
helper:
  drain_timeout_ms: 4500
  health_check: {port: 80, request_line: GET /up HTTP/1.0, interval: 700, strategy: recreate}
"""


@pytest.mark.parametrize("first_form", [True, False])
def test_a_sidekicks_check_and_drain_time_are_kept(first_form: bool) -> None:
    stack = parse(DOCKER, RANCHER, stack_name="shop")
    written = export(stack.services, "shop", first_form=first_form)
    again = parse(*written, stack_name="shop")
    assert [replace(each, warnings=()) for each in again.services] == [
        replace(each, warnings=()) for each in stack.services
    ]
    helper = dict(again.services[0].sidekicks)["helper"]
    assert helper.health_check is not None
    assert (helper.health_check.port, helper.health_check.interval, helper.drain_timeout) == (80, 700, 4500)
    said = yaml.safe_load(written[1])
    said = said if first_form else said["services"]
    assert "scale" not in said["helper"], "it is its service's"
    assert "plain" not in said, "it has nothing to say"
