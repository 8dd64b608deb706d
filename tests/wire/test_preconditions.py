"""Changes that name the version they started from: ETag and If-Match."""

from __future__ import annotations

from typing import Any

import pytest

from apps.stacks.models import Service
from tests.wire.api_client import ApiClient, ApiResponse


@pytest.fixture
def path(stack: dict[str, Any]) -> str:
    return f"services/{stack['front']}"


def put(api: ApiClient, path: str, body: Any, etag: str) -> ApiResponse:
    return api.call("PUT", path, body, **{"If-Match": etag})


def test_a_row_says_its_version(api: ApiClient, path: str):
    before = api.get(path)
    assert before.headers["ETag"] == f'"{Service.all_objects.get(name="front").generation}"'
    after = api.put(path, {"description": "new"})
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.headers["ETag"] == api.get(path).headers["ETag"]


def test_without_the_header_the_last_one_wins_as_in_v1(api: ApiClient, path: str):
    for scale in (3, 1):
        assert api.put(path, {"scale": scale}).status == 200
    assert api.get(path)["scale"] == 1


def test_a_put_changes_only_what_it_names(api: ApiClient, path: str):
    assert api.put(path, {"scale": 1}).status == 200
    answer = put(api, path, {"description": "words"}, api.get(path).headers["ETag"])
    assert (answer.status, answer["scale"], answer["description"]) == (200, 1, "words")


@pytest.mark.parametrize("weak", ["", "W/"])
def test_a_put_that_started_from_an_older_version_is_refused_with_both_values(api: ApiClient, path: str, weak: str):
    old = api.get(path).headers["ETag"]
    api.put(path, {"scale": 1})
    answer = put(api, path, {"scale": 5}, weak + old)
    assert (answer.status, answer["code"], answer["fieldName"]) == (412, "PreconditionFailed", "scale")
    assert "scale is 1 now, you want 5" in answer["message"]
    assert answer["detail"] == '{"scale": 1}'
    assert api.get(path)["scale"] == 1


def test_of_an_older_version_other_fields_may_still_be_changed_to_what_they_are(api: ApiClient, path: str):
    old = api.get(path).headers["ETag"]
    api.put(path, {"scale": 1})
    assert put(api, path, {"scale": 1}, old).status == 200


def test_actions_and_removals_are_refused_for_any_newer_version(api: ApiClient, path: str):
    old = api.get(path).headers["ETag"]
    api.put(path, {"description": "new"})
    assert api.call("POST", f"{path}?action=deactivate", **{"If-Match": old}).status == 412
    assert api.call("DELETE", path, **{"If-Match": old}).status == 412
    assert api.get(path)["state"] in {"active", "updating-active"}
    assert api.call("DELETE", path, **{"If-Match": api.get(path).headers["ETag"]}).status == 200


@pytest.mark.parametrize("header", ["7", '"x"', '"1", "2"', '"' + "9" * 40 + '"', '"²"'])
def test_a_header_that_is_no_etag_is_refused_in_words(api: ApiClient, path: str, header: str):
    answer = put(api, path, {"scale": 5}, header)
    assert (answer.status, answer["code"]) == (412, "PreconditionFailed")
    assert "ETag" in answer["message"]


def test_any_version_is_a_star(api: ApiClient, path: str):
    assert put(api, path, {"scale": 1}, "*").status == 200


def test_a_type_without_versions_says_so(api_of: Any):
    root = api_of("root")
    answer = put(root, "settings/retention.audit.days", {"value": "30"}, '"1"')
    assert (answer.status, answer["code"]) == (412, "PreconditionFailed")
    assert "ETag" not in root.get("settings/retention.audit.days").headers
