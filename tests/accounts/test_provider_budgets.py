"""Whatever a log-in provider sends, every question to it ends with `ProviderDown` within its budget."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import RequestFactory

from apps.accounts.providers.errors import GithubDown
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.accounts.providers.github.oauth import redeem
from apps.accounts.providers.github.provider import GithubProvider
from apps.accounts.providers.http import ProviderOverBudget, one_budget, send_request
from apps.core import read_budgets
from apps.core.errors import Problem
from tests import hostile_server as hostile
from tests.hostile_server import Answer, HostileServer

pytestmark = pytest.mark.faces

Ask = Callable[[GithubProviderConfig], Any]

GITHUB = GithubProvider()
ASKS: dict[str, Ask] = {
    "search": lambda config: GITHUB.search(config, "oct", 5, exact=False, token="t"),
    "lookup": lambda config: GITHUB.lookup(config, "github_user", "43"),
    "resync": lambda config: GITHUB.resync(config, "43", "t"),
    "complete": lambda config: redeem(RequestFactory().get("/"), config, "code", "http://portal/back"),
}
LOCAL = {"begin", "origin", "preflight", "read_config"}

ANSWERS: list[Answer] = [
    hostile.endless_body,
    hostile.endless_rows,
    hostile.endless_head,
    hostile.endless_refusal,
    hostile.packed_bomb,
]


def test_every_question_is_tried() -> None:
    methods = {name for name, _ in inspect.getmembers(GITHUB, inspect.ismethod) if not name.startswith("_")}
    assert methods - LOCAL == set(ASKS)


@pytest.fixture(autouse=True)
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVIDER_CALL", "PROVIDER_PAGES"):
        monkeypatch.setattr(read_budgets, name, replace(getattr(read_budgets, name), max_bytes=64 * 1024))


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], HostileServer]]:
    servers: list[HostileServer] = []

    def start(answer: Answer) -> HostileServer:
        servers.append(HostileServer.on_port(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def config_of(server: HostileServer) -> GithubProviderConfig:
    return GithubProviderConfig(client_id="id", client_secret="s", hostname=server.address, scheme="http://")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
@pytest.mark.parametrize("ask", sorted(ASKS))
def test_an_endless_answer_ends_at_the_budget(serve: Any, ask: str, answer: Answer) -> None:
    server = serve(answer)
    with pytest.raises((GithubDown, Problem)):
        ASKS[ask](config_of(server))
    assert server.sent < 8 * 1024**2  # most of it in the buffers of two sockets


@pytest.mark.parametrize("ask", sorted(ASKS))
def test_a_drip_ends_at_the_deadline(serve: Any, ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drip = hostile.SlowDrip(b" ")
    monkeypatch.setattr(read_budgets, "monotonic", drip.monotonic)
    with pytest.raises((GithubDown, Problem)):
        ASKS[ask](config_of(serve(drip)))


def test_pages_without_end_share_one_budget(serve: Any) -> None:
    body = b"[" + b" " * 20_000 + b"1]"
    url = f"http://{serve(lambda _path: iter([hostile.complete(body)])).address}/"

    def read_pages() -> int:
        with one_budget():
            for page in range(1, 100):
                try:
                    send_request("GET", url, timeout=1)
                except ProviderOverBudget:
                    return page
        return 0

    assert read_pages() == 4


def test_redirects_have_an_end_and_count(serve: Any) -> None:
    around = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    config = config_of(serve(lambda _path: iter([around])))
    with pytest.raises(GithubDown):
        GITHUB.lookup(config, "github_user", "43")
