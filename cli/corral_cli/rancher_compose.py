"""rancher-compose: the same flags, commands and lines. What is called by that name, or as `corral compose`, is this."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from corral_cli import VERSION
from corral_cli.commands.actions import parse_scale, restart_one
from corral_cli.compose_run import ComposeRun
from corral_cli.errors import CliError, ExitCode
from corral_cli.image_pull import ImagePuller
from corral_cli.lookup import containers_of, find_services, services_of
from corral_cli.portal_api import Json
from corral_cli.session import CliSession
from corral_cli.streaming import LogRequest, show_logs
from corral_cli.terminal import UserTerminal
from corral_cli.transport import Transport

_WITH_VALUE = {
    *("--url", "--access-key", "--secret-key", "--env", "--ca", "--timeout"),
    *("-f", "--file", "-p", "--project-name", "-r", "--rancher-file", "-e", "--env-file", "-b", "--bindings-file"),
}
COMMANDS = {
    "create": "create all services but do not start them",
    "pull": "pull the images of services to all hosts",
    "up": "bring all services up",
    "start": "start services",
    "logs": "show the logs of services",
    "restart": "restart services",
    "stop": "stop services",
    "scale": "scale services",
    "rm": "delete services",
    "upgrade": "have another service take over step by step",
}
_ALIASES = {"down": "stop"}
_REFUSED_TIMEOUT = "refused: services say it in their files, as stop_grace_period"


def run_compose(arguments: list[str], terminal: UserTerminal, program: str, connect: Callable[[str], Transport]) -> int:
    """Run a command line of rancher-compose. Raises `CliError`."""
    at = _command_at(arguments)
    common = _common_parser(program).parse_args(arguments[:at])
    if common.version:
        terminal.print(f"{program} version v{VERSION}")
        return ExitCode.OK
    word = arguments[at] if at < len(arguments) else "help"
    name = _ALIASES.get(word, word)
    if name in {"help", "h"} or common.help:
        terminal.print(overview(program))
        return ExitCode.OK
    if name not in COMMANDS:
        raise CliError(f"There is no command {word!r}; see `{program} help`.", ExitCode.USAGE)
    options = compose_parser(program, name).parse_args(arguments[at + 1 :])
    _refuse_without_effect(name, common, options)
    session = CliSession(terminal, common, connect)
    return _COMMANDS[name](ComposeRun(session, common, options))


def compose_parser(program: str, name: str) -> ArgumentParser:
    """The parser of what stands behind the command's name."""
    from corral_cli.program import CliParser

    parser = CliParser(prog=f"{program} {name}", description=COMMANDS[name], allow_abbrev=False)
    _ARGUMENTS.get(name, _services)(parser)
    return parser


def _common_parser(program: str) -> ArgumentParser:
    from corral_cli.program import CliParser

    parser = CliParser(prog=program, add_help=False, allow_abbrev=False)
    parser.add_argument("--verbose", "--debug", action="store_true", help="say more")
    parser.add_argument("-f", "--file", action="append", default=[], help="a compose file (COMPOSE_FILE)")
    parser.add_argument(
        "-p", "--project-name", default="", metavar="NAME", help="the stack (default: the folder's name)"
    )
    parser.add_argument(
        "-r", "--rancher-file", default="", metavar="FILE", help="default: rancher-compose.yml beside it"
    )
    parser.add_argument("-e", "--env-file", default="", metavar="FILE", help="values of variables (default: .env)")
    parser.add_argument(
        "-b", "--bindings-file", default="", metavar="FILE", help="refused: bindings are not known here"
    )
    parser.add_argument("--url", help="the portal (RANCHER_URL)")
    parser.add_argument("--access-key", metavar="KEY", help="(RANCHER_ACCESS_KEY)")
    parser.add_argument("--secret-key", metavar="KEY", help="(RANCHER_SECRET_KEY)")
    parser.add_argument("--env", dest="environment", metavar="NAME", help="the environment (RANCHER_ENVIRONMENT)")
    parser.add_argument("--ca", metavar="FILE", help="certificates of authorities to trust (CORRAL_CA)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long to wait for what was requested")
    parser.add_argument("-v", "--version", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    return parser


def overview(program: str) -> str:
    """The help of the program itself."""
    lines = [_common_parser(program).format_help().rstrip(), "", "commands:"]
    return "\n".join([*lines, *(f"  {name:10s} {about}" for name, about in COMMANDS.items())])


def _command_at(arguments: Sequence[str]) -> int:
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in _WITH_VALUE else 1
    return min(at, len(arguments))


def _refuse_without_effect(name: str, common: Namespace, options: Namespace) -> None:
    """Raises `CliError` for flags that would change nothing: a script must not believe that they do."""
    said = vars(options)
    if common.bindings_file:
        raise CliError("--bindings-file is not possible: leave it out, bindings are not known here.", ExitCode.USAGE)
    if said.get("timeout") is not None:
        remedy = "leave it out, and give the services a stop_grace_period in their compose file."
        raise CliError(f"{name} --timeout is not possible: {remedy}", ExitCode.USAGE)
    if name == "rm" and said["volumes"]:
        raise CliError("rm -v is not possible: volumes stay on their hosts; leave it out.", ExitCode.USAGE)


def _services(parser: ArgumentParser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def _up_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("-d", dest="detach", action="store_true", help="do not block and log")
    parser.add_argument("-u", "--upgrade", "--recreate", action="store_true", help="upgrade if the service has changed")
    parser.add_argument("--force-upgrade", "--force-recreate", action="store_true", help="upgrade in any case")
    parser.add_argument("-p", "--pull", action="store_true", help="pull the images to all hosts before")
    parser.add_argument("-c", "--confirm-upgrade", action="store_true", help="finish the upgrade")
    parser.add_argument("-r", "--rollback", action="store_true", help="roll back to what was before the upgrade")
    parser.add_argument("--batch-size", type=int, help="number of containers to upgrade at once")
    parser.add_argument("--interval", type=int, help="milliseconds between two batches")


def _up(run: ComposeRun) -> int:
    options = run.options
    if options.rollback:
        run.up().roll_back(run.name, options.services)
        return ExitCode.OK
    stack = run.up().run(run.request())
    if options.detach:
        return ExitCode.OK
    names = options.services
    services = [each for each in services_of(run.session.api, stack) if not names or each["name"] in names]
    return _show(run, services, LogRequest(follow=True))


def _pull_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("-c", "--cached", action="store_true", help="only on hosts that have had the image")


def _pull(run: ComposeRun) -> int:
    steps = run.up().preview(run.request())
    puller = ImagePuller(run.session.api, run.report, run.session.waiter(), only_present=run.options.cached)
    puller.pull_services(steps)
    return ExitCode.OK


def _create(run: ComposeRun) -> int:
    run.up().run(run.request(start=False))
    return ExitCode.OK


def _start(run: ComposeRun) -> int:
    run.report.project("Starting project")
    _each(run, "Starting", "Started", "activate", {"active"})
    run.report.project("Project started")
    return ExitCode.OK


def _stop_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("-t", "--timeout", type=int, help=_REFUSED_TIMEOUT)


def _stop(run: ComposeRun) -> int:
    run.report.project("Stopping project")
    _each(run, "Stopping", "Stopped", "deactivate", {"inactive"})
    run.report.project("Project stopped")
    return ExitCode.OK


def _each(run: ComposeRun, before: str, after: str, action: str, there: set[str]) -> None:
    """Request the action of each service that is not there yet, then wait for all of them."""
    waiter = run.session.waiter()
    changed = []
    for service in run.meant():
        run.report.service(service["name"], before)
        is_there = service["state"] in there
        changed.append(service if is_there else run.session.api.act(service, action))
    for service in changed:
        waiter.until_settled(service)
        run.report.service(service["name"], after)


def _restart_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("-t", "--timeout", type=int, help=_REFUSED_TIMEOUT)
    parser.add_argument("--batch-size", type=int, default=1, help="containers at a time")
    parser.add_argument("--interval", type=int, default=1000, help="milliseconds between two batches")


def _restart(run: ComposeRun) -> int:
    waiter = run.session.waiter()
    run.report.project("Restarting project")
    for service in run.meant():
        run.report.service(service["name"], "Restarting")
        waiter.until_settled(restart_one(run.session.api, service, run.options.batch_size, run.options.interval))
        run.report.service(service["name"], "Restarted")
    run.report.project("Project restarted")
    return ExitCode.OK


def _scale_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scales", nargs="+", metavar="SERVICE=NUMBER")
    parser.add_argument("-t", "--timeout", type=int, help=_REFUSED_TIMEOUT)


def _scale(run: ComposeRun) -> int:
    waiter = run.session.waiter()
    wanted = [(run.require_service(name), scale) for name, scale in map(parse_scale, run.options.scales)]
    for service, scale in wanted:
        run.report.info(f"Setting scale {service['name']}={scale}...")
        waiter.until_settled(run.session.api.put(service, {"scale": scale}))
    return ExitCode.OK


def _rm_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("-f", "--force", action="store_true", help="allow deletion of all services")
    parser.add_argument("-v", dest="volumes", action="store_true", help="refused: volumes stay")


def _rm(run: ComposeRun) -> int:
    if not run.options.force and not run.options.services:
        raise CliError("Will not remove all services with out --force", ExitCode.USAGE)
    waiter = run.session.waiter()
    run.report.project("Deleting project")
    for service in run.meant():
        run.report.service(service["name"], "Deleting")
        waiter.until_settled(run.session.api.delete(service))
        run.report.service(service["name"], "Deleted")
    run.report.project("Project deleted")
    return ExitCode.OK


def _logs_arguments(parser: ArgumentParser) -> None:
    _services(parser)
    parser.add_argument("--lines", type=int, default=100, help="number of lines to tail")
    parser.add_argument("--follow", action="store_true", help="go on until interrupted")


def _logs(run: ComposeRun) -> int:
    return _show(run, run.meant(), LogRequest(run.options.lines, follow=run.options.follow))


def _show(run: ComposeRun, services: list[Json], request: LogRequest) -> int:
    containers = [each for service in services for each in containers_of(run.session.api, service)]
    return show_logs(run.session, containers, request)


def _upgrade_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--batch-size", type=int, default=2, help="number of containers to upgrade at once")
    parser.add_argument("--scale", type=int, default=-1, help="final number of running containers")
    parser.add_argument("--interval", type=int, default=2000, help="update interval in milliseconds")
    parser.add_argument("--update-links", default="true", choices=("true", "false"), nargs="?", const="true")
    parser.add_argument("-w", "--wait", action="store_true", help="wait for the upgrade to complete")
    parser.add_argument("-p", "--pull", action="store_true", help="pull the images to all hosts before")
    parser.add_argument("-c", "--cleanup", action="store_true", help="remove the original service, implies --wait")


def _upgrade(run: ComposeRun) -> int:
    options, api, waiter = run.options, run.session.api, run.session.waiter()
    old = run.require_service(options.old)
    if not find_services(api, f"{run.name}/{options.new}"):
        run.up().run(run.request(start=False, services=[options.new]))
        created = run.require_service(options.new)
        waiter.until_settled(api.put(created, {"scale": 0}))
    new = run.require_service(options.new)
    if options.pull:
        ImagePuller(api, run.report, waiter).pull(_images_of(new), new["launchConfig"].get("labels") or {})
    if new["state"] == "inactive":
        new = waiter.until_settled(api.act(new, "activate"))
    scale = old["scale"] if options.scale < 0 else options.scale
    strategy = {
        "toServiceId": new["id"],
        "finalScale": scale,
        "batchSize": options.batch_size,
        "intervalMillis": options.interval,
        "updateLinks": options.update_links == "true",
    }
    run.report.info(f"Upgrading {options.old} to {options.new}, scale={scale}")
    old = api.act(old, "upgrade", {"toServiceStrategy": strategy})
    if options.wait or options.cleanup:
        old = waiter.until_settled(old)
    if options.cleanup:
        _clean_up(run, old)
    return ExitCode.OK


def _images_of(service: Json) -> list[str]:
    """The images of a service and of its sidekicks, as files name them."""
    configs = [service["launchConfig"], *(service.get("secondaryLaunchConfigs") or ())]
    return list(dict.fromkeys(str(each["imageUuid"]).replace("docker:", "", 1) for each in configs))


def _clean_up(run: ComposeRun, old: Json) -> None:
    """Remove what has been taken over from, unless it still runs something."""
    old = run.session.api.reload(old)
    if old["scale"]:
        run.report.warn(f"Not deleting service {old['name']}, scale is not 0 but {old['scale']}")
        return
    run.session.waiter().until_settled(run.session.api.delete(old))


_ARGUMENTS: dict[str, Callable[[ArgumentParser], None]] = {
    "pull": _pull_arguments,
    "up": _up_arguments,
    "stop": _stop_arguments,
    "restart": _restart_arguments,
    "scale": _scale_arguments,
    "rm": _rm_arguments,
    "logs": _logs_arguments,
    "upgrade": _upgrade_arguments,
}
_COMMANDS: dict[str, Callable[[ComposeRun], int]] = {
    "create": _create,
    "pull": _pull,
    "up": _up,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "scale": _scale,
    "rm": _rm,
    "logs": _logs,
    "upgrade": _upgrade,
}
