"""The portal's command line: `python -m portal serve` runs everything in one process."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

USAGE = """usage: python -m portal serve    everything in one process: pages, API, workers, clock, broker
       python -m portal demo     put a sample stack of ten containers into the running portal"""


def exit_immediately(code: int) -> NoReturn:
    """End without waiting for threads: a worker may sit in an engine call, and the loop does such work again."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(arguments: list[str]) -> int:
    """Run the named command and answer its exit code."""
    if arguments == ["serve"]:
        from portal.boot.serve import serve

        exit_immediately(serve())
    if arguments == ["demo"]:
        from portal.tools.demo import demo

        return demo()
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
