"""Bad input is refused with a message, never an internal error, and leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any

from apps.accounts.models import ApiKey
from apps.containers.models import Container
from apps.control.models import Operation
from apps.environments.models import Environment, Member
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, Stack
from tests.wire.api_client import ApiClient

IMAGE = "docker:sim/nginx:1"
LONG = "x" * 1024 * 1024
ONE = {"imageUuid": IMAGE}
GLOBAL = "io.rancher.scheduler.global"
RULE = "io.rancher.scheduler.affinity:host_label"
TABLES = (Stack, Service, Container, Host, Environment, ApiKey, Member, ServiceLink, Operation)

CONTAINERS: list[tuple[dict[str, Any], str]] = [
    ({}, "imageUuid"),
    ({"imageUuid": "nginx"}, "imageUuid"),
    ({"imageUuid": "docker:UPPER"}, "imageUuid"),
    ({"imageUuid": "docker:a b"}, "imageUuid"),
    ({"imageUuid": ["docker:x"]}, "imageUuid"),
    ({"imageUuid": LONG}, "imageUuid"),
    ({"imageUuid": "docker:\0"}, "imageUuid"),
    ({"imageUuid": IMAGE, "name": LONG}, "name"),
    ({"imageUuid": IMAGE, "name": "a\0b"}, "name"),
    ({"imageUuid": IMAGE, "name": {"a": 1}}, "name"),
    ({"imageUuid": IMAGE, "name": "\ud800"}, "name"),
    ({"imageUuid": IMAGE, "ports": ["99999:80"]}, "ports"),
    ({"imageUuid": IMAGE, "ports": ["80:80/icmp"]}, "ports"),
    ({"imageUuid": IMAGE, "ports": {"80": 80}}, "ports"),
    ({"imageUuid": IMAGE, "ports": [["80"]]}, "ports"),
    ({"imageUuid": IMAGE, "memory": "lots"}, "memory"),
    ({"imageUuid": IMAGE, "memory": 10**30}, "memory"),
    ({"imageUuid": IMAGE, "memory": -1}, "memory"),
    ({"imageUuid": IMAGE, "memory": 4 << 20}, "memory"),
    ({"imageUuid": IMAGE, "memory": 64 << 20, "memoryReservation": 128 << 20}, "memoryReservation"),
    ({"imageUuid": IMAGE, "labels": {"io.rancher.container.start_once": "maybe"}}, "labels"),
    ({"imageUuid": IMAGE, "labels": {"io.rancher.container.pull_image": "sometimes"}}, "labels"),
    ({"imageUuid": IMAGE, "privileged": "maybe"}, "privileged"),
    ({"imageUuid": IMAGE, "environment": ["A=b"]}, "environment"),
    ({"imageUuid": IMAGE, "environment": {"A=": "b"}}, "environment"),
    ({"imageUuid": IMAGE, "labels": "x"}, "labels"),
    ({"imageUuid": IMAGE, "restartPolicy": "always"}, "restartPolicy"),
    ({"imageUuid": IMAGE, "restartPolicy": {"name": "often"}}, "restartPolicy.name"),
    *(
        ({"imageUuid": IMAGE, "restartPolicy": {**name, "maximumRetryCount": 3}}, "restartPolicy.maximumRetryCount")
        for name in ({"name": "always"}, {"name": "unless-stopped"}, {"name": "no"}, {})
    ),
    ({"imageUuid": IMAGE, "networkMode": "space"}, "networkMode"),
    ({"imageUuid": IMAGE, "healthCheck": {}}, "healthCheck.port"),
    ({"imageUuid": IMAGE, "healthCheck": {"port": 80, "requestLine": "WAT"}}, "healthCheck.requestLine"),
    ({"imageUuid": IMAGE, "labels": {RULE: "foo"}}, "labels"),
    ({"imageUuid": IMAGE, "count": 0}, "count"),
    ({"imageUuid": IMAGE, "count": 10**6}, "count"),
    ({"imageUuid": IMAGE, "requestedHostId": "1h999"}, "requestedHostId"),
    ({"imageUuid": IMAGE, "requestedHostId": "nonsense"}, "requestedHostId"),
    ({"imageUuid": IMAGE, "dataVolumes": ["relative"]}, "dataVolumes"),
    ({"imageUuid": IMAGE, "build": {"context": "x"}}, "build"),
    ({"imageUuid": IMAGE, "count": 3, "name": "!"}, "name"),
]

SERVICES: list[tuple[dict[str, Any], str]] = [
    ({"name": "x", "environmentId": "STACK", "launchConfig": {**ONE, "memory": 4 << 20}}, "memory"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": {**ONE, "labels": {GLOBAL: "maybe"}}}, "labels"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": ONE, "schedule": {}}, "schedule.cron"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": ONE, "scalePolicy": {}}, "scalePolicy.min"),
    (
        {"name": "x", "environmentId": "STACK", "scale": 3, "launchConfig": {**ONE, "labels": {GLOBAL: "true"}}},
        "scale",
    ),
    ({"name": "x"}, "environmentId"),
    ({"name": "x", "environmentId": "1e999"}, "environmentId"),
    ({"name": "x", "environmentId": {"id": 1}}, "environmentId"),
    ({"name": None, "environmentId": "STACK", "launchConfig": {"imageUuid": IMAGE}}, "name"),
    ({"name": "a_b", "environmentId": "STACK", "launchConfig": {"imageUuid": IMAGE}}, "name"),
    ({"name": "x" * 64, "environmentId": "STACK", "launchConfig": {"imageUuid": IMAGE}}, "name"),
    ({"name": "FRONT", "environmentId": "STACK", "launchConfig": {"imageUuid": IMAGE}}, "name"),
    ({"name": "x", "environmentId": "STACK"}, "imageUuid"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": [IMAGE]}, "launchConfig"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": "x"}, "launchConfig"),
    ({"name": "x", "environmentId": "STACK", "launchConfig": {"imageUuid": 5}}, "imageUuid"),
    ({"name": "x", "environmentId": "STACK", "scale": -1, "launchConfig": {"imageUuid": IMAGE}}, "scale"),
    ({"name": "x", "environmentId": "STACK", "scale": 10**9, "launchConfig": {"imageUuid": IMAGE}}, "scale"),
    ({"name": "x", "environmentId": "STACK", "scale": 1.5, "launchConfig": {"imageUuid": IMAGE}}, "scale"),
    ({"name": "x", "environmentId": "STACK", "scale": True, "launchConfig": {"imageUuid": IMAGE}}, "scale"),
    ({"name": "x", "environmentId": "STACK", "metadata": [], "launchConfig": {"imageUuid": IMAGE}}, "metadata"),
    (
        {"name": "x", "environmentId": "STACK", "scale": 2, "launchConfig": {**ONE, "requestedIpAddress": "10.42.9.9"}},
        "requestedIpAddress",
    ),
    (
        {
            "name": "x",
            "environmentId": "STACK",
            "launchConfig": {**ONE, "labels": {"io.rancher.scheduler.affinity:container_label_ne": "a=b,=c"}},
        },
        "labels",
    ),
    (
        {
            "name": "x",
            "environmentId": "STACK",
            "launchConfig": {**ONE, "healthCheck": {"port": 80, "requestLine": "/up"}},
        },
        "healthCheck.requestLine",
    ),
    (
        {"name": "x", "environmentId": "STACK", "metadata": {"a": "\0"}, "launchConfig": {"imageUuid": IMAGE}},
        "metadata",
    ),
    (
        {"name": "x", "environmentId": "STACK", "metadata": {"a": LONG}, "launchConfig": {"imageUuid": IMAGE}},
        "metadata",
    ),
    (
        {
            "name": "x",
            "environmentId": "STACK",
            "launchConfig": {"imageUuid": IMAGE},
            "secondaryLaunchConfigs": [{"name": "y"}],
        },
        "secondaryLaunchConfigs[0].imageUuid",
    ),
    (
        {
            "name": "x",
            "environmentId": "STACK",
            "launchConfig": {"imageUuid": IMAGE},
            "secondaryLaunchConfigs": [{"name": "y", "imageUuid": IMAGE, "networkLaunchConfig": "z"}],
        },
        "LaunchConfigName",
    ),
]

OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("environments", {}, "name"),
    ("environments", {"name": ""}, "name"),
    ("environments", {"name": "a b"}, "name"),
    ("environments", {"name": "WEB"}, "name"),
    ("environments", {"name": LONG}, "name"),
    ("environments", {"name": "x", "environment": "A=b"}, "environment"),
    ("environments", {"name": "x", "startOnCreate": "perhaps"}, "startOnCreate"),
    ("environments", {"name": "x", "externalId": "y" * 129}, "externalId"),
    ("apikeys", {"name": LONG}, "name"),
    ("apikeys", {"description": ["x"]}, "description"),
    ("engineendpoints", {}, "url"),
    ("engineendpoints", {"url": "ftp://x"}, "url"),
    ("engineendpoints", {"url": "tcp://h"}, "url"),
    ("engineendpoints", {"url": "tcp://127.0.0.1:1"}, "url"),
    ("engineendpoints", {"url": "tcp://127.0.0.1:1", "labels": [1]}, "labels"),
    ("engineendpoints", {"url": "tcp://h:99999"}, "url"),
    ("engineendpoints", {"url": "ssh://"}, "url"),
    ("engineendpoints", {"url": "ssh://a:secret@h", "password": "x"}, "url"),
    ("engineendpoints", {"url": "ssh://h"}, "privateKey"),
    ("engineendpoints", {"url": "ssh://a@h", "user": "b", "password": "x"}, "user"),
    ("engineendpoints", {"url": "ssh://127.0.0.1:1", "password": "x"}, "url"),
    ("engineendpoints", {"url": "ssh://127.0.0.1:1", "privateKey": "x", "hostKey": "SHA256:x"}, "privateKey"),
    ("engineendpoints", {"url": "ssh://127.0.0.1:1", "password": "x", "hostKey": "x"}, "hostKey"),
]

CASES = [
    *(("containers", body, field) for body, field in CONTAINERS),
    *(("services", body, field) for body, field in SERVICES),
    *OTHERS,
]


def _counts() -> list[int]:
    return [
        (table.all_objects if hasattr(table, "all_objects") else table._default_manager).count() for table in TABLES
    ]


def test_an_invalid_field_is_refused_by_name_and_nothing_is_created(api: ApiClient, stack: Any):
    before = _counts()
    for path, body, field in CASES:
        sent = json.loads(json.dumps(body).replace('"STACK"', json.dumps(stack["stack"])))
        answer = api.post(path, sent)
        assert answer.status == 422, (path, str(body)[:200], answer.body)
        assert answer["fieldName"] == field, (path, str(body)[:200], answer["fieldName"])
        assert answer["type"] == "error"
        assert answer["code"]
        assert len(answer["message"]) < 1000
    assert _counts() == before


BODIES = [
    "[]",
    "[1]",
    '"x"',
    "5",
    "true",
    "{",
    "nonsense",
    '{"a":NaN}',
    "[" * 100_000,
    '{"a":' * 5000,
    "\xff\xfe",
    "{'a':1}",
]


def test_a_body_that_is_not_an_object_is_refused(api: ApiClient, stack: Any):
    before = _counts()
    ways = (
        ("POST", "environments"),
        ("POST", "containers"),
        ("PUT", f"services/{stack['front']}"),
        ("POST", f"services/{stack['front']}?action=setservicelinks"),
        ("POST", "/v1/scripts/transform"),
    )
    for body in BODIES:
        for method, path in ways:
            answer = api.call(method, path, body.encode("latin-1"))
            assert answer.status == 422, (method, path, body[:20], answer.body)
    assert _counts() == before


def test_a_huge_body_is_refused(api: ApiClient):
    answer = api.post("environments", {"name": "x", "description": "y" * 5 * 1024 * 1024})
    assert (answer.status, answer["type"]) == (413, "error")


def test_an_invalid_compose_file_creates_nothing(api: ApiClient):
    before = _counts()
    for text in ("a: [", "- x", "web:\n  image: [1]", "web: {image: sim/x, ports: ['a:b']}", "\0", "x" * 100):
        answer = api.post("environments", {"name": "bad", "dockerCompose": text})
        assert answer.status == 422, (text, answer.body)
    assert _counts() == before


QUERIES = [
    "name=%00", "name_like=%25%25%25%5C", "name_like=%5C", "created_gt=yesterday", "created_gt=99999999999999999999",
    "id=x", "id_gt=99999999999999999999", "id=1i99999999999999999999", "uuid=x", "uuid=%00", "scale_gt=x", "sort=x",
    "sort=created&order=sideways", "marker=mx", "marker=m99999999999", "limit=x", "limit=1e9",
    "stackId=1", "state_nonsense=1", "_=1", "name_=1", "_eq=1", "accountId=x", "removed=x", "include=nowhere",
    "include=links&include=account", "name_prefix=%ED%A0%80", "environmentId=5", "hostId_null=", "kind=x", "format=xml",
]  # fmt: skip


def test_a_malformed_query_finds_nothing_or_is_ignored(api: ApiClient, stack: Any):
    for query in QUERIES:
        for plural in ("services", "apikeys", "settings", "identities"):
            answer = api.get(f"{plural}?{query}")
            assert answer.status == 200, (plural, query, answer.body)


def test_members_are_refused_by_name(api_of: Any, lab: Any, people: Any):
    alice = api_of("alice")
    path = f"projects/1a{lab.pk}?action=setmembers"
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    tries: list[list[Any]] = [
        [],
        [{**owner, "role": "king"}],
        [{**owner, "externalId": "1a999"}],
        [5],
        ["x"],
        [[]],
        [{}],
    ]
    for members in tries:
        answer = alice.post(path, {"members": members})
        assert answer.status in {400, 422}, (members, answer.body)
        assert answer["fieldName"] == "members"
    assert Member.objects.filter(environment=lab).count() == 4
    assert alice.post(path, {"members": [owner]}).status == 200
