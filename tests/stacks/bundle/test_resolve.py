"""A bundle becomes one pair of compose files that says the same."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.stacks.bundle.resolve import parse_variables, resolve_bundle
from apps.stacks.compose import parse


def services_of(files: dict[str, str]) -> dict[str, Any]:
    found = resolve_bundle({name: text.encode() for name, text in files.items()})
    parsed = parse(found.docker_compose, found.rancher_compose, dict(found.variables), stack_name="shop")
    return {each.name: each for each in parsed.services}


def test_a_file_that_names_no_other_is_taken_as_it_stands():
    text = "# Ours.\nweb:\n  image: bb:local # the one\n"
    found = resolve_bundle({"docker-compose.yml": text.encode(), "rancher-compose.yml": b"web:\n  scale: 2\n"})
    assert (found.docker_compose, found.rancher_compose) == (text, "web:\n  scale: 2\n")
    assert found.notes == ()


def test_env_files_stand_under_environment_and_its_own_values_are_stronger():
    web = services_of(
        {
            "docker-compose.yml": "web:\n  image: bb:local\n  env_file: [a.env, sub/b.env]\n  environment: [X=own]\n",
            "a.env": "# first\nexport A='one two'\nX=file\nB=1\n",
            "sub/b.env": 'B="2"\nPRICE=5$\nPATTERN=${HOME}\n',
        }
    )["web"]
    assert web.config.environment == {"A": "one two", "X": "own", "B": "2", "PRICE": "5$", "PATTERN": "${HOME}"}


def test_a_file_of_variables_that_need_not_be_there():
    text = "services:\n  web:\n    image: bb:local\n    env_file:\n    - path: none.env\n      required: false\n"
    assert services_of({"compose.yaml": text})["web"].config.environment == {}


def test_extends_reads_the_other_file_and_its_paths_are_relative_to_it():
    web = services_of(
        {
            "docker-compose.yml": "web:\n  extends: {file: common/base.yml, service: app}\n  environment: {B: '2'}\n",
            "common/base.yml": (
                "root:\n  image: bb:local\n  env_file: base.env\n  labels: {a: '1'}\n"
                "app:\n  extends: root\n  mem_limit: 64m\n  environment: {A: '1', B: '1'}\n"
            ),
            "common/base.env": "C=3\n",
        }
    )["web"]
    assert web.config.image == "bb:local"
    assert web.config.environment == {"A": "1", "B": "2", "C": "3"}
    assert web.config.memory == 64 * 1024 * 1024
    assert web.config.labels["a"] == "1"


def test_include_and_override_are_merged():
    files = {
        "compose.yaml": "include: [db/compose.yaml]\nservices:\n  web:\n    image: bb:local\n    links: [db]\n",
        "db/compose.yaml": "services:\n  db:\n    image: bb:local\n    env_file: db.env\n",
        "db/db.env": "PASSWORD=secret\n",
        "compose.override.yaml": "services:\n  web:\n    environment: {DEBUG: '1'}\n",
    }
    found = services_of(files)
    assert found["db"].config.environment == {"PASSWORD": "secret"}
    assert found["web"].config.environment == {"DEBUG": "1"}
    notes = resolve_bundle({name: text.encode() for name, text in files.items()}).notes
    assert notes == ("compose.override.yaml was merged into compose.yaml.",)


def test_the_variables_of_the_bundle_hold_and_unused_files_are_named():
    files = {"compose.yml": "services:\n  web:\n    image: bb:${TAG}\n", ".env": "TAG=local\n", "README.md": "Hello"}
    found = resolve_bundle({name: text.encode() for name, text in files.items()})
    assert found.variables == {"TAG": "local"}
    assert found.notes == ("README.md is in the bundle and was not used.",)
    assert services_of(files)["web"].config.image == "bb:local"


SERVICES = "services:\n  web:\n    image: bb:local\n"


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"stack.yml": SERVICES}, "MissingRequired", "docker-compose.yml"),
        ({"compose.yml": "a: [\n"}, "InvalidFormat", "compose.yml: line 2"),
        ({"compose.yml": SERVICES + "    env_file: ../secret.env\n"}, "InvalidReference", "out of the bundle"),
        ({"compose.yml": SERVICES + "    env_file: /etc/passwd\n"}, "InvalidReference", "out of the bundle"),
        ({"compose.yml": SERVICES + "    env_file: none.env\n"}, "InvalidReference", "not in the bundle"),
        ({"compose.yml": SERVICES + "    env_file: a.env\n", "a.env": "A=1\n= x\n"}, "InvalidFormat", "a.env: line 2"),
        ({"compose.yml": "web:\n  extends: {file: b.yml, service: x}\n"}, "InvalidReference", "not in the bundle"),
        (
            {"compose.yml": "web:\n  extends: {file: b.yml, service: x}\n", "b.yml": "y:\n  image: a\n"},
            "InvalidReference",
            "no service 'x' in b.yml",
        ),
        (
            {
                "compose.yml": "web:\n  extends: {file: b.yml, service: x}\n",
                "b.yml": "x:\n  extends: {file: compose.yml, service: web}\n",
            },
            "InvalidReference",
            "in a circle",
        ),
        (
            {"compose.yml": "web:\n  extends: {file: b.yml, service: x}\n", "b.yml": "x:\n  image: a\n  links: [y]\n"},
            "InvalidFormat",
            "cannot be extended",
        ),
        ({"compose.yml": "include: [a.yml]\n" + SERVICES, "a.yml": "services:\n  web: {}\n"}, "NotUnique", "web"),
        ({"compose.yml": "include:\n- {path: a.yml, env_file: x}\n"}, "InvalidFormat", "`env_file`"),
        ({"compose.yml": "include: [compose.yml]\n"}, "InvalidReference", "in a circle"),
        ({"compose.yml": SERVICES, ".env": "\xff"}, "InvalidFormat", "UTF-8"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_its_file(files: dict[str, str], code: str, words: str):
    with pytest.raises(Invalid) as refused:
        resolve_bundle({name: text.encode("latin-1") for name, text in files.items()})
    assert (refused.value.field, refused.value.code) == ("bundle", code)
    assert words in refused.value.message


def test_many_services_that_extend_a_large_one_are_refused_before_they_are_written_out():
    """Five hundred times 100 kB would be 50 MB of text."""
    web = "".join(f"w{number}:\n  extends: {{file: b.yml, service: x}}\n" for number in range(500))
    base = "x:\n  image: a\n  environment:\n    A: " + "x" * 100_000 + "\n"
    with pytest.raises(Invalid) as refused:
        resolve_bundle({"compose.yml": web.encode(), "b.yml": base.encode()})
    assert refused.value.code == "MaxLengthExceeded"


def test_variables_as_compose_reads_them():
    text = "A=1\n# no\n\nexport B = two \nC='a # b'\nD=x # y\nE\nF=\n"
    assert parse_variables(text) == {"A": "1", "B": "two", "C": "a # b", "D": "x", "E": None, "F": ""}
