"""Metadata as clients of Rancher 1.x read it: every version's paths, texts and JSON, and who each client is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral_agent.documents import DocumentRefused
from corral_agent.engine_proxy.http_head import parse_request
from corral_agent.metadata.request import MetadataRequest, is_news, respond
from corral_agent.metadata.tree import NothingThere, as_text, find
from corral_agent.metadata.world import LATEST, VERSIONS, World
from tests.agent.metadata.environment import ALONE, CACHE, DOCUMENT, WEB

WORLD = World(DOCUMENT)


def get(target: str, address: str = WEB, accept: str = "*/*", world: World | None = WORLD) -> tuple[int, str]:
    head = parse_request(f"GET {target} HTTP/1.1\r\nHost: rancher-metadata\r\nAccept: {accept}".encode())
    found = respond(MetadataRequest.of(head), world, address)
    return found.status, found.body.decode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "2015-07-25\n2015-12-19\n2016-07-29\nlatest\n"),
        ("/latest", "containers/\nhosts/\nnetworks/\nself/\nservices/\nstacks/\nversion\n"),
        ("/latest/", "containers/\nhosts/\nnetworks/\nself/\nservices/\nstacks/\nversion\n"),
        ("/latest/self", "container/\nhost/\nservice/\nstack/\n"),
        ("/latest/version", "r1"),
        ("/latest/containers", "0=shop_web_1\n1=shop_web_cache_1\n2=alone\n"),
        ("/2015-12-19/containers", "0=Shop_Web_1\n1=Shop_Web_Cache_1\n2=alone\n"),
        ("/latest/containers/0/name", "shop_web_1"),
        ("/latest/containers/c-2/name", "shop_web_cache_1"),
        ("/latest/containers/Shop_Web_1/create_index", "1"),
        ("/latest/self/container/name", "shop_web_1"),
        ("/2015-07-25/self/container/name", "Shop_Web_1"),
        ("/latest/self/container/ports/0", "0.0.0.0:80:8080/tcp"),
        ("/latest/self/container/ports/1", "0.0.0.0:81:81/tcp"),
        ("/2015-07-25/self/container/ports/0", "192.0.2.7:80:8080/tcp"),
        ("/2015-12-19/self/container/ports/1", "192.0.2.7:81:81/tcp"),
        ("/2015-12-19/self/container/ports/2", "192.0.2.9:82:82/tcp"),
        ("/latest/self/container/ports", "0\n1\n2\n"),
        ("/latest/self/service/containers", "0=shop_web_1\n"),
        ("/2015-07-25/self/service/containers", "0\n"),
        ("/2015-07-25/self/service/containers/0", "Shop_Web_1"),
        ("/2015-12-19/self/service/containers/0/uuid", "c-1"),
        ("/latest/self/service/metadata", "Key+With+Space/\n"),
        ("/latest/self/service/metadata/Key+With+Space", "list/\nratio\n"),
        ("/latest/self/service/metadata/Key%20With%20Space/ratio", "0.1"),
        ("/latest/self/service/metadata/Key+With+Space/list/0", "1"),
        ("/latest/self/service/metadata/Key+With+Space/list/1", "2.5"),
        ("/latest/self/service/metadata/Key+With+Space/list/2", "true"),
        ("/latest/self/service/metadata/Key+With+Space/list/3", ""),
        ("/latest/self/service/labels", "a%2Fb\n"),
        ("/latest/self/service/labels/a%2Fb", "x"),
        ("/latest/self/service/links/db", "d/db"),
        ("/2015-12-19/self/service/links", "Db\n"),
        ("/latest/self/service/sidekicks/0", "cache"),
        ("/latest/self/stack/services", "0=web\n1=cache\n"),
        ("/2015-07-25/self/stack/services/1", "Cache"),
        ("/latest/stacks/shop/services/cache/containers/0/uuid", "c-2"),
        ("/latest/self/host/name", "one"),
    ],
)
def test_each_path_leads_to_its_text(path: str, text: str):
    assert get(path) == (200, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/2014-01-01", "Invalid version\n"),
        ("/nothing/self", "Invalid version\n"),
        ("/latest/nothing", "Not found\n"),
        ("/latest/containers/3", "Not found\n"),
        ("/latest/containers/-1", "Not found\n"),
        ("/latest/containers/99999999999999999999999999", "Not found\n"),
        ("/latest/containers/%C2%B2", "Not found\n"),
        ("/latest/version/more", "Not found\n"),
        ("/latest/containers/..", "Not found\n"),
    ],
)
def test_what_is_not_there(path: str, text: str):
    assert get(path) == (404, text)


def test_errors_in_json():
    status, body = get("/latest/nothing", accept="application/json")
    assert (status, json.loads(body)) == (404, {"type": "error", "code": 404, "message": "Not found"})


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("*/*", False),
        ("text/plain, application/json", False),
        ("text/plain;q=0.5, application/json", True),
        ("application/json;q=0.4, */*;q=0.5", False),
        ("application/json;q=x", False),
        ("", False),
    ],
)
def test_who_asks_for_json_gets_json(accept: str, is_json: bool):
    assert get("/latest/self/container/name", accept=accept)[1] == ('"shop_web_1"' if is_json else "shop_web_1")


def test_json_of_a_whole_environment_holds_everything_inside_each_other():
    found = json.loads(get("/latest", accept="application/json")[1])
    assert found["self"]["stack"]["services"][0]["containers"][0]["name"] == "shop_web_1"
    assert [host["name"] for host in found["hosts"]] == ["one", "two"]
    assert "host_ip" not in found["containers"][0]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (WEB, {"container": "shop_web_1", "service": "web", "stack": "shop", "host": "one"}),
        (CACHE, {"container": "shop_web_cache_1", "service": "cache", "stack": "shop", "host": "one"}),
        (ALONE, {"container": "alone", "host": "two"}),
        ("192.0.2.1", {"host": "one"}),
    ],
)
def test_each_client_is_itself(address: str, shown: dict[str, str]):
    found = json.loads(get("/latest/self", address, "application/json")[1])
    assert {key: row["name"] for key, row in found.items()} == shown


def test_before_the_portal_has_sent_anything():
    assert get("/", world=None)[0] == 200
    assert get("/latest/self", world=None) == (404, "Not found\n")
    assert get("/latest/self/container/name", world=World({})) == (404, "Not found\n")


@pytest.mark.parametrize("bad", [{"stacks": {}}, {"containers": "x"}, {"hosts": [1]}, {"services": None}])
def test_a_bad_document_is_refused(bad: dict[str, Any]):
    with pytest.raises(DocumentRefused):
        World(bad)


@pytest.mark.parametrize(
    ("query", "news"),
    [
        ("?wait=true&value=r1", False),
        ("?wait=true&value=r0", True),
        ("?wait=true&value=", True),
        ("?wait=true", True),
        ("?value=r1", True),
    ],
)
def test_only_who_waits_with_a_value_waits(query: str, news: bool):
    request = MetadataRequest.of(parse_request(f"GET /latest/version{query} HTTP/1.1".encode()))
    assert is_news(request, WORLD, WEB) is news


@pytest.mark.parametrize(("given", "seconds"), [("", 60.0), ("10", 10.0), ("0", 60.0), ("999", 120.0), ("x", 60.0)])
def test_how_long_a_client_waits(given: str, seconds: float):
    request = MetadataRequest.of(parse_request(f"GET /latest/version?maxWait={given} HTTP/1.1".encode()))
    assert request.max_wait == seconds


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_whatever_is_listed_can_be_read(tree: Any):
    """Each line of a listing, used as a path, leads to what it is the line of."""

    def walk(node: Any, path: list[str]) -> None:
        assert find(tree, path) == node
        if isinstance(node, dict):
            assert as_text(node).count("\n") == len(node)
            for key, value in node.items():
                walk(value, [*path, key])
        elif isinstance(node, list):
            assert [line.split("=")[0].rstrip("/") for line in as_text(node).splitlines()] == [
                str(index) for index in range(len(node))
            ]
            for index, value in enumerate(node):
                walk(value, [*path, str(index)])

    walk(tree, [])


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=60))
def test_no_request_fails(target: str):
    try:
        head = parse_request(f"GET /{target} HTTP/1.1".encode())
    except Exception:  # noqa: BLE001 - what is no request is refused before
        return
    assert respond(MetadataRequest.of(head), WORLD, WEB).status in {200, 404}


def test_every_version_shows_the_same_things():
    for version in (*VERSIONS, LATEST):
        tree = WORLD.tree(version, WEB)
        assert tree is not None
        assert [row["uuid"] for row in tree["containers"]] == ["c-1", "c-2", "c-3"]
        with pytest.raises(NothingThere):
            find(tree, ["self", "nothing"])
