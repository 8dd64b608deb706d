"""`where`, `promote`, `promotions`: which version runs in which environment, and bringing one to another."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from urllib.parse import quote

from corral_cli.commands.history import show_changes
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.lookup import require_stack
from corral_cli.output import show_data, show_rows
from corral_cli.pairs import read_pairs
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_COLUMNS = (
    "application", "environment", "version", "revision", "state", "health", "deployedBy", "deployedAt", "note",
    "difference",
)  # fmt: skip

_PROMOTION_COLUMNS = (
    "id", "name", "state", "targetRevision", "requestedBy", "approvedBy", "created", "note", "refusalReason", "detail",
)  # fmt: skip


def _where_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("application", nargs="?", default="", help="a part of a stack's, service's or image's name")
    parser.add_argument("--compare-with", default="", metavar="ENVIRONMENT", help="default: what most have")
    parser.add_argument("--differences", action="store_true", help="only what is not the same everywhere")


def _where(session: CliSession, options: Namespace) -> int:
    query = {"q": options.application}
    if options.compare_with:
        query["reference"] = find_project(session, options.compare_with)["id"]
    if options.differences:
        query["differences"] = "true"
    rows = [_row(each) for each in session.api.list_all("/v1/deployments", **query)]
    show_rows(session.terminal, session.format, _COLUMNS, rows)
    return ExitCode.OK


def find_project(session: CliSession, name: str) -> Json:
    """The environment of this name or id. Raises `CliError`."""
    found = session.api.projects()
    named = [each for each in found if name in {each["id"], each["name"]}]
    named = named or [each for each in found if str(each["name"]).lower() == name.lower()]
    if len(named) == 1:
        return named[0]
    if named:
        raise CliError(f"Several environments are called {name!r}: say the id.", ExitCode.USAGE)
    raise CliError(f"There is no environment {name!r} for this key.", ExitCode.NOT_FOUND)


def _row(each: Json) -> Json:
    return {
        **{name: each.get(name) for name in _COLUMNS},
        "version": each.get("tag") or each.get("digest") or each.get("image"),
        "state": each.get("serviceState"),
        "health": each.get("healthState"),
        "deployedAt": each.get("created"),
    }


def _promote_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("stack", help="a stack of this environment")
    parser.add_argument("--to", required=True, metavar="ENVIRONMENT", help="where it is deployed")
    parser.add_argument("--revision", type=int, default=0, metavar="NUMBER", help="default: what the stack is now")
    parser.add_argument("--service", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--as", dest="name", default="", metavar="STACK", help="under another name there")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable for there, beside those that it has; may be repeated",
    )
    parser.add_argument("--remove-missing", action="store_true", help="remove services that are only there")
    parser.add_argument("--note", default="", help="why, such as a ticket")
    parser.add_argument(
        "--preview", action="store_true", help="only show what it would do; ends with 1 where it is not possible"
    )


def _promote(session: CliSession, options: Namespace) -> int:
    stack = require_stack(session.api, options.stack)
    body: Json = {"toProjectId": find_project(session, options.to)["id"], "variables": read_pairs("--set", options.set)}
    if options.revision:
        body["sourceRevision"] = options.revision
    if options.service:
        body["services"] = options.service
    if options.name:
        body["stackName"] = options.name
    if options.remove_missing:
        body["removeMissing"] = True
    preview = session.api.act(stack, "previewpromotion", body)
    if session.format == "table":
        show_changes(session, preview)
    elif options.preview:
        show_data(session.terminal, session.format, preview)
    if options.preview:
        return ExitCode.FAILED if preview["problems"] else ExitCode.OK
    more: Json = {"sourceStackId": stack["id"], "basedOn": preview["basedOn"], "note": options.note}
    made = session.api.post("/v1/promotions", {**body, **more})
    text = f"{made['id']}: promotion of {printable(made['name'])} requested"
    session.report(text, {**made, "requested": "promotion", "preview": preview})
    return ExitCode.OK


def _promotions_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("ls", "show", "approve", "refuse", "undo"), default="ls", help="default: ls"
    )
    parser.add_argument("id", nargs="?", default="", help="of the promotion, such as 1p7")
    parser.add_argument("--reason", default="", help="why it is refused")


def _promotions(session: CliSession, options: Namespace) -> int:
    if options.action == "ls":
        rows = [{**each, "detail": each.get("transitioningMessage")} for each in session.api.list_all("/v1/promotions")]
        show_rows(
            session.terminal, session.format, _PROMOTION_COLUMNS, sorted(rows, key=lambda each: str(each["created"]))
        )
        return ExitCode.OK
    if not options.id:
        raise missing_argument("id", f"which promotion to {options.action}", f"promotions {options.action} 1p7")
    found = session.api.get(f"/v1/promotions/{quote(options.id, safe='')}")
    return _show_promotion(session, found) if options.action == "show" else _decide(session, options, found)


def _show_promotion(session: CliSession, found: Json) -> int:
    preview = session.api.get(found["links"]["preview"])
    if session.format != "table":
        show_data(session.terminal, session.format, {**found, "preview": preview})
        return ExitCode.OK
    if found.get("refusedBy"):
        reason = printable(found.get("refusalReason") or "no reason given")
        session.terminal.print(f"Refused by {printable(found['refusedBy'])}: {reason}")
    show_changes(session, preview)
    return ExitCode.OK


def _decide(session: CliSession, options: Namespace, found: Json) -> int:
    """Approve, refuse or take back; what is approved is shown first."""
    body: Json = {}
    if options.action == "approve":
        preview = session.api.get(found["links"]["preview"])
        if session.format == "table":
            show_changes(session, preview)
        body = {"basedOn": preview["basedOn"]}
    elif options.action == "refuse":
        body = {"reason": options.reason}
    done = session.api.act(found, options.action, body)
    session.report(f"{found['id']}: {options.action} requested", {**found, **done, "requested": options.action})
    return ExitCode.OK


PROVIDES = {
    "where": CliCommand(_where_arguments, _where),
    "promote": CliCommand(_promote_arguments, _promote),
    "promotions": CliCommand(_promotions_arguments, _promotions),
}
