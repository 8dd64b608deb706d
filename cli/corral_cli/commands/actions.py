"""`start`, `stop`, `restart`, `scale`, `rm`, `wait`."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import KINDS, find, services_of
from corral_cli.portal_api import Json, PortalApi, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_START = {"service": "activate", "container": "start", "stack": "activateservices", "host": "activate"}
_STOP = {"service": "deactivate", "container": "stop", "stack": "deactivateservices", "host": "deactivate"}
_THERE = {
    "start": {"active", "running", "activating", "starting", "restarting"},
    "stop": {"inactive", "stopped", "deactivating", "stopping"},
}


def add_waiting(parser: ArgumentParser) -> None:
    """Whether and how long to wait."""
    parser.add_argument("-w", "--wait", action="store_true", help="wait until it is done")
    add_timeout(parser)


def add_timeout(parser: ArgumentParser) -> None:
    """How long to wait."""
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="how long to wait (default: 600)")


def _seconds(text: str) -> float:
    """Seconds of a command line. Raises `ValueError`."""
    found = float(text.rstrip("s"))
    if not 0 < found <= 7 * 86400:
        raise ValueError(text)
    return found


def _names(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="an id, a name, or stack/service")
    parser.add_argument("--type", choices=tuple(KINDS), help="what it is, where the name alone may mean several things")


def _meant(session: CliSession, options: Namespace) -> list[Json]:
    """Everything that is named, found before anything is done."""
    kinds = (options.type,) if options.type else tuple(KINDS)
    return [find(session.api, name, kinds) for name in options.names]


def kind_of(resource: Json) -> str:
    """What people call the resource's type."""
    kind = str(resource.get("type"))
    if kind == "environment":
        return "stack"
    return kind if kind in {"container", "host"} else "service"


def _start_arguments(parser: ArgumentParser) -> None:
    _names(parser)
    add_waiting(parser)


def _switch(verb: str, actions: dict[str, str]) -> Callable[[CliSession, Namespace], int]:
    def run(session: CliSession, options: Namespace) -> int:
        changed = []
        for resource in _meant(session, options):
            action = actions[kind_of(resource)]
            if action not in (resource.get("actions") or {}) and resource["state"] in _THERE[verb]:
                session.report_resource(resource, f" is {printable(resource['state'])} already", requested=None)
                continue
            changed.append(session.api.act(resource, action))
            session.report_resource({**resource, **changed[-1]}, f": {verb} requested", requested=verb)
        if options.wait:  # a stack is active whatever its services do
            changed = [part for each in changed for part in _parts(session, each)]
        return _finish(session, options, changed)

    return run


def _parts(session: CliSession, resource: Json) -> list[Json]:
    return services_of(session.api, resource) if kind_of(resource) == "stack" else [resource]


def _finish(session: CliSession, options: Namespace, changed: list[Json]) -> int:
    if options.wait:
        waiter = session.waiter()
        for resource in changed:
            session.report_state(waiter.until_settled(resource))
    return ExitCode.OK


def _restart_arguments(parser: ArgumentParser) -> None:
    _start_arguments(parser)
    parser.add_argument("--batch-size", type=int, default=1, help="containers at a time (default: 1)")
    parser.add_argument("--interval", type=int, default=1000, metavar="MS", help="milliseconds between two batches")


def restart_one(api: PortalApi, resource: Json, batch: int, interval: int) -> Json:
    """Request the restart of a service, batch by batch, or of anything else that can be restarted."""
    if kind_of(resource) != "service":
        return api.act(resource, "restart")
    strategy = {"batchSize": batch, "intervalMillis": interval}
    return api.act(resource, "restart", {"rollingRestartStrategy": strategy})


def _restart(session: CliSession, options: Namespace) -> int:
    changed = []
    for resource in _meant(session, options):
        for part in _parts(session, resource):
            changed.append(restart_one(session.api, part, options.batch_size, options.interval))
            session.report_resource({**part, **changed[-1]}, ": restart requested", requested="restart")
    return _finish(session, options, changed)


def _scale_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scales", nargs="+", metavar="SERVICE=NUMBER", help="such as web/front=3")
    add_waiting(parser)


def parse_scale(text: str) -> tuple[str, int]:
    """`service=3` as name and number. Raises `CliError`."""
    match = re.fullmatch(r"(.+)=([0-9]{1,6})", text)
    if match is None:
        raise CliError(f"{text!r} is no scale: write SERVICE=NUMBER, such as front=3.", ExitCode.USAGE)
    return match[1], int(match[2])


def _scale(session: CliSession, options: Namespace) -> int:
    wanted = [parse_scale(text) for text in options.scales]
    found = [(find(session.api, name, ("service",)), scale) for name, scale in wanted]
    changed = []
    for service, scale in found:
        changed.append(session.api.put(service, {"scale": scale}))
        text = f": scale {scale} requested"
        session.report_resource({**service, **changed[-1]}, text, requested="scale", scale=scale)
    return _finish(session, options, changed)


def _rm_arguments(parser: ArgumentParser) -> None:
    _start_arguments(parser)
    add_confirmation(parser, former_names=("-f", "--force"))


def _rm(session: CliSession, options: Namespace) -> int:
    found = _meant(session, options)
    require_confirmation(session.terminal, options, f"{', '.join(map(describe, found))}, with all containers,")
    changed = []
    for resource in found:
        changed.append(session.api.delete(resource))
        session.report_resource({**resource, **changed[-1]}, ": removal requested", requested="removal")
    return _finish(session, options, changed)


def _wait_arguments(parser: ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--healthy", action="store_true", help="until all containers do their work")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="how long to wait (default: 600)")


def _wait(session: CliSession, options: Namespace) -> int:
    waiter = session.waiter()
    for resource in _meant(session, options):
        is_judged = options.healthy and kind_of(resource) in {"service", "stack"}
        found = waiter.until_healthy(resource) if is_judged else waiter.until_settled(resource)
        health = found.get("healthState")
        text = f" is {printable(found['state'])}{f', {health}' if is_judged else ''}"
        session.report_resource(found, text, healthState=health)
    return ExitCode.OK


PROVIDES = {
    "start": CliCommand(_start_arguments, _switch("start", _START)),
    "stop": CliCommand(_start_arguments, _switch("stop", _STOP)),
    "restart": CliCommand(_restart_arguments, _restart),
    "scale": CliCommand(_scale_arguments, _scale),
    "rm": CliCommand(_rm_arguments, _rm),
    "wait": CliCommand(_wait_arguments, _wait),
}
