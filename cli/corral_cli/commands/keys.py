"""`keys`: API keys of the environment, or of one's own account."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_COLUMNS = ("id", "name", "publicValue", "state", "role", "expires", "lastUsed")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("ls", "create", "deactivate", "rm"), default="ls", help="default: ls"
    )
    parser.add_argument(
        "name", nargs="?", default="", help="a new key's name, or which key: its name, id or first half"
    )
    parser.add_argument("--account", action="store_true", help="keys of the account instead of the environment's")
    parser.add_argument("--role", default="", help="of a new key: what it may do at most")
    parser.add_argument("--expires", default="", metavar="TIME", help="of a new key, such as 2027-01-31T00:00:00Z")
    parser.add_argument(
        "--address", action="append", default=[], metavar="NETWORK", help="of a new key: from where only"
    )
    add_confirmation(parser, "rm")


def _run(session: CliSession, options: Namespace) -> int:
    path = "/v1/apikeys" if options.account else "apikeys"
    if options.action == "ls":
        show_rows(session.terminal, session.format, _COLUMNS, session.api.list_all(path, removed_null=1))
        return ExitCode.OK
    if not options.name:
        raise missing_argument("name", f"which key to {options.action}", f"keys {options.action} deploy")
    if options.action == "create":
        return _create(session, options, path)
    return _end(session, options, path)


def _create(session: CliSession, options: Namespace, path: str) -> int:
    limits: Json = {"role": options.role, "expires": options.expires, "addresses": options.address}
    made = session.api.post(path, {"name": options.name, **{name: each for name, each in limits.items() if each}})
    pair = {"accessKey": made["publicValue"], "secretKey": made["secretValue"]}
    show_data(session.terminal, session.format, pair)
    session.terminal.note("The secret key is shown this once only.")
    return ExitCode.OK


def _end(session: CliSession, options: Namespace, path: str) -> int:
    every = session.api.list_all(path, removed_null=1)
    found = [each for each in every if options.name in {each["id"], each["name"], each["publicValue"]}]
    if len(found) != 1:
        count = "no key" if not found else f"{len(found)} keys"
        raise CliError(f"{printable(options.name)} means {count}: see `corral keys`.", ExitCode.NOT_FOUND)
    key = found[0]
    if options.action == "rm":
        require_confirmation(session.terminal, options, describe(key))
    if "deactivate" in (key.get("actions") or {}):
        key = session.waiter().until_settled(session.api.act(key, "deactivate"))
    if options.action == "rm":
        session.api.delete(key)
    requested = "removal" if options.action == "rm" else "deactivation"
    session.report_resource(key, f": {requested} requested", requested=requested)
    return ExitCode.OK


PROVIDES = {"keys": CliCommand(_arguments, _run)}
