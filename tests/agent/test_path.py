"""A path has one canonical spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.engine_proxy import path
from corral_agent.engine_proxy.http_head import BadMessage


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/_ping", ("", "/_ping", "")),
        ("/v1.41/containers/json?all=1&filters=%7B%7D", ("/v1.41", "/containers/json", "all=1&filters=%7B%7D")),
        ("/images/registry:5000/a/b:1.0/json", ("", "/images/registry:5000/a/b:1.0/json", "")),
        ("/images/a@sha256:00/json", ("", "/images/a@sha256:00/json", "")),
        ("/containers/w%65b/json", ("", "/containers/web/json", "")),
        ("/images/a%3A1/json", ("", "/images/a:1/json", "")),
        ("/v1.41x/info", ("", "/v1.41x/info", "")),
        ("/v2.0/info", ("", "/v2.0/info", "")),
        ("/v1.41/v1.40/info", ("/v1.41", "/v1.40/info", "")),
        ("/info?a=b?c", ("", "/info", "a=b?c")),
    ],
)
def test_a_path_is_taken_apart(target: str, found: tuple[str, str, str]):
    assert path.split_target(target) == found


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//info",
        "/containers//json",
        "/containers/json/",
        "/v1.41/",
        "/v1.41//info",
        "/../info",
        "/containers/../plugins",
        "/containers/./json",
        "/containers/%2e%2e/json",
        "/containers/%2E/json",
        "/containers/.%2e/json",
        "/containers/%252e%252e/json",
        "/containers/a%2fb/json",
        "/containers/a%2Fb/json",
        "/containers/a%5cb/json",
        "/containers/a\\b/json",
        "/containers/a%00/json",
        "/containers/a%0d%0ab/json",
        "/containers/a%20b/json",
        "/containers/a;b/json",
        "/containers/a%3fb/json",
        "/containers/a%23b/json",
        "/containers/%c3%a9/json",
        "/containers/%zz/json",
        "/containers/a%/json",
        "/info?x=%g1",
        "/containers/a|b/json",
        "/containers/{a}/json",
    ],
)
def test_a_path_with_a_second_reading_is_refused(target: str):
    with pytest.raises(BadMessage):
        path.split_target(target)


@given(st.text(alphabet="abz09._:@+~=,-%/2eEfF5cv", max_size=40))
def test_what_is_let_through_reads_the_same_again(text: str):
    try:
        found = path.split_target(f"/{text}")
    except BadMessage:
        return
    again = path.join_target(*found)
    assert "%" not in again.partition("?")[0]
    assert path.split_target(again)[1] == found[1]
    assert not {"", ".", ".."} & set(found[1].split("/")[1:])
