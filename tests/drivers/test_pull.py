"""A pull's lines become one percentage, and its end is never taken for granted."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from apps.drivers.base import EngineError, EngineNotFound, PullProgress
from apps.drivers.docker import pull
from apps.drivers.docker.pull import LayerProgress


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("redis", "redis", "latest"),
        ("redis:7", "redis", "7"),
        ("host:5000/team/app", "host:5000/team/app", "latest"),
        ("host:5000/team/app:1.2", "host:5000/team/app", "1.2"),
        ("app@sha256:abc", "app", "sha256:abc"),
    ],
)
def test_an_image_name_is_taken_apart(image: str, repository: str, tag: str) -> None:
    assert pull.split_image_reference(image) == (repository, tag)


def test_another_platform_than_the_engine_s_own_is_asked_for_by_name() -> None:
    assert pull.pull_query("app") == "fromImage=app&tag=latest"
    assert pull.pull_query("app:1", "linux/arm64") == "fromImage=app&tag=1&platform=linux%2Farm64"


def test_an_image_of_another_platform_is_no_success_though_the_engine_only_warns() -> None:
    words = "image with reference app was found but does not match the specified platform: wanted a, actual: b"
    lines = [{"status": "Status: Downloaded newer image for app"}, {"status": f"WARNING: {words}"}]
    with pytest.raises(EngineError) as failed:
        list(pull.read_progress("app", lines))
    assert str(failed.value) == words


def test_credentials_travel_as_the_engine_wants_them() -> None:
    header = pull.auth_header({"username": "alice", "password": "ü?>"})["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {"username": "alice", "password": "ü?>"}
    assert pull.auth_header(None) == {}


def layer(name: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    return {"id": name, "status": status, "progressDetail": {"current": current, "total": total} if total else {}}


def test_layers_share_the_percentage_and_it_never_falls() -> None:
    layers = LayerProgress()
    seen = []
    for found in (
        layer("a", "Pulling fs layer"),
        layer("a", "Downloading", 50, 100),
        layer("b", "Already exists"),
        layer("a", "Download complete"),
        layer("c", "Waiting"),
        layer("a", "Extracting", 100, 100),
        layer("c", "Downloading"),
        layer("c", "Pull complete"),
    ):
        layers.update(found)
        seen.append(layers.percent)
    assert seen == [0, 35, 67, 85, 85, 85, 85, 100]


def test_a_pull_ends_with_the_engines_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "_INTERVAL", 0.0)
    lines = [layer("a", "Downloading", 1, 2), layer("a", "Pull complete"), {"status": "Status: Downloaded newer image"}]
    messages = list(pull.read_progress("app", lines))
    assert messages == [
        PullProgress(35, "a: Downloading"),
        PullProgress(100, "a: Pull complete"),
        PullProgress(100, "Downloaded newer image"),
    ]


def test_progress_is_reported_a_few_times_a_second_at_most() -> None:
    lines = [layer("a", "Downloading", at, 5000) for at in range(5000)]
    assert len(list(pull.read_progress("app", [*lines, {"status": "Status: done"}]))) <= 4


def test_a_cut_connection_is_no_success() -> None:
    with pytest.raises(EngineError, match=r"stopped in the middle of pulling app\. Its last words: a: Downloading"):
        list(pull.read_progress("app", [layer("a", "Downloading", 1, 2)]))
    with pytest.raises(EngineError, match=r"stopped in the middle of pulling app\.$"):
        list(pull.read_progress("app", []))


@pytest.mark.parametrize(
    "line",
    [
        {"errorDetail": {"message": "toomanyrequests: slow down"}},
        {"error": "toomanyrequests: slow down"},
        {"status": "Pulling", "error": "", "errorDetail": {"message": "toomanyrequests: slow down"}},
    ],
)
def test_the_reason_is_read_from_wherever_it_stands(line: dict[str, Any]):
    with pytest.raises(EngineError, match="toomanyrequests: slow down"):
        list(pull.read_progress("app", [layer("a", "Downloading", 1, 2), line]))


def test_an_error_without_a_word_says_so():
    with pytest.raises(EngineError, match="gave no reason"):
        list(pull.read_progress("app", [{"errorDetail": {"code": 1}}]))


@pytest.mark.parametrize(
    ("words", "kind"),
    [("manifest for x not found: manifest unknown", EngineNotFound), ("connection refused", EngineError)],
)
def test_an_error_line_ends_it(words: str, kind: type[EngineError]) -> None:
    with pytest.raises(kind) as error:
        list(pull.read_progress("app", [{"error": words, "errorDetail": {"message": words}}]))
    assert str(error.value) == words
    assert type(error.value) is kind
