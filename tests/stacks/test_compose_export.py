"""Exported compose files read back as the same services."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.stacks.compose import ComposeService, export, parse
from tests.stacks.full_config import FULL

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
METADATA = st.dictionaries(
    TEXT,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**18), 10**18)
        | TEXT
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
FREE = {
    "environment": st.dictionaries(st.from_regex(r"[A-Za-z_]{1,5}", fullmatch=True) | st.just("y"), TEXT, max_size=4),
    "labels": st.dictionaries(TEXT.filter(bool), TEXT, max_size=3),
    "command": st.lists(TEXT, max_size=3),
    "entryPoint": st.lists(TEXT, max_size=3),
    "user": TEXT.filter(bool),
    "securityOpt": st.lists(TEXT.filter(bool), max_size=2),
    "nanoCpus": st.integers(0, 10**12),
    "logConfig": st.fixed_dictionaries({"driver": st.none() | st.just("x")}, optional={"config": st.just({"a": "$"})}),
}
CONFIGS = st.sets(st.sampled_from(sorted(FULL.keys() - {"imageUuid"} - FREE.keys()))).flatmap(
    lambda names: st.fixed_dictionaries(
        {"imageUuid": st.sampled_from(["docker:nginx", "docker:a:5000/b@sha256:" + "0" * 64, "sim:1"])},
        optional=FREE,
    ).map(lambda free: LaunchConfig.from_wire({**{name: FULL[name] for name in names}, **free}))
)
NAMES = ["web", "db", "on", "1", "null-", "null", "true", "y", "0x1f"]
SERVICES = st.lists(
    st.builds(
        ComposeService,
        st.sampled_from([name for name in NAMES if not name.endswith("-")]),
        CONFIGS,
        st.integers(0, 1000),
        external_links=st.lists(st.just(("shop/db", "db")), max_size=1).map(tuple),
        metadata=METADATA,
        description=TEXT,
    ),
    unique_by=lambda service: service.name,
    max_size=3,
)


def test_everything_that_a_file_can_say_survives() -> None:
    config = LaunchConfig.from_wire(FULL)
    web = ComposeService(
        "web", config, 3, (("db", "db"), ("db", "store")), (("shop/x", "x"),), {"a": {"b": [1, None]}}, "The $hop"
    )
    db = ComposeService("db", LaunchConfig(image_uuid="docker:postgres"))
    stack = parse(*export([web, db]))
    assert stack.services == (web, db)
    assert stack.warnings == ()


@given(SERVICES)
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_the_same(services: list[ComposeService]) -> None:
    stack = parse(*export(services))
    assert stack.services == tuple(services)
    assert stack.warnings == ()


def test_the_texts_are_stable_and_plain_yaml_to_others() -> None:
    service = ComposeService("web", LaunchConfig.from_wire({"imageUuid": "docker:nginx", "ports": ["80:80"]}), 2)
    docker, rancher = export([service])
    assert docker == "version: '2'\nservices:\n  web:\n    image: nginx\n    ports:\n    - 80:80/tcp\n"
    assert rancher == "version: '2'\nservices:\n  web:\n    scale: 2\n"
    assert yaml.safe_load(docker)["services"]["web"]["image"] == "nginx"
    assert (docker, rancher) == export([service])


def test_characters_that_yaml_reads_as_line_ends_survive() -> None:
    command = ["\x85", "a\u2028b", "\r", "\r\n", " \n ", "\ufeff", "\x07", "\t"]
    service = ComposeService("web", LaunchConfig.from_wire({"imageUuid": "docker:a", "command": command}))
    assert parse(*export([service])).services == (service,)


def test_equal_values_are_written_out_for_each_service() -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", "command": ["x", "y"]})
    docker, _ = export([ComposeService("one", config), ComposeService("two", config)])
    assert "&" not in docker
    assert docker.count("- x") == 2


def test_ids_of_this_portal_are_left_out() -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:a", "requestedHostId": "1h1", "registryCredentialId": "1c1"})
    docker, rancher = export([ComposeService("web", config)])
    assert "1h1" not in docker + rancher
    assert "1c1" not in docker + rancher


def test_nothing_is_written_for_no_services() -> None:
    assert parse(*export([])).services == ()
