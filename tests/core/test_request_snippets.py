"""Requests written down for other tools: each tool reads back exactly the request, and no secret is in any of them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from apps.core.request_snippets import HIDDEN, ApiRequest, snippets_of, without_secrets

URL = "https://portal.example/v1/projects/1a5/services/1s3/?action=upgrade"
BODIES: list[dict[str, Any] | None] = [
    None,
    {},
    {"scale": 3, "description": 'it\'s "here" $HOME `id` \\ \n é'},
    {"launchConfig": {"environment": {"A": "{{ b }}", "C": "{% d %}"}, "ports": ["80:80"]}},
    {"name": "'; rm -rf / #"},
]


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it."""


def _construct_unsafe(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_object(node)


Loader.add_constructor("!unsafe", _construct_unsafe)


def written(request: ApiRequest) -> dict[str, str]:
    return {each.tool: each.text for each in snippets_of(request)}


@pytest.mark.parametrize("body", BODIES)
def test_a_shell_gives_curl_the_request_as_it_is(body: dict[str, Any] | None):
    words = shlex.split(written(ApiRequest("POST", URL, body))["curl"])
    assert words[:5] == ["curl", "-u", "$CORRAL_ACCESS_KEY:$CORRAL_SECRET_KEY", "-X", "POST"]
    assert words[-1] == URL
    if body is None:
        assert "-d" not in words
    else:
        assert json.loads(words[words.index("-d") + 1]) == body
        assert words[words.index("-H") + 1] == "Content-Type: application/json"


@pytest.mark.parametrize("body", BODIES)
def test_ansible_reads_the_request_as_it_is(body: dict[str, Any] | None):
    [task] = yaml.load(written(ApiRequest("PUT", URL, body, title="Scale: web"))["Ansible"], Loader)  # noqa: S506
    module = task["ansible.builtin.uri"]
    assert task["name"] == "Scale: web"
    assert (module["method"], module["url"]) == ("PUT", URL)
    assert module.get("body") == body
    assert module["force_basic_auth"] is True
    assert "lookup('env', 'CORRAL_SECRET_KEY')" in module["url_password"]
    assert module["status_code"] == [200, 201, 202]


def test_corral_is_offered_only_where_it_has_a_command():
    assert "corral" not in written(ApiRequest("POST", URL))
    found = written(ApiRequest("POST", URL, command=("stop", "--type", "service", "web/it's")))
    assert shlex.split(found["corral"]) == ["corral", "stop", "--type", "service", "web/it's"]


@pytest.mark.parametrize(
    "name",
    ["password", "secretKey", "secretValue", "key", "privateKey", "serviceAccountPassword", "clientSecret", "jwtToken"],
)
def test_secrets_are_hidden_at_every_level(name: str):
    body = {name: "hush", "deep": [{name: "hush"}], "name": "web"}
    assert without_secrets(body) == {name: HIDDEN, "deep": [{name: HIDDEN}], "name": "web"}
    for text in written(ApiRequest("POST", URL, body)).values():
        assert "hush" not in text


def test_what_is_no_text_is_no_secret():
    assert without_secrets({"key": None, "token": 5, "password": ""}) == {"key": None, "token": 5, "password": ""}
