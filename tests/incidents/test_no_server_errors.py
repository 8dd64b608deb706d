"""No request, however odd, is answered with a 5xx: every collection, action and form, with the same seeds each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from apps.api.wire.resource import all_resources
from apps.console import urls as console_urls
from apps.control.models import AuditEntry
from apps.environments.models import Environment
from apps.stacks.services import service_create, stack_create
from tests.wire.api_client import ApiClient

DEEP = 450
NUMBERS = ["²", "٣", "9" * 40, "9" * 5000, "-1", "0x10", "1e3", " 1", "1 ", "\x00", "", "null", "NaN", "∞", "1_0"]
TEXTS = ["", " ", "\x00", "\ud800", "a" * 5000, "<b>", "../..", "%00", "1a1", "a\r\nb", "ß" * 300, "{", "[", "${", "::"]
VALUES: list[Any] = [None, True, 0, -1, 2**63, 2**70, 1.5, [], {}, [None], [[]], {"": None}, {"a": {"b": []}}, *TEXTS]
RAW = [
    b"", b"{", b"[]", b"null", b"1", b'"a"', b"\xff\xfe", b"{}" * 2, b'{"name":1e999}', b'{"metadata":{"a":-1e999}}',
    b'{"name":NaN}', b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[" * 100_000, b'{"n":' + b"9" * 5000 + b"}", b"_body=%7B",
    b"a=" + b"%5B" * 2000, b"=&&=;", b"\x00",
]  # fmt: skip
FORM = "application/x-www-form-urlencoded"


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return {"name": "deep", "unknown": value}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Thousands of requests from one address are what this is about."""
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"anon": None, "account": None}}


@pytest.fixture
def admin(people: Any, actor_of: Any) -> ApiClient:
    from apps.accounts.services import key_create
    from apps.control.reconcile import reconcile_until_idle

    made = key_create(actor=actor_of("root"), account=people.root, name="fuzz")
    reconcile_until_idle()
    return ApiClient(f"{made.key.public_value}:{made.secret}")


def seeded(word: str) -> random.Random:
    """The same choices every time."""
    return random.Random(word)  # noqa: S311 - of test values


def bodies(names: list[str], seed: str, count: int) -> Iterator[dict[str, Any]]:
    """Objects of the type's own fields with values that do not fit."""
    chance = seeded(seed)
    for _ in range(count):
        yield {name: chance.choice(VALUES) for name in chance.sample(names, min(len(names), 6))}


def assert_no_5xx(status: int, what: object) -> None:
    assert status < 500, f"{status}: {str(what)[:300]}"


@pytest.mark.usefixtures("quiet", "lab")
def test_every_collection_answers_odd_bodies(admin: ApiClient):
    for resource in all_resources():
        path = f"/v1/{resource.plural_name.lower()}"
        for body in bodies([field.name for field in resource.fields], resource.name, 6):
            text = json.dumps(body)
            assert_no_5xx(admin.call("POST", path, text).status, (path, text))
        for raw in seeded(resource.name).sample(RAW, 4):
            assert_no_5xx(admin.call("POST", path, raw).status, (path, raw[:60]))
            assert_no_5xx(admin.call("PUT", path, raw).status, (path, raw[:60]))


@pytest.mark.usefixtures("quiet", "lab")
@pytest.mark.parametrize("kind", ["application/json", FORM, "multipart/form-data; boundary=x", "text/\xff", "", ";;"])
def test_every_malformed_body_is_refused_on_every_way_in(admin: ApiClient, kind: str):
    wrong = ApiClient("nobody:nothing")
    for raw in RAW:
        for caller in (admin, wrong, ApiClient()):
            for path in ("/v1/environments", "/v1/token", "/v1/scripts/transform", "/v1/registers", "/v1/nowhere"):
                answer = caller.call("POST", path, raw, **{"Content-Type": kind})
                assert_no_5xx(answer.status, (path, kind, raw[:60]))


@pytest.mark.usefixtures("quiet")
def test_every_action_and_row_answers_odd_bodies(admin: ApiClient, lab: Environment, host: Any, actor_of: Any):
    from apps.containers.launch.config import LaunchConfig

    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service_create(actor=actor_of("alice"), stack=stack, name="web", config=config, scale=1)
    for resource in all_resources():
        listed = admin.call("GET", f"/v1/{resource.plural_name.lower()}?limit=1")
        for row in (listed.body or {}).get("data") or []:
            path = f"/v1/{resource.plural_name.lower()}/{row['id']}"
            actions = sorted({*resource.actions, *resource.custom_actions} - {"remove", "purge"})
            chance = seeded(resource.name)
            for action in actions:
                raw = chance.choice(RAW)
                assert_no_5xx(admin.call("POST", f"{path}?action={action}", raw).status, (path, action, raw[:60]))
            for text in chance.sample(NUMBERS, 3):
                query = urlencode({"limit": text, "marker": text, "name_like": text, "id": text}, errors="replace")
                assert_no_5xx(admin.call("GET", f"/v1/{resource.plural_name.lower()}?{query}").status, (path, query))


@pytest.mark.usefixtures("quiet", "lab")
def test_numbers_that_no_json_can_say_are_refused_everywhere(admin: ApiClient):
    for word in ("1e999", "-1e999", "NaN", "Infinity"):
        for body in (f'{{"name":"a","metadata":{{"a":{word}}}}}', f'{{"Config":{{"Memory":{word}}}}}'):
            for path in ("/v1/services", "/v1/scripts/transform", "/v1/environments"):
                assert admin.call("POST", path, body).status in {405, 422}, (path, body)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1.0e+999", "!!float .nan", "!!float 1.0e+999"])
def test_rancher_compose_holds_numbers_that_json_can_say(admin: ApiClient, lab: Environment, number: str):
    files = {
        "name": "numbers",
        "dockerCompose": "web:\n  image: bb:local\n",
        "rancherCompose": f"web:\n  metadata:\n    a: {number}\n",
    }
    assert_no_5xx(admin.inside(lab).call("POST", "environments", files).status, number)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("levels", [63, 64, 65, 330, DEEP, 5000])
def test_nesting_has_one_limit(admin: ApiClient, lab: Environment, levels: int):
    raw = b'{"name":"deep","unknown":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"
    answer = admin.inside(lab).call("POST", "environments", raw)
    assert answer.status == (422 if levels > 63 else 201), answer.body


def test_a_request_too_odd_to_be_described_is_recorded_nevertheless(
    admin: ApiClient, lab: Environment, monkeypatch: pytest.MonkeyPatch
):
    def break_down(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("apps.control.services.redact", break_down)
    before = AuditEntry.all_objects.count()
    answer = admin.inside(lab).call("POST", "environments", {"name": "odd"})
    assert answer.status == 201
    refused = admin.inside(lab).call("POST", "environments", {"name": "odd!"})
    assert refused.status == 422
    entries = AuditEntry.all_objects.order_by("pk")[before:]
    assert {entry.code for entry in entries} >= {"201", "422"}
    assert all(entry.request == {"omitted": "could not be described"} for entry in entries)


def test_what_is_nested_too_deep_is_recorded(admin: ApiClient, lab: Environment):
    before = AuditEntry.all_objects.count()
    assert admin.inside(lab).call("POST", "environments", json.dumps(nested(DEEP))).status == 422
    assert AuditEntry.all_objects.count() == before + 1


def console_forms() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every page of the console by its name."""

    def walk(entries: list[URLPattern | URLResolver], inside: bool) -> Iterator[tuple[str, bool, URLPattern]]:
        for entry in entries:
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, True)
            elif entry.name:
                yield entry.name, inside, entry

    for name, inside, entry in walk(console_urls.urlpatterns, False):
        kwargs: dict[str, Any] = {}
        for key, converter in entry.pattern.converters.items():
            kwargs[key] = 1 if type(converter).__name__ in {"KeyConverter", "IntConverter"} else "start"
        yield name, {**kwargs, **({"environment": 5} if inside else {})}


FIELDS = (
    "name", "description", "login", "password", "code", "image", "scale", "linkService", "linkName", "row", "stack",
    "host", "days", "limit", "page", "sort", "number", "role", "kind", "addresses", "expires", "port", "based_on",
    "next", "value", "dockerCompose", "rancherCompose", "environment", "member", "lost", "batchSize", "interval",
    "action", "answer",
)  # fmt: skip


@pytest.mark.usefixtures("quiet")
def test_every_form_of_the_console_answers_odd_fields(
    people: Any, lab: Environment, host: Any, reverse_page: Callable[..., str]
):
    client = Client(raise_request_exception=True)
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    odd = [*NUMBERS, *(text.encode(errors="replace").decode() for text in TEXTS)]
    for name, kwargs in console_forms():
        if name in {"logout", "sessions-end", "session-end", "open-mode"}:
            continue
        chance = seeded(name)
        path = reverse_page(name, {**kwargs, **({"environment": lab.pk} if "environment" in kwargs else {})})
        for _ in range(2):
            fields = {field: chance.choice(odd) for field in chance.sample(FIELDS, 16)}
            assert_no_5xx(client.post(path, fields).status_code, (path, fields))
            assert_no_5xx(client.get(path, fields).status_code, (path, fields))


@pytest.fixture
def reverse_page() -> Callable[..., str]:
    from django.urls import reverse

    return lambda name, kwargs: reverse(f"console:{name}", kwargs=kwargs)


@pytest.mark.parametrize("number", ["²", "9" * 40, "-1", "a"])
def test_a_link_to_no_service_is_refused_in_words(people: Any, lab: Environment, host: Any, actor_of: Any, number: str):
    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    form = {"name": "web", "image": "bb:local", "scale": "1", "linkService": number, "linkName": "db"}
    answer = client.post(f"/env/{lab.pk}/stacks/{stack.pk}/services/new", form)
    assert_no_5xx(answer.status_code, number)
    assert not stack.services.filter(name="web").exists()
