"""`stats` and `top`: what containers use, from two samples of the portal's counters."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import containers_meant
from corral_cli.output import show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import size_text

_COLUMNS = ("name", "cpu", "memory", "limit", "received", "sent")
_MAX_CONTAINERS = 50
_ROUNDS = 20


def _stats_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="containers, services or stacks")


def _top_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-n", "--lines", type=int, default=20, help="how many containers to show (default: 20)")


def _stats(session: CliSession, options: Namespace) -> int:
    found = {each["id"]: each for name in options.names for each in containers_meant(session.api, name)}
    show_rows(session.terminal, session.format, _COLUMNS, _measure(session, list(found.values())))
    return ExitCode.OK


def _top(session: CliSession, options: Namespace) -> int:
    found = session.api.list_all("containers", removed_null=1, state="running")
    rows = _measure(session, found)
    rows.sort(key=lambda each: (-float(str(each["cpu"]).rstrip("%") or 0), str(each["name"])))
    show_rows(session.terminal, session.format, _COLUMNS, rows[: max(1, options.lines)])
    return ExitCode.OK


def _measure(session: CliSession, containers: list[Json]) -> list[Json]:
    running = [each for each in containers if each["state"] == "running"]
    if not running:
        raise CliError("Nothing of that runs.", ExitCode.REFUSED)
    if len(running) > _MAX_CONTAINERS:
        raise CliError(f"{len(running)} containers run: name stacks or services with at most {_MAX_CONTAINERS}.")
    return [_row(each, *_two_samples(session, each)) for each in running]


def _two_samples(session: CliSession, container: Json) -> tuple[Json, Json]:
    """Two samples one after the other; what is counted is differentiated between them."""
    access = session.api.get(container["links"]["containerStats"])
    connection = session.api.open_socket("/v1/containerstats", token=access["token"])
    found: list[Json] = []
    try:
        for sample in _samples(connection):
            if not found or sample["timestamp"] != found[-1]["timestamp"]:
                found.append(sample)
            if len(found) == 2:
                return found[0], found[1]
    finally:
        connection.close()
    raise CliError(f"{container['name']}: the portal sends no figures now; try again.", ExitCode.UNREACHABLE)


def _samples(connection: Any) -> Iterator[Json]:
    for _round in range(_ROUNDS):
        if connection.closed is not None:
            return
        message = connection.receive(1)
        if message:
            yield from json.loads(message)


def _row(container: Json, first: Json, second: Json) -> Json:
    seconds = (_time(second) - _time(first)) or 1.0
    used = second["cpu"]["usage"]["total"] - first["cpu"]["usage"]["total"]
    return {
        "name": container["name"],
        "cpu": f"{max(0.0, used / 1e9 / seconds * 100):.1f}%",
        "memory": size_text(second["memory"]["usage"]),
        "limit": size_text(second.get("memLimit") or 0),
        "received": size_text(second["network"]["rx_bytes"]),
        "sent": size_text(second["network"]["tx_bytes"]),
    }


def _time(sample: Json) -> float:
    return datetime.fromisoformat(str(sample["timestamp"]).replace("Z", "+00:00")).timestamp()


PROVIDES = {"stats": CliCommand(_stats_arguments, _stats), "top": CliCommand(_top_arguments, _top)}
