"""`up` and `export`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from corral_cli.commands.actions import add_waiting
from corral_cli.compose_files import read_files, stack_name_of
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode
from corral_cli.image_pull import ImagePuller
from corral_cli.lookup import containers_of, find_stack, require_stack, services_of
from corral_cli.output import show_data
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.stack_up import StackUp, UpRequest


def add_files(parser: ArgumentParser) -> None:
    """Which compose files, and of which stack."""
    parser.add_argument("-s", "--stack", default="", metavar="NAME", help="the stack (default: the name of the folder)")
    parser.add_argument(
        "-f", "--file", action="append", default=[], help="a compose file (COMPOSE_FILE); twice: overridden"
    )
    parser.add_argument("--rancher-file", default="", metavar="FILE", help="default: rancher-compose.yml beside it")
    parser.add_argument("-e", "--env-file", default="", metavar="FILE", help="values of variables (default: .env)")


def request_of(session: CliSession, options: Namespace) -> UpRequest:
    """What the options say. Raises `CliError`."""
    terminal = session.terminal
    files = read_files(terminal.folder, options.file, options.rancher_file, options.env_file, terminal.environ)
    return UpRequest(
        stack=options.stack or stack_name_of(terminal.folder, options.file),
        files=files,
        services=tuple(options.services),
        upgrade=getattr(options, "upgrade", True) or getattr(options, "force", False),
        confirm=getattr(options, "confirm_upgrade", False),
        remove_missing=getattr(options, "remove_missing", False),
        note=getattr(options, "note", ""),
        force=getattr(options, "force", False),
        pull=getattr(options, "pull", False),
        strategy=_strategy_of(options),
        replaces=True,
        explains=True,
    )


def _strategy_of(options: Namespace) -> dict[str, int]:
    said = {"batchSize": getattr(options, "batch_size", None), "intervalMillis": getattr(options, "interval", None)}
    return {name: value for name, value in said.items() if value is not None}


def _up_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services of the file")
    add_files(parser)
    parser.add_argument("-d", "--detach", action="store_true", help="do not follow the logs")
    parser.add_argument("-u", "--upgrade", action="store_true", help="replace the containers of changed services")
    parser.add_argument("--force", action="store_true", help="replace containers although nothing of them has changed")
    parser.add_argument("--pull", action="store_true", help="pull the images to all hosts before")
    parser.add_argument("--batch-size", type=int, metavar="NUMBER", help="containers replaced at a time")
    parser.add_argument("--interval", type=int, metavar="MS", help="milliseconds between two batches")
    parser.add_argument("-c", "--confirm-upgrade", action="store_true", help="finish the upgrade once it is done")
    parser.add_argument("-r", "--rollback", action="store_true", help="take back an upgrade that is not finished")
    parser.add_argument("--remove-missing", action="store_true", help="remove services that the file does not have")
    parser.add_argument("--note", default="", help="why, for the revision that this makes")
    add_waiting(parser)


def _up(session: CliSession, options: Namespace) -> int:
    name = options.stack or stack_name_of(session.terminal.folder, options.file)
    log = ComposeLog(session.terminal, name)
    up = StackUp(session.api, log, session.waiter())
    if options.rollback:
        up.roll_back(name, options.services)
        _report(session, require_stack(session.api, name))
        return ExitCode.OK
    stack = up.run(request_of(session, options))
    if options.wait:
        stack = session.waiter().until_healthy(stack)
    if options.detach:
        _report(session, stack)
        return ExitCode.OK
    return follow_stack(session, stack, options.services)


def _report(session: CliSession, stack: Json) -> None:
    """The stack for programs; people have read the lines about it."""
    if session.format != "table":
        session.report_resource(stack, "", healthState=stack.get("healthState"))


def follow_stack(session: CliSession, stack: Json, names: list[str]) -> int:
    """Follow the logs of the stack's containers, or of those of the named services, until interrupted."""
    from corral_cli.streaming import LogRequest, show_logs

    services = [each for each in services_of(session.api, stack) if not names or each["name"] in names]
    containers = [each for service in services for each in containers_of(session.api, service)]
    return show_logs(session, containers, LogRequest(follow=True))


def _pull_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services of the file")
    add_files(parser)
    parser.add_argument("--cached", action="store_true", help="only on hosts that have had the image")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long to wait (default: 600)")


def _pull(session: CliSession, options: Namespace) -> int:
    name = options.stack or stack_name_of(session.terminal.folder, options.file)
    log = ComposeLog(session.terminal, name)
    request = request_of(session, options)
    stack = find_stack(session.api, name)
    if stack is None:
        raise CliError(f"There is no stack {name!r} yet: `up --pull` creates it.", ExitCode.NOT_FOUND)
    steps = StackUp(session.api, log, session.waiter()).preview(request)
    ImagePuller(session.api, log, session.waiter(), only_present=options.cached).pull_services(steps)
    if session.format != "table":
        for each in steps:
            session.report("", {"service": each["name"], "images": list(each.get("images") or ())})
    return ExitCode.OK


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("stack", help="the stack")
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services of it")
    parser.add_argument("-o", "--output", default="", metavar="FOLDER", help="where to (default: a folder of its name)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def _export(session: CliSession, options: Namespace) -> int:
    api = session.api
    stack = require_stack(api, options.stack)
    ids = [each["id"] for each in services_of(api, stack) if each["name"] in options.services]
    if len(ids) < len(set(options.services)):
        raise CliError(f"{options.stack} does not have all of these services.", ExitCode.NOT_FOUND)
    found = api.act(stack, "exportconfig", {"serviceIds": ids})
    texts = {
        "docker-compose.yml": str(found["dockerComposeConfig"]),
        "rancher-compose.yml": str(found["rancherComposeConfig"]),
    }
    if session.format != "table":
        show_data(session.terminal, session.format, texts)
        return ExitCode.OK
    folder = Path(session.terminal.folder, options.output or stack["name"])
    _write(session, folder, texts, replace=options.force)
    return ExitCode.OK


def _write(session: CliSession, folder: Path, texts: dict[str, str], *, replace: bool) -> None:
    there = [name for name in texts if (folder / name).exists()]
    if there and not replace:
        raise CliError(f"{folder / there[0]} is there already: say --force to replace it.", ExitCode.REFUSED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            session.terminal.print(f"wrote {folder / name}")
    except OSError as error:
        raise CliError(f"{folder} cannot be written: {error.strerror or error}.") from None


PROVIDES = {
    "up": CliCommand(_up_arguments, _up),
    "pull": CliCommand(_pull_arguments, _pull),
    "export": CliCommand(_export_arguments, _export),
}
