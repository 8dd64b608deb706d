"""Files, own paths, reading only: what the door decides by more than a request's form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from corral_agent.door import relay, rules
from tests.agent.threshold import Knock, Threshold, threshold

ID = "f" * 64


def test_an_engine_that_is_away_is_told_with_words(tmp_path: Path, knock: Knock):
    async def scene(door: Threshold) -> None:
        door.engine._server.close()
        (tmp_path / "engine.sock").unlink(missing_ok=True)
        for request_ in ("GET /info HTTP/1.1\n\n", "POST /containers/create HTTP/1.1\nContent-Length: 2\n\n{}"):
            status, words = await door.refused(request_)
            assert status == 503
            assert "cannot be reached" in words

    knock(scene)


def test_files_of_a_system_container_are_reached_under_its_full_id(knock: Knock):
    async def scene(door: Threshold) -> None:
        door.engine.labels = {rules.SYSTEM_LABEL: "balancer"}
        await door.say("PUT /v1.41/containers/web/archive?path=/etc HTTP/1.1\nContent-Length: 3\n\ntar")
        look, put = door.engine.asked
        assert look.startswith(b"GET /v1.41/containers/web/json ")
        assert put.startswith(f"PUT /v1.41/containers/{ID}/archive?path=/etc ".encode())

    knock(scene)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_files_of_other_containers_stay_closed(knock: Knock, method: str):
    async def scene(door: Threshold) -> None:
        got = await door.say(f"{method} /containers/web/archive?path=/etc HTTP/1.1\n\n")
        assert b" 403 " in got
        assert rules.SYSTEM_LABEL.encode() in got
        assert len(door.engine.asked) == 1

    knock(scene)


def test_the_agents_own_paths_are_its_own(knock: Knock):
    async def scene(door: Threshold) -> None:
        got = await door.say("GET /corral/v1/hello?a=1 HTTP/1.1\n\n" * 2)
        assert got.count(b'{"own":"/corral/v1/hello","query":"a=1"}') == 2
        assert door.engine.asked == []

    knock(scene)


def test_a_reading_door_lets_nobody_write(tmp_path: Path):
    async def main() -> None:
        async with threshold(tmp_path, read_only=True) as door:
            assert b"200 OK" in await door.say("GET /info?1 HTTP/1.1\n\n")
            for request_ in (
                "POST /containers/web/stop HTTP/1.1\n\n",
                "DELETE /containers/web HTTP/1.1\n\n",
                "POST /containers/web/exec HTTP/1.1\nContent-Length: 2\n\n{}",
                "POST /containers/web/attach HTTP/1.1\nConnection: Upgrade\nUpgrade: tcp\n\n",
            ):
                status, words = await door.refused(request_)
                assert status == 403
                assert "CORRAL_READ_ONLY" in words

    asyncio.run(main())


def test_a_body_that_never_comes_is_not_waited_for_for_ever(knock: Knock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(relay, "_PATIENCE", 0.05)

    async def scene(door: Threshold) -> None:
        assert await door.say("POST /containers/create HTTP/1.1\nContent-Length: 10\n\n{", 2) == b""
        assert door.engine.asked == []

    knock(scene)
