"""Whatever an engine sends, every call of a driver ends with an `EngineError` within its budget: each is tried."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core import read_budgets
from apps.core.read_budgets import ReadBudget
from apps.drivers.base import CreateRequest, Driver, Endpoint, EngineDown, EngineError
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.exec_calls import ExecRequest
from apps.drivers.image_builds import BuildRequest
from tests import hostile_server as hostile
from tests.hostile_server import Answer, HostileServer

pytestmark = pytest.mark.faces

Call = Callable[[Driver], Any]

# Sockets hold some of what nobody reads.
SLACK = 2 * 1024 * 1024

CALLS: dict[str, Call] = {
    "ping": lambda engine: engine.ping(),
    "log_in": lambda engine: engine.log_in({"username": "u", "password": "p", "serveraddress": "registry.test"}),
    "info": lambda engine: engine.info(),
    "describe_host": lambda engine: engine.describe_host(),
    "containers": lambda engine: engine.containers(),
    "inspect": lambda engine: engine.inspect("a"),
    "find": lambda engine: engine.find("label", "value"),
    "create": lambda engine: engine.create(CreateRequest("a", {})),
    "start": lambda engine: engine.start("a"),
    "stop": lambda engine: engine.stop("a"),
    "restart": lambda engine: engine.restart("a"),
    "unpause": lambda engine: engine.unpause("a"),
    "kill": lambda engine: engine.kill("a"),
    "remove": lambda engine: engine.remove("a"),
    "rename": lambda engine: engine.rename("a", "b"),
    "images": lambda engine: engine.images(),
    "find_image": lambda engine: engine.find_image("a"),
    "pull": lambda engine: list(engine.pull("a")),
    "save": lambda engine: [None for _ in engine.save("a")],
    "load": lambda engine: engine.load([b"a"]),
    "build": lambda engine: list(engine.build(BuildRequest("a:1"), [b"a"])),
    "image_details": lambda engine: engine.image_details("a"),
    "tag_image": lambda engine: engine.tag_image("a", "b:1"),
    "remove_image": lambda engine: engine.remove_image("a"),
    "find_volume": lambda engine: engine.find_volume("a"),
    "volumes": lambda engine: engine.volumes(),
    "volume_sizes": lambda engine: engine.volume_sizes(),
    "create_volume": lambda engine: engine.create_volume("a", "local", {}, {}),
    "remove_volume": lambda engine: engine.remove_volume("a"),
    "file_at": lambda engine: engine.file_at("a", "/b"),
    "archive": lambda engine: [None for _ in engine.archive("a", "/b")],
    "ensure_network": lambda engine: engine.ensure_network("a", {}),
    "connect_network": lambda engine: engine.connect_network("a", "b"),
    "remove_network": lambda engine: engine.remove_network("a"),
    "events": lambda engine: [None for _ in engine.events()],
    "logs": lambda engine: [None for _ in engine.logs("a", follow=False)],
    "exec": lambda engine: drain(engine.exec("a", ["sh"], tty=False)),
    "exec_create": lambda engine: engine.exec_create("a", ExecRequest(("sh",))),
    "exec_start": lambda engine: drain(engine.exec_start("e", tty=False)),
    "exec_start_detached": lambda engine: engine.exec_start_detached("e"),
    "exec_inspect": lambda engine: engine.exec_inspect("e"),
    "exec_resize": lambda engine: engine.exec_resize("e", 80, 24),
    "attach": lambda engine: drain(engine.attach("a", tty=False)),
    "resize": lambda engine: engine.resize("a", 80, 24),
    "stats": lambda engine: [None for _ in engine.stats("a")],
    "host_stats": lambda engine: [None for _ in engine.host_stats()],
    "measure": lambda engine: engine.measure(),
}
LOCAL = {"close"}
HEAD_ALONE = {"exec", "exec_start", "attach", "file_at"}
"""A head is their answer: what follows is a session of its own, or nothing."""
NEVER_END = {"events", "stats", "host_stats"}
"""Streams: of small lines or bytes they may be sent as many as an engine likes, since nobody keeps them."""

LOGS = {"/containers/a/json": {"Id": "a", "Config": {"Tty": False}}, "/exec/e/json": {"Running": False, "ExitCode": 0}}
BEFORE = {
    "logs": LOGS,
    "exec": {"/containers/a/exec": {"Id": "e"}, **LOGS},
}


def drain(session: Any) -> None:
    while session.read():
        pass


def test_every_method_is_tried() -> None:
    methods = {name for name, _ in inspect.getmembers(Driver, inspect.isfunction) if not name.startswith("_")}
    assert methods - LOCAL == set(CALLS)


@pytest.fixture(autouse=True)
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth of everything: what is tested is that each call has a budget and holds it."""
    for name, budget in vars(read_budgets).copy().items():
        if isinstance(budget, ReadBudget) and budget.max_bytes is not None:
            monkeypatch.setattr(read_budgets, name, replace(budget, max_bytes=max(4096, budget.max_bytes // 1024)))
    monkeypatch.setattr(read_budgets, "ENGINE_ARCHIVE", replace(read_budgets.ENGINE_ARCHIVE, max_bytes=1024**2))
    monkeypatch.setattr(read_budgets, "ENGINE_LOG_HISTORY", replace(read_budgets.ENGINE_LOG_HISTORY, max_bytes=1024**2))
    for name in ("MAX_ROW_BYTES", "MAX_LINE_BYTES", "MAX_FRAME_BYTES"):
        monkeypatch.setattr(read_budgets, name, 64 * 1024)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[str, Answer], tuple[Driver, HostileServer]]]:
    made: list[tuple[DockerDriver, HostileServer]] = []

    def start(method: str, answer: Answer) -> tuple[Driver, HostileServer]:
        server = HostileServer.on_path(tmp_path / "engine.sock", answer, BEFORE.get(method, {}))
        # Not by `unix://`: this machine's own counters would stand in for the engine's.
        made.append((DockerDriver(Endpoint(f"unix://{tmp_path}/engine.sock")), server))
        return made[-1]

    yield start
    for driver, server in made:
        driver.close()
        server.close()


METHODS = sorted(set(CALLS) - {"host_stats"})  # of a local engine it reads this machine's own files


@pytest.mark.parametrize("answer", [hostile.endless_body, hostile.giant_frame], ids=lambda a: a.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_an_endless_answer_ends_at_the_budget(engine: Any, method: str, answer: Answer) -> None:
    driver, server = engine(method, answer)
    with pytest.raises(EngineError):
        CALLS[method](driver)
    assert server.sent < SLACK + 3 * 1024 * 1024


@pytest.mark.parametrize("method", sorted(set(METHODS) - NEVER_END))
def test_an_endless_list_ends_at_the_budget(engine: Any, method: str) -> None:
    driver, server = engine(method, hostile.endless_rows)
    with pytest.raises(EngineError):
        CALLS[method](driver)
    assert server.sent < SLACK + 3 * 1024 * 1024


@pytest.mark.parametrize("answer", [hostile.endless_head, hostile.endless_refusal], ids=lambda a: a.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_an_endless_head_or_reason_ends_at_the_budget(engine: Any, method: str, answer: Answer) -> None:
    driver, server = engine(method, answer)
    with pytest.raises(EngineError):
        CALLS[method](driver)
    assert server.sent < SLACK


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_unpacked(engine: Any, method: str) -> None:
    driver, _server = engine(method, hostile.packed_bomb)
    with pytest.raises(EngineError, match="compressed its answer"):
        CALLS[method](driver)


@pytest.mark.parametrize("method", sorted(set(METHODS) - NEVER_END - HEAD_ALONE))
def test_a_drip_ends_at_the_deadline(engine: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drip = hostile.SlowDrip(b"\0" if method == "logs" else b" ")  # there a space begins a giant frame
    monkeypatch.setattr(read_budgets, "monotonic", drip.monotonic)
    driver, server = engine(method, drip)
    with pytest.raises(EngineDown, match="did not finish"):
        CALLS[method](driver)
    assert server.sent < SLACK


READING = ["containers", "ensure_network", "find", "images", "info", "inspect", "measure"]


@pytest.mark.parametrize("method", READING)
def test_what_has_another_form_is_an_error_too(engine: Any, method: str) -> None:
    driver, _server = engine(method, hostile.nonsense)
    with pytest.raises(EngineError):
        CALLS[method](driver)


def test_a_list_is_parsed_row_by_row(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long list only what is needed stays: the filler of a row is gone when the next one comes."""

    def long_list(_path: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n["
        for number in range(1500):
            yield b'{"Id": "%d", "Filler": "%s"},' % (number, b"a" * 20_000)
        yield b'{"Id": "last"}]'

    monkeypatch.setattr(read_budgets, "ENGINE_LIST", ReadBudget("a list", 64 * 1024**2, 60.0))
    driver, server = engine("containers", long_list)
    tracemalloc.start()
    try:
        found = driver.containers()
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found), found[-1].id) == (1501, "last")
    assert server.sent > 30_000_000
    assert peak < 8 * 1024**2
