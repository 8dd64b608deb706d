"""`python -m corral_cli`, and the entry of the one-file program."""

from __future__ import annotations

import sys

from corral_cli.program import program_of, run
from corral_cli.terminal import UserTerminal


def main() -> None:
    """Run the process's command line."""
    sys.exit(run(sys.argv[1:], UserTerminal.of_process(), program=program_of(sys.argv[0])))


if __name__ == "__main__":
    main()
