"""Which process of the host has a port, so that people know whom to move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TABLES = ("udp", "tcp", "udp6", "tcp6")
_LISTENING = {"07", "0A"}  # a UDP socket that is bound, a TCP socket that listens
_MOST_PROCESSES = 20_000


def find_port_holder(port: int, proc: Path = Path("/proc")) -> str:
    """The program that has the port open, with its process number; empty if that cannot be seen.

    Takes tens of milliseconds on a busy machine: not for the thread of the event loop.
    """
    sockets = {f"socket:[{inode}]" for table in _TABLES for inode in _inodes(proc / "net" / table, port)}
    if not sockets:
        return ""
    for number in _processes(proc):
        if number != os.getpid() and _has_one_of(proc / str(number) / "fd", sockets):
            return f"{_name_of(proc / str(number))} (process {number})"
    return ""


def _inodes(table: Path, port: int) -> Iterator[str]:
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return
    for words in map(str.split, rows):
        if len(words) > 9 and words[3] in _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
            yield words[9]


def _processes(proc: Path) -> list[int]:
    try:
        return sorted(int(each.name) for each in proc.iterdir() if each.name.isdecimal())[:_MOST_PROCESSES]
    except OSError:
        return []


def _has_one_of(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(str(each.readlink()) in sockets for each in folder.iterdir())
    except OSError:  # it has ended, or is not for us to see
        return False


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()[:32] or "a program"
    except OSError:
        return "a program"
