"""The calls that Corral needs pass; nothing else does."""

from __future__ import annotations

import pytest

from corral_agent.engine_proxy import rules
from corral_agent.engine_proxy.rules import Body, Rule

ALLOWED = """
GET /_ping
HEAD /_ping
GET /version
GET /info
GET /events
GET /system/df
GET /containers/json
POST /containers/create
GET /containers/web/json
GET /containers/web/logs
GET /containers/web/stats
POST /containers/web/start
POST /containers/web/stop
POST /containers/web/restart
POST /containers/web/kill
POST /containers/web/rename
POST /containers/web/wait
POST /containers/web/attach
POST /containers/web/resize
POST /containers/web/exec
DELETE /containers/web
GET /containers/web/archive
HEAD /containers/web/archive
PUT /containers/web/archive
GET /exec/0123abcd/json
POST /exec/0123abcd/start
POST /exec/0123abcd/resize
GET /images/json
POST /auth
POST /images/create
POST /images/load
POST /build
GET /images/get
GET /images/bb:local/json
GET /images/registry:5000/team/app:1.0/json
GET /images/a@sha256:00ff/get
GET /images/registry:5000/team/app:1.0/history
POST /images/sha256:00ff/tag
POST /images/team/app:1.0/tag
DELETE /images/registry:5000/team/app:1.0
GET /networks
GET /networks/lab
POST /networks/create
POST /networks/lab/connect
POST /networks/lab/disconnect
DELETE /networks/lab
GET /volumes
POST /volumes/create
GET /volumes/data
DELETE /volumes/data
"""
REFUSED = """
GET /
POST /_ping
GET /plugins
POST /plugins/pull
GET /swarm
POST /swarm/init
GET /nodes
GET /services
POST /services/create
GET /secrets
POST /secrets/create
GET /configs
POST /configs/create
POST /build/prune
POST /system/df
POST /session
POST /grpc
GET /distribution/x/json
POST /commit
GET /containers/web/export
GET /containers/web/changes
GET /containers/web/top
GET /containers/web/attach/ws
POST /containers/web/update
POST /containers/web/pause
POST /containers/web/unpause
POST /containers/prune
POST /images/prune
POST /networks/prune
POST /volumes/prune
GET /images/search
POST /images/a/push
PUT /volumes/data
PUT /containers/create
DELETE /containers/web/json
DELETE /containers
DELETE /images
GET /containers/create
POST /containers/json
PATCH /containers/web
TRACE /info
GET /containers/-web/json
GET /containers/web/json/json
GET /info/x
GET /infox
GET /v1.40/info
"""


def calls(text: str) -> list[tuple[str, str]]:
    return [(method, path) for method, path in (line.split() for line in text.strip().splitlines())]


@pytest.mark.parametrize(("method", "path"), calls(ALLOWED))
def test_what_corral_needs_passes(method: str, path: str):
    assert isinstance(rules.find_rule(method, path, ""), Rule)


@pytest.mark.parametrize(("method", "path"), calls(REFUSED))
def test_everything_else_is_refused_with_words(method: str, path: str):
    words = rules.find_rule(method, path, "")
    assert isinstance(words, str)
    assert f"{method} {path}" in words


@pytest.mark.parametrize(("method", "path"), calls(ALLOWED))
def test_a_reading_agent_lets_only_reading_through(method: str, path: str):
    found = rules.find_rule(method, path, "", read_only=True)
    assert isinstance(found, Rule) is (method in {"GET", "HEAD"})


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("", True),
        ("fromImage=bb&tag=local", True),
        ("fromSrc=-&repo=x", True),
        ("fromSrc=http://169.254.169.254/", False),
        ("fromsrc=http://x/", False),
        ("FROMSRC=file:///etc/passwd", False),
        ("fromSrc=-&fromSrc=http://x/", False),
        ("fromSrc=", False),
        ("from%53rc=http://x/", False),
        ("fromImage=a&fromSrc=http%3A%2F%2Fx", False),
        ("fromImage=a;fromSrc=http%3A%2F%2Fx", False),
    ],
)
def test_images_are_not_fetched_from_urls(query: str, passes: bool):
    assert isinstance(rules.find_rule("POST", "/images/create", query), Rule) is passes


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("", True),
        (
            "version=1&t=shop%3A2&dockerfile=D&rm=1&forcerm=1&buildargs=%7B%7D&labels=%7B%7D&target=x&nocache=1&pull=1",
            True,
        ),
        ("version=2", False),
        ("version=1&version=2", False),
        ("remote=http://x/", False),
        ("rem%6Fte=http://x/", False),
        ("Remote=http://x/", False),
        ("networkmode=host", False),
        ("t=x&extrahosts=a:1.2.3.4", False),
        ("cgroupparent=/", False),
        ("securityopt=x", False),
        ("outputs=x", False),
        ("session=x", False),
        ("t=x;remote=http://x/", False),
    ],
)
def test_builds_have_the_parameters_of_the_portal_only(query: str, passes: bool):
    assert isinstance(rules.find_rule("POST", "/build", query), Rule) is passes
    assert isinstance(rules.find_rule("POST", "/build", query, read_only=True), str)


def test_only_commands_and_attaching_may_take_a_connection_over():
    taking = {rule.pattern.pattern for rule in rules.RULES if rule.hijack}
    assert len(taking) == 2
    assert all(pattern.endswith(("/attach", "/start")) for pattern in taking)


def test_files_are_for_systems_containers_only():
    assert all(rule.system for rule in rules.RULES if "archive" in rule.pattern.pattern)


def test_what_takes_json_is_known():
    found = rules.find_rule("POST", "/containers/create", "")
    assert isinstance(found, Rule)
    assert found.body is Body.JSON


@pytest.mark.parametrize(
    ("path", "name"),
    [("/containers/web/archive", "web"), ("/containers/web/json", "web"), ("/info", ""), ("/elsewhere/web", "")],
)
def test_a_path_names_its_container(path: str, name: str):
    assert rules.container_in_path(path) == name
