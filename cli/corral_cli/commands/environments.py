"""`env` and `members`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.output import show_rows
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable


def _env_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("ls", "use", "create"), default="ls", help="default: ls")
    parser.add_argument("name", nargs="?", default="", help="name or id of the environment to use, or its new name")


def _env(session: CliSession, options: Namespace) -> int:
    if options.action == "ls":
        rows = session.api.projects()
        show_rows(session.terminal, session.format, ("id", "name", "state", "description"), rows)
        return ExitCode.OK
    if not options.name:
        raise missing_argument("name", f"which environment to {options.action}", f"env {options.action} Production")
    if options.action == "create":
        made = session.api.post("/v1/projects", {"name": options.name})
        show_rows(session.terminal, session.format, ("id", "name", "state"), [made])
        return ExitCode.OK
    return _use(session, options)


def _use(session: CliSession, options: Namespace) -> int:
    name = options.context or session.store.current
    if not name:
        raise CliError("Nothing is stored yet: run `corral login URL`, or set RANCHER_ENVIRONMENT.", ExitCode.USAGE)
    stored = session.store.get(name)
    project = session.api_for(stored._replace(environment=options.name)).project
    session.store.save(name, stored._replace(environment=project["id"]))
    text = f"{name} uses the environment {printable(project['name'])} ({project['id']})."
    session.report(text, {"context": name, "environment": project["name"], "environmentId": project["id"]})
    return ExitCode.OK


def _no_arguments(_parser: ArgumentParser) -> None:
    """Nothing but the options of every command."""


def _members(session: CliSession, _options: Namespace) -> int:
    rows = session.api.list_all(session.api.project["links"]["projectMembers"])
    columns = ("id", "name", "role", "externalIdType", "externalId")
    show_rows(session.terminal, session.format, columns, sorted(rows, key=lambda each: str(each.get("name"))))
    return ExitCode.OK


PROVIDES = {"env": CliCommand(_env_arguments, _env), "members": CliCommand(_no_arguments, _members)}
