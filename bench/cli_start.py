"""`python -m bench.cli_start`: how long `corral` takes to start, as the one file that a portal serves."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portal.cli_program import build_program

RUNS = int(os.environ.get("RUNS", "20"))
LIMIT_MS = 150.0
_COMMANDS = (
    ("--help",),
    ("ps", "--help"),
    ("ps", "--url", "http://127.0.0.1:9", "--access-key", "a", "--secret-key", "b"),
)


def run_milliseconds(command: list[str]) -> tuple[float, float]:
    """One run of a program: the time that passed, and the processor time that it took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)
    passed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return passed * 1000, used * 1000


def main() -> int:
    """Print the figures beside the limit; the exit code says whether it holds."""
    interpreter = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/python3"
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "corral")
        program.write_bytes(build_program())
        for words in _COMMANDS:
            runs = [run_milliseconds([interpreter, str(program), *words]) for _ in range(RUNS)]
            passed, used = (statistics.median(each) for each in zip(*runs, strict=True))
            what = "corral " + " ".join(words).partition(" --url")[0]
            sys.stdout.write(f"  {what:<58} {passed:>9.0f} ms   processor {used:.0f} ms, limit {LIMIT_MS:.0f} ms\n")
            worst = max(worst, passed)
    return int(worst > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
