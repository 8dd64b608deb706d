"""`revisions`, `diff`, `rollback`: what a stack or service was, what a file would make of it, and the way back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.commands.actions import add_waiting
from corral_cli.commands.stacks import add_files, request_of
from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find, find_stack
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_KINDS = ("service", "stack")
_MARKS = {"create": "+", "remove": "-", "upgrade": "~", "update": "~"}
_COLORS = {"+": "green", "-": "red", "~": "yellow"}


def _revisions_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="a stack, a service or stack/service")
    parser.add_argument("--type", choices=_KINDS, help="which of the two, where both have this name")


def _meant(session: CliSession, options: Namespace) -> Json:
    return find(session.api, options.name, (options.type,) if options.type else _KINDS)


def _revisions(session: CliSession, options: Namespace) -> int:
    rows = session.api.list_all(_meant(session, options)["links"]["revisions"])
    rows.sort(key=lambda each: -int(each["number"]))
    columns = ("number", "current", "created", "createdBy", "via", "note")
    show_rows(session.terminal, session.format, columns, rows)
    return ExitCode.OK


def _rollback_arguments(parser: ArgumentParser) -> None:
    _revisions_arguments(parser)
    parser.add_argument("--to", type=int, default=0, metavar="NUMBER", help="a revision, also long after its upgrade")
    parser.add_argument("--note", default="", help="why, for the revision that this makes")
    parser.add_argument(
        "--preview",
        action="store_true",
        help="only show what --to would do; ends with 1 where it is not possible",
    )
    add_waiting(parser)


def _preview_rollback(session: CliSession, resource: Json, number: int) -> int:
    """Show what going back would do; nothing is changed."""
    found = session.api.act(resource, "returntorevision", {"revision": number, "preview": True})
    if session.format == "table":
        show_changes(session, found)
    else:
        show_data(session.terminal, session.format, found)
    return ExitCode.FAILED if found["problems"] else ExitCode.OK


def _rollback(session: CliSession, options: Namespace) -> int:
    resource = _meant(session, options)
    if options.preview:
        if not options.to:
            raise CliError("Name the revision that is to be previewed: --to NUMBER.", ExitCode.USAGE)
        return _preview_rollback(session, resource, options.to)
    if options.to:
        body = {"revision": options.to, **({"note": options.note} if options.note else {})}
        changed = session.api.act(resource, "returntorevision", body)
        text = f": upgrade to revision {options.to} requested"
        session.report_resource({**resource, **changed}, text, requested="upgrade", revision=options.to)
    else:
        changed = session.api.act(resource, "rollback")
        session.report_resource({**resource, **changed}, ": rollback requested", requested="rollback")
    if options.wait:
        session.report_state(session.waiter().until_settled(changed))
    return ExitCode.OK


def _diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services of the file")
    add_files(parser)
    parser.add_argument("--remove-missing", action="store_true", help="as of `up --remove-missing`")
    parser.add_argument("--exit-code", action="store_true", help="end with 1 when something would change")


def _diff(session: CliSession, options: Namespace) -> int:
    request = request_of(session, options)
    stack = find_stack(session.api, request.stack)
    if stack is None:
        raise CliError(f"There is no stack {request.stack!r} yet: `up` would create it.", ExitCode.NOT_FOUND)
    body = request.files.body(stack.get("environment") or {})
    more: Json = {"services": list(request.services)} if request.services else {}
    found = session.api.act(stack, "previewupgrade", {**body, **more, "removeMissing": request.remove_missing})
    if session.format != "table":
        show_data(session.terminal, session.format, found["services"])
    else:
        show_changes(session, found)
    changes = any(each["change"] in _MARKS for each in found["services"])
    return ExitCode.FAILED if changes and options.exit_code else ExitCode.OK


def show_changes(session: CliSession, found: Json) -> None:
    """What becomes of each service, with the differences and with what stands in the way."""
    terminal = session.terminal
    problems = list(found.get("problems") or ())
    for step in found["services"]:
        mark = _MARKS.get(step["change"])
        if mark is None:
            continue
        terminal.print(terminal.color(f"{mark} {printable(step['name'])}: {step['change']}", _COLORS[mark]))
        _show_step(session, step)
        if step.get("problem"):
            terminal.print(f"    not possible now: {printable(step['problem'])}")
            problems = [text for text in problems if text != step["problem"]]
    for text in found.get("warnings") or ():
        terminal.note(f"warning: {printable(text)}")
    for text in problems:
        terminal.note(f"not possible now: {printable(text)}")
    # What cannot be worked out, such as for want of a value, has no changes to show either.
    if not found.get("problems") and not any(each["change"] in _MARKS for each in found["services"]):
        terminal.print("Nothing would change.")


def _show_step(session: CliSession, step: Json) -> None:
    """The differences of one service, and which of its containers are made anew."""
    for each in step.get("differences") or ():
        where = ": ".join(printable(part) for part in (each.get("sidekick"), _label(each), each.get("key")) if part)
        before, after = (_text(each, name) for name in ("before", "after"))
        session.terminal.print(f"    {where}: {printable(before)} -> {printable(after)}")
    if step.get("starts"):
        session.terminal.print("    it is stopped now, and is started by it")
    made_anew = ", ".join(printable(each) for each in step.get("containers") or ())
    if made_anew:
        session.terminal.print(f"    containers recreated or removed: {made_anew}")


def _label(difference: Json) -> str:
    """The field in words, as the console shows it; portals of before have no words for it."""
    return str(difference.get("label") or difference["field"])


def _text(difference: Json, name: str) -> str:
    """What was (`before`) or will be (`after`) there, in words where the portal has some."""
    nothing = "not there" if name == "before" else "removed"
    return str(difference.get(f"{name}Text") or difference.get(name) or nothing)


PROVIDES = {
    "revisions": CliCommand(_revisions_arguments, _revisions),
    "rollback": CliCommand(_rollback_arguments, _rollback),
    "diff": CliCommand(_diff_arguments, _diff),
}
