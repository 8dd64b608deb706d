"""Values of compose files that cannot mean anything, refused with their line and what to write instead."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import parse

RULE = "io.rancher.scheduler.affinity:host_label"


def with_rule(text: str) -> str:
    return f"web:\n  image: nginx\n  labels:\n    {RULE}: '{text}'\n"


@pytest.mark.parametrize("text", ["foo", "a=b,foo", "a=", "=b"])
def test_a_rule_without_name_and_value_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(with_rule(text))
    assert (refused.value.field, refused.value.code) == ("dockerCompose", "InvalidFormat")
    assert f"line 3: web: the label {RULE}: " in refused.value.message
    assert "write name=value" in refused.value.message


@pytest.mark.parametrize("text", ["", "a=b,", "${UNSET}"])
def test_a_rule_about_nothing_asks_for_nothing(text: str) -> None:
    assert len(parse(with_rule(text)).services[0].config.labels) == 1


@pytest.mark.parametrize("image", ["nginx", "rancher/external-service"])
def test_a_check_that_sends_no_request_is_refused(image: str) -> None:
    extras = "web:\n  external_ips: [192.0.2.7]\n  health_check: {port: 80, request_line: WAT}\n"
    with pytest.raises(Invalid) as refused:
        parse(f"web:\n  image: {image}\n", extras)
    assert (refused.value.field, refused.value.code) == ("rancherCompose", "InvalidFormat")
    assert "'WAT' is no request line: write a method, a path" in refused.value.message
