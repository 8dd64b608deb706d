"""`python -m bench.checks`: what 1,000 health checks every two seconds cost the agent that makes them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from bench.measurement import cpu_seconds
from health_checks.check import Check
from health_checks.runner import CheckRunner
from tests.docker.portal_process import ROOT

CHECKS, SECONDS, LIMIT = 1000, 20.0, 0.10
_ANSWER = b"HTTP/1.0 200 OK\r\n\r\n"


def main() -> int:
    """Measure both kinds; the exit code says whether the limit holds."""
    return asyncio.run(_measure_all())


async def _measure_all() -> int:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=1000)
    port, passed = server.sockets[0].getsockname()[1], True
    for kind in ("tcp", "http"):
        used, rate = await _measure(kind, port)
        print(
            f"  {CHECKS} {kind} checks every 2 s: {100 * used:4.1f} % of a core ({rate:.0f} a second)   <= {LIMIT:.0%}",
            flush=True,
        )
        passed &= used <= LIMIT
    server.close()
    return 0 if passed else 1


async def _measure(kind: str, port: int) -> tuple[float, float]:
    """The part of a core that a process of its own uses for the checks, and how many it makes in a second."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-OO", "-m", "bench.checks", kind, str(port), cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        await child.stdout.readline()  # all are healthy
        before, used, began = _Answering.count, cpu_seconds([child.pid]), time.monotonic()
        await asyncio.sleep(SECONDS)
        took = time.monotonic() - began
        return (cpu_seconds([child.pid]) - used) / took, (_Answering.count - before) / took
    finally:
        child.kill()
        await child.wait()


class _Answering(asyncio.Protocol):
    """A container that is well."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).count += 1
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(_ANSWER)
        self._transport.close()


async def _check(kind: str, port: int) -> None:
    """Make the checks until killed, as the agent does."""
    runner, request = CheckRunner(), "GET /up HTTP/1.0" if kind == "http" else ""
    plain = {"run": "1", "address": "127.0.0.1", "subnet": "127.0.0.0/8", "port": port, "request": request}
    runner.apply(1, {str(number): Check(id=str(number), **plain) for number in range(CHECKS)})  # type: ignore[arg-type]
    while any(found["state"] != "healthy" for found in runner.states().values()):
        await runner.wait_for_change(runner.number)
    print("healthy", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(_check(sys.argv[1], int(sys.argv[2])))
    sys.exit(main())
