"""`adopt` and `give-back`: what runs on the hosts already becomes stacks as it is, and is let go of again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from corral_cli.commands.actions import add_waiting
from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find, require_stack
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_KINDS = ("compose", "rancher", "container")


def _adopt_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "project", nargs="?", default="", help="a compose project or a container; without one, what there is is listed"
    )
    parser.add_argument("--host", default="", help="the host that it runs on, where several have one of this name")
    parser.add_argument("--kind", choices=_KINDS, help="what it is, where several things have this name")
    parser.add_argument("--name", default="", help="what the stack is to be called; the project's name unless given")
    parser.add_argument("--dry-run", action="store_true", help="show what would become of it, and change nothing")
    parser.add_argument("--file", action="store_true", help="write the compose file of what runs, and change nothing")
    add_waiting(parser)


def _adopt(session: CliSession, options: Namespace) -> int:
    hosts = {each["id"]: each.get("name") or each.get("hostname") for each in session.api.list_all("hosts")}
    found = session.api.list_all("adoptioncandidates")
    if not options.project:
        rows = [{**each, "host": hosts.get(each["hostId"]), "services": sorted(each["services"])} for each in found]
        columns = ("name", "kind", "host", "running", "services")
        show_rows(session.terminal, session.format, columns, rows)
        return ExitCode.OK
    candidate = _choose(session, options, found, hosts)
    plan = session.api.act(candidate, "preview")
    if options.file:
        text = (plan["dockerCompose"] or "").rstrip("\n")
        session.report(text, {"dockerCompose": text})
        return ExitCode.OK
    if options.dry_run:
        _show(session, plan)
        return ExitCode.FAILED if plan["obstacles"] else ExitCode.OK
    body = {"basis": plan["basis"], **({"name": options.name} if options.name else {})}
    stack = session.api.act(candidate, "adopt", body)
    text = ": adopted, its containers run on as they are"
    session.report_resource(stack, text, requested="adoption", differences=plan["differences"])
    for each in plan["differences"]:
        session.terminal.note(f"later: {_difference(each)}")
    if options.wait:
        session.report_state(session.waiter().until_settled(stack))
    return ExitCode.OK


def _choose(session: CliSession, options: Namespace, found: list[Json], hosts: Mapping[str, Any]) -> Json:
    """The one that is meant. Raises `CliError` when it is none or several."""
    named = [each for each in found if each["name"] == options.project]
    if options.kind:
        named = [each for each in named if each["kind"] == options.kind]
    if options.host:
        host = find(session.api, options.host, ("host",))
        named = [each for each in named if each["hostId"] == host["id"]]
    if not named:
        raise CliError(
            f"There is nothing called {printable(options.project)!r} to adopt: see `corral adopt`.", ExitCode.NOT_FOUND
        )
    if len(named) > 1:
        listed = ", ".join(f"{printable(each['kind'])} on {printable(hosts.get(each['hostId']))}" for each in named)
        raise CliError(f"Several are called {options.project!r}: {listed}. Say --host or --kind.", ExitCode.USAGE)
    return named[0]


def _show(session: CliSession, plan: Json) -> None:
    terminal = session.terminal
    if session.format != "table":
        show_data(
            terminal, session.format, {name: plan[name] for name in ("services", "differences", "notes", "obstacles")}
        )
        return
    for service in plan["services"]:
        names = ", ".join(printable(each["name"]) for each in service["containers"])
        terminal.print(f"{printable(service['name'])}: {printable(service['image'])} ({names})")
    for each in plan["differences"]:
        terminal.print(f"later: {_difference(each)}")
    for text in plan["notes"]:
        terminal.print(f"note: {printable(text)}")
    for text in plan["obstacles"]:
        terminal.print(terminal.color(f"not possible: {printable(text)}", "red"))
    if not plan["differences"] and not plan["obstacles"]:
        terminal.print("Containers made later are made exactly as these are.")


def _difference(each: Json) -> str:
    now, later = (printable(each.get(name)) if each.get(name) else "nothing" for name in ("now", "later"))
    return f"{printable(each['container'])}: {printable(each['field'])} is {now}, in one made later {later}"


def _give_back_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("stack", help="an adopted stack, by name or id")
    add_waiting(parser)


def _give_back(session: CliSession, options: Namespace) -> int:
    stack = require_stack(session.api, options.stack)
    changed = session.api.act(stack, "giveback")
    session.report_resource(stack, ": given back, its containers run on as they are", requested="giving back")
    if options.wait:
        session.waiter().until_settled(changed)
    return ExitCode.OK


PROVIDES = {
    "adopt": CliCommand(_adopt_arguments, _adopt),
    "give-back": CliCommand(_give_back_arguments, _give_back),
}
