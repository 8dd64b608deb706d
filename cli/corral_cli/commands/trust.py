"""`trust`: whose CI jobs may log in to the environment by their own identity tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.output import show_rows
from corral_cli.portal_api import Json, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_COLUMNS = ("id", "name", "state", "issuer", "audience", "conditions", "role", "minutes", "lastUsed", "lastRefusal")
_ISSUERS = {"github-actions": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("ls", "create", "activate", "deactivate", "rm"), default="ls", help="default: ls"
    )
    parser.add_argument("name", nargs="?", default="", help="a new rule's name, or which rule: its name or id")
    parser.add_argument(
        "--issuer",
        default="github-actions",
        metavar="URL",
        help="of a new rule: github-actions (default), gitlab, or an address",
    )
    parser.add_argument("--audience", default="", help="of a new rule: for whom tokens are (default: the portal)")
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of a new rule: what a token must say, such as repository=acme/shop; * stands for anything",
    )
    parser.add_argument("--role", default="restricted", help="of a new rule's keys (default: restricted)")
    add_confirmation(parser, "rm")
    parser.add_argument("--minutes", type=int, default=15, help="until a key ends, 5 to 60 (default: 15)")


def _run(session: CliSession, options: Namespace) -> int:
    if options.action == "ls":
        rows = [_row(each) for each in session.api.list_all("trustrules", removed_null=1)]
        show_rows(session.terminal, session.format, _COLUMNS, rows)
        return ExitCode.OK
    if not options.name:
        claims = " --claim repository=acme/shop" if options.action == "create" else ""
        raise missing_argument("name", f"which rule to {options.action}", f"trust {options.action} deploy{claims}")
    return _create(session, options) if options.action == "create" else _act(session, options)


def _row(rule: Json) -> Json:
    claims = ", ".join(f"{name}={value}" for name, value in (rule.get("conditions") or {}).items())
    return {**rule, "conditions": claims}


def _create(session: CliSession, options: Namespace) -> int:
    rule = {
        "name": options.name,
        "issuer": _ISSUERS.get(options.issuer, options.issuer),
        "audience": options.audience or session.api.root,
        "conditions": _conditions(options.claim),
        "role": options.role,
        "minutes": options.minutes,
    }
    made = session.api.post("trustrules", rule)
    command = _login(session)
    text = f"{describe(made)}: its jobs log in with `{command}`"
    session.report(text, {"id": made["id"], "name": made["name"], "login": command})
    return ExitCode.OK


def _login(session: CliSession) -> str:
    return f"corral login {session.api.root} --oidc --env {session.api.project['id']}"


def _conditions(claims: list[str]) -> Json:
    found: Json = {}
    for each in claims:
        name, equals, value = each.partition("=")
        if not equals or name in found:
            why = "is given twice: make a second rule" if name in found else "is not NAME=VALUE"
            raise CliError(f"--claim {printable(each)} {why}.", ExitCode.USAGE)
        found[name] = value
    return found


def _act(session: CliSession, options: Namespace) -> int:
    every = session.api.list_all("trustrules", removed_null=1)
    found = [each for each in every if options.name in {each["id"], each["name"]}]
    if len(found) != 1:
        raise CliError(f"There is no trust rule {printable(options.name)}: see `corral trust`.", ExitCode.NOT_FOUND)
    rule, action = found[0], options.action
    if action == "rm":
        require_confirmation(session.terminal, options, f"trust rule {printable(rule['name'])}")
        if "deactivate" in (rule.get("actions") or {}):
            rule = session.waiter().until_settled(session.api.act(rule, "deactivate"))
        session.api.delete(rule)
    else:
        session.api.act(rule, action)
    done = {"rm": "removal", "activate": "activation", "deactivate": "deactivation"}[action]
    session.report(f"{describe(rule)}: {done} requested", {"id": rule["id"], "name": rule["name"], "requested": done})
    return ExitCode.OK


PROVIDES = {"trust": CliCommand(_arguments, _run)}
