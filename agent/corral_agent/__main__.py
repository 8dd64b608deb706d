"""`python -m corral_agent <registration-url>`: connect this host to a portal until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import sys

from corral_agent.engine import LocalEngine
from corral_agent.host_agent import HostAgent
from corral_agent.options import BadOption, Options, parse
from corral_agent.registration import CannotRegister
from corral_agent.state import BadState
from corral_agent.system_agent import SystemAgent

log = logging.getLogger("corral_agent")


def main() -> int:
    """The exit code: 0 after a signal to stop, 1 when this host cannot be connected."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    logging.getLogger("websockets").setLevel(logging.ERROR)
    os.umask(0o077)
    try:
        asyncio.run(_run(parse(sys.argv[1:], os.environ)))
    except (BadOption, BadState, CannotRegister) as reason:
        log.error("%s", reason)  # noqa: TRY400  # its message is enough
        return 1
    return 0


async def _run(options: Options) -> None:
    """Until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(_run_agents(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _run_agents(options: Options) -> None:
    if options.simulate:
        # Real hosts run without the simulated engine: it is looked for, and loaded, only here.
        if importlib.util.find_spec("simulated_engine") is None:
            raise BadOption("--simulate needs the package simulated_engine: put its parent folder on PYTHONPATH.")
        from corral_agent.simulated import fleet

        await fleet.run(options)
    elif options.system:
        engine = LocalEngine(options.socket, network=options.network)
        await SystemAgent(engine, options.state, options.portal_key).run()
    else:
        await HostAgent(options, LocalEngine(options.socket, network=options.network), options.state).run()


if __name__ == "__main__":
    sys.exit(main())
