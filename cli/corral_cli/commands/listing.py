"""`hosts`, `stacks`, `services`, `ps`: a fixed number of requests, however many rows there are."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import ExitCode
from corral_cli.lookup import require_stack
from corral_cli.output import show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession

_STOPPED = {"inactive", "stopped", "removing", "removed", "purged"}


def _no_arguments(_parser: ArgumentParser) -> None:
    """Nothing but the options of every command."""


def _hosts(session: CliSession, _options: Namespace) -> int:
    rows = [
        {
            "id": each["id"],
            "name": each.get("name") or each.get("hostname"),
            "state": each["state"],
            "address": each.get("agentIpAddress"),
            "labels": [f"{name}={value}" for name, value in sorted((each.get("labels") or {}).items())],
            "detail": each.get("transitioningMessage"),
        }
        for each in session.api.list_all("hosts", removed_null=1)
    ]
    columns = ("id", "name", "state", "address", "labels", "detail")
    show_rows(session.terminal, session.format, columns, rows)
    return ExitCode.OK


def _stacks(session: CliSession, _options: Namespace) -> int:
    rows = [
        {
            "id": each["id"],
            "name": each["name"],
            "state": each["state"],
            "health": each.get("healthState"),
            "detail": each.get("transitioningMessage"),
        }
        for each in session.api.list_all("environments", removed_null=1)
    ]
    show_rows(session.terminal, session.format, ("id", "name", "state", "health", "detail"), _by_name(rows))
    return ExitCode.OK


def _services_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("stack", nargs="?", default="", help="only those of this stack")


def _services(session: CliSession, options: Namespace) -> int:
    rows = _service_rows(session, options.stack)
    columns = ("id", "type", "name", "image", "state", "health", "scale", "endpoints", "detail")
    show_rows(session.terminal, session.format, columns, rows)
    return ExitCode.OK


def _ps_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("stack", nargs="?", default="", help="only what belongs to this stack")
    parser.add_argument("-c", "--containers", action="store_true", help="list containers instead of services")
    parser.add_argument("-a", "--all", action="store_true", help="also what is stopped")


def _ps(session: CliSession, options: Namespace) -> int:
    if options.containers:
        return _containers(session, options)
    rows = [each for each in _service_rows(session, options.stack) if options.all or each["state"] not in _STOPPED]
    columns = ("id", "type", "name", "image", "state", "health", "scale", "endpoints", "detail")
    show_rows(session.terminal, session.format, columns, rows)
    return ExitCode.OK


def _containers(session: CliSession, options: Namespace) -> int:
    api = session.api
    hosts = {each["id"]: each.get("name") or each.get("hostname") for each in api.list_all("hosts")}
    found = api.list_all("containers", removed_null=1)
    if options.stack:
        prefix = require_stack(api, options.stack)["name"]
        found = [each for each in found if (each.get("labels") or {}).get("io.rancher.stack.name") == prefix]
    rows = [
        {
            "id": each["id"],
            "name": each["name"],
            "image": str(each.get("imageUuid") or "").replace("docker:", "", 1),
            "state": each["state"],
            "host": hosts.get(each.get("hostId")),
            "ip": each.get("primaryIpAddress"),
            "docker": str(each.get("externalId") or "")[:12],
            "detail": each.get("transitioningMessage"),
        }
        for each in found
        if options.all or each["state"] not in _STOPPED
    ]
    columns = ("id", "name", "image", "state", "host", "ip", "docker", "detail")
    show_rows(session.terminal, session.format, columns, _by_name(rows))
    return ExitCode.OK


def _service_rows(session: CliSession, stack_name: str) -> list[Json]:
    api = session.api
    if stack_name:
        stack = require_stack(api, stack_name)
        stacks = {stack["id"]: stack["name"]}
        found = api.list_all("services", environmentId=stack["id"], removed_null=1)
    else:
        stacks = {each["id"]: each["name"] for each in api.list_all("environments")}
        found = api.list_all("services", removed_null=1)
    rows = [
        {
            "id": each["id"],
            "type": each["type"],
            "name": f"{stacks.get(each.get('environmentId'), '?')}/{each['name']}",
            "image": str((each.get("launchConfig") or {}).get("imageUuid") or "").replace("docker:", "", 1),
            "state": each["state"],
            "health": each.get("healthState"),
            "scale": _scale_of(each),
            "endpoints": _endpoints(each),
            "detail": each.get("transitioningMessage"),
        }
        for each in found
    ]
    return _by_name(rows)


def _scale_of(service: Json) -> str:
    """How many containers run, or have ended well where they run once, of how many there are to be now."""
    if not service.get("launchConfig") or service.get("schedule"):
        return "-"
    return f"{service.get('runningScale') or 0}/{service.get('targetScale') or 0}"


def _endpoints(service: Json) -> list[str]:
    found = service.get("publicEndpoints") or ()
    return sorted({f"{each.get('ipAddress')}:{each.get('port')}" for each in found})


def _by_name(rows: list[Json]) -> list[Json]:
    return sorted(rows, key=lambda each: str(each["name"]))


PROVIDES = {
    "hosts": CliCommand(_no_arguments, _hosts),
    "stacks": CliCommand(_no_arguments, _stacks),
    "services": CliCommand(_services_arguments, _services),
    "ps": CliCommand(_ps_arguments, _ps),
}
