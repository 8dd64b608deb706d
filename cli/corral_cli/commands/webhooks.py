"""`webhooks`: the deploy webhooks of services: listed, created, renewed, removed, and called."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.lookup import find
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted
from corral_cli.terminal import printable

_ACTIONS = ("ls", "create", "renew", "activate", "deactivate", "rm", "call")
_EXAMPLES = {
    "create": "create shop/web --task redeploy",
    "call": "call https://portal.example.com/v1-webhooks/ID --secret-file secret.txt",
}
_COLUMNS = ("id", "name", "service", "task", "limits", "state", "actsAs", "lastUsed")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="ls", help="default: ls")
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        help="create: the service; call: the webhook's URL; else which webhook, by its name or id",
    )
    parser.add_argument("--name", dest="title", default="", help="create: what it is called")
    parser.add_argument("--task", choices=("upgrade", "redeploy", "scale"), help="create: what it does")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="PATTERN", help="create: tags such as '1.*'; repeatable"
    )
    parser.add_argument("--min", type=int, metavar="N", help="create: containers at least")
    parser.add_argument("--max", type=int, metavar="N", help="create: containers at most")
    parser.add_argument("--step", type=int, metavar="N", help="create: containers more or fewer with --up or --down")
    parser.add_argument(
        "--secret-file", default="", metavar="FILE", help="call: where the secret is (or CORRAL_WEBHOOK_SECRET)"
    )
    add_confirmation(parser, "rm")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--tag", default="", help="call: the tag to upgrade to")
    change.add_argument("--scale", type=int, metavar="N", help="call: how many containers")
    change.add_argument("--up", action="store_true", help="call: more containers by a step")
    change.add_argument("--down", action="store_true", help="call: fewer containers by a step")


def _run(session: CliSession, options: Namespace) -> int:
    if options.action == "ls":
        return _list(session)
    if not options.name:
        what = {"create": "which service", "call": "the URL of the webhook"}.get(options.action, "which webhook")
        raise missing_argument(
            "name", what, f"webhooks {_EXAMPLES.get(options.action, options.action + ' deploy-web')}"
        )
    actions: dict[str, Any] = {"create": _create, "call": _call, "renew": _renew}
    return int(actions.get(options.action, _act)(session, options))


def _list(session: CliSession) -> int:
    services = {each["id"]: each["name"] for each in session.api.list_all("services", removed_null=1)}
    rows = [
        {**each, "service": services.get(each["serviceId"], each["serviceId"]), "limits": _limits(each)}
        for each in session.api.list_all("deploywebhooks", removed_null=1)
    ]
    show_rows(session.terminal, session.format, _COLUMNS, sorted(rows, key=lambda each: (each["service"], each["id"])))
    return ExitCode.OK


def _limits(row: Json) -> str:
    if row["task"] == "scale":
        return f"{row['minScale']}-{row['maxScale']} by {row['step']}"
    return " ".join(row.get("tagPatterns") or ())


def _create(session: CliSession, options: Namespace) -> int:
    if not options.task:
        raise CliError("Say with --task what it does: upgrade, redeploy or scale.", ExitCode.USAGE)
    service = find(session.api, options.name, ("service",))
    limits = {"minScale": options.min, "maxScale": options.max, "step": options.step}
    body: Json = {"serviceId": service["id"], "task": options.task, "name": options.title}
    body |= {name: value for name, value in limits.items() if value is not None}
    body |= {"tagPatterns": options.allow} if options.allow else {}
    made = session.api.post("deploywebhooks", body)
    return _show_secret(session, {"id": made["id"], "url": made["url"], "secret": made["secret"]})


def _show_secret(session: CliSession, shown: Json) -> int:
    show_data(session.terminal, session.format, shown)
    session.terminal.note("The secret is shown this once only.")
    return ExitCode.OK


def _renew(session: CliSession, options: Namespace) -> int:
    row = _one(session, options.name)
    found = session.api.act(row, "renewsecret")
    return _show_secret(session, {"id": row["id"], "url": found["url"], "secret": found["secret"]})


def _act(session: CliSession, options: Namespace) -> int:
    row = _one(session, options.name)
    if options.action == "rm":
        require_confirmation(session.terminal, options, f"webhook {printable(row['name'])}")
        session.api.delete(row)
    else:
        session.waiter().until_settled(session.api.act(row, options.action))
    done = {"rm": "removal", "activate": "activation", "deactivate": "deactivation"}[options.action]
    session.report(f"{describe(row)}: {done} requested", {"id": row["id"], "name": row["name"], "requested": done})
    return ExitCode.OK


def _one(session: CliSession, name: str) -> Json:
    """The one webhook of this name or id."""
    rows = session.api.list_all("deploywebhooks", removed_null=1)
    found = [each for each in rows if name in {each["name"], each["id"]}]
    if len(found) != 1:
        count = "no webhook" if not found else f"{counted(len(found), 'webhook')}: give its id"
        raise CliError(f"{printable(name)} means {count}; see `corral webhooks`.", ExitCode.NOT_FOUND)
    return found[0]


def _call(session: CliSession, options: Namespace) -> int:
    from corral_cli.webhook_call import call_webhook, read_secret

    terminal = session.terminal
    secret = read_secret(options.secret_file, terminal.environ, terminal.folder)
    found = call_webhook(session.anonymous_transport(), options.name, secret, _body(options))
    if session.format == "table":
        terminal.print(printable(found.get("message") or "accepted"))
    else:
        show_data(terminal, session.format, found)
    return ExitCode.OK


def _body(options: Namespace) -> Json:
    if options.tag:
        return {"tag": options.tag}
    if options.scale is not None:
        return {"scale": options.scale}
    if options.up or options.down:
        return {"direction": "up" if options.up else "down"}
    return {}


PROVIDES = {"webhooks": CliCommand(_arguments, _run)}
