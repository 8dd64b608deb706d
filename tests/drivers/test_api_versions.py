"""What an older engine would leave out in silence is refused before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from apps.drivers.api_versions import parse_api_version, require_known_keys
from apps.drivers.base import CreateRequest, EngineRefused


def request(**host: Any) -> CreateRequest:
    return CreateRequest("web", {"Image": "a", "HostConfig": host})


@pytest.mark.parametrize(
    ("host", "words", "since", "before"),
    [
        ({"CgroupnsMode": "host"}, "cgroupnsMode needs", "1.41", "1.40"),
        ({"Annotations": {"a": "b"}}, "annotations need", "1.43", "1.42"),
    ],
)
def test_a_key_is_refused_by_engines_that_do_not_know_it(
    host: dict[str, Any], words: str, since: str, before: str
) -> None:
    require_known_keys(request(**host), since)
    with pytest.raises(EngineRefused, match=rf"^{words} version {since} .* speaks {before}: upgrade the engine"):
        require_known_keys(request(**host), before)


def test_a_platform_is_refused_by_engines_that_would_take_any() -> None:
    asked = CreateRequest("web", {"Image": "a"}, "linux/arm64")
    require_known_keys(asked, "1.41")
    with pytest.raises(EngineRefused, match=r"platform needs version 1\.41"):
        require_known_keys(asked, "1.40")


def test_a_body_without_these_keys_is_sent_to_any_engine() -> None:
    require_known_keys(request(Memory=1), "1.12")
    require_known_keys(CreateRequest("web", {"Image": "a"}), "1.12")


def test_versions_are_compared_by_their_numbers() -> None:
    assert parse_api_version("1.9") < parse_api_version("1.41")
