"""`catalog`: the templates of the environment's catalogs: listed, shown, launched as stacks, and these upgraded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from corral_cli.commands.actions import add_waiting
from corral_cli.commands.history import show_changes
from corral_cli.compose_files import read_variables
from corral_cli.compose_log import ComposeLog
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.lookup import require_stack
from corral_cli.output import show_data, show_rows
from corral_cli.pairs import read_pairs
from corral_cli.portal_api import Json, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.stack_up import StackUp
from corral_cli.terminal import printable

_SCHEME = "catalog://"
_COLUMNS = ("id", "name", "version", "categories", "description")
_QUESTION_COLUMNS = ("variable", "type", "required", "default", "label")
_SHOWN = ("id", "name", "version", "description", "minimumRancherVersion", "upgradeFrom")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("ls", "show", "launch", "upgrade"), default="ls", help="default: ls"
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        help="ls: a word of it; show, launch: a template, such as library:wordpress; upgrade: a stack",
    )
    parser.add_argument("--catalog", default="", metavar="NAME", help="only of this catalog")
    parser.add_argument("--category", default="", metavar="NAME", help="ls: of this category only")
    parser.add_argument(
        "--version", default="", metavar="VERSION", help="show, launch: default: the one offered first; upgrade: newest"
    )
    parser.add_argument("-s", "--stack", default="", metavar="NAME", help="launch: its name (default: the template's)")
    parser.add_argument("--description", default="", metavar="TEXT", help="launch: of the stack")
    parser.add_argument("--no-start", action="store_true", help="launch: create the services without starting them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="the answer to a question; may be repeated"
    )
    parser.add_argument(
        "--answers", default="", metavar="FILE", help="lines of NAME=VALUE, such as passwords; --set comes before them"
    )
    parser.add_argument("--preview", action="store_true", help="upgrade: only show what it would do")
    parser.add_argument("--remove-missing", action="store_true", help="upgrade: remove services that it does not have")
    parser.add_argument("--note", default="", help="upgrade: why, for the revision that this makes")
    parser.add_argument(
        "-c",
        "--confirm-upgrade",
        action="store_true",
        help="upgrade: finish it once it is done; without --version, one that is done",
    )
    add_waiting(parser)


def _run(session: CliSession, options: Namespace) -> int:
    actions = {"ls": _list, "show": _show, "launch": _launch, "upgrade": _upgrade}
    if options.action != "ls" and not options.name:
        what = "stack" if options.action == "upgrade" else "template"
        raise missing_argument("name", f"which {what}", f"catalog {options.action} wordpress")
    return int(actions[options.action](session, options))


def _list(session: CliSession, options: Namespace) -> int:
    rows = [each for each in _templates(session, options) if _matches(each, options.name)]
    show_rows(
        session.terminal, session.format, _COLUMNS, [{**each, "version": each["defaultVersion"]} for each in rows]
    )
    return ExitCode.OK


def _matches(template: Json, word: str) -> bool:
    texts = (template["id"], template["name"], template.get("description"))
    return any(word.lower() in str(text or "").lower() for text in texts)


def _templates(session: CliSession, options: Namespace) -> list[Json]:
    """Those that are for people to launch, by name."""
    given = {"catalogId": options.catalog, "category": options.category}
    query = {name: text for name, text in given.items() if text}
    return session.api.list_all("/v1-catalog/templates", **_place(session), category_ne="system", **query)


def _place(session: CliSession) -> dict[str, str]:
    """The environment, of whose catalogs an account's key sees the templates."""
    return {"projectId": session.api.project["id"]}


def _read(session: CliSession, key: str) -> Json:
    """A template or a version by its id. Raises `CliError`."""
    return session.api.get(f"/v1-catalog/templates/{quote(key, safe=':*')}", **_place(session))


def _find_version(session: CliSession, options: Namespace) -> Json:
    """The version that is meant: by its id, or of the template by what it is called. Raises `CliError`."""
    key = options.name.removeprefix(_SCHEME)
    if key.count(":") == 2:
        return _read(session, key)
    template = _read(session, key) if ":" in key else _find_template(session, options)
    links = {text: str(link) for text, link in template["versionLinks"].items()}
    if not options.version:
        wanted = template.get("defaultTemplateVersionId")
    else:
        wanted = next((_id_of(link) for text, link in links.items() if text == options.version), None)
    if wanted is None:
        known = ", ".join(map(printable, links)) or "none"
        text = f"{printable(template['id'])} has no version {printable(options.version)!r}; it has {known}."
        raise CliError(text, ExitCode.NOT_FOUND)
    return _read(session, str(wanted))


def _id_of(link: str) -> str:
    """The id of the version that a link leads to."""
    return link.rpartition("/")[2]


def _find_template(session: CliSession, options: Namespace) -> Json:
    name = options.name.lower()
    rows = _templates(session, options)
    found = [each for each in rows if name in {each["id"].partition(":")[2].lower(), str(each["name"]).lower()}]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(printable(each["id"]) for each in found)
        raise CliError(f"Several can be meant by {options.name!r}: {listed}. Say which.", ExitCode.USAGE)
    raise CliError(f"There is no template {options.name!r} here: see `corral catalog`.", ExitCode.NOT_FOUND)


def _show(session: CliSession, options: Namespace) -> int:
    version = _find_version(session, options)
    terminal, questions = session.terminal, version["questions"]
    if session.format != "table":
        names = (*_SHOWN, "questions", "files")
        show_data(terminal, session.format, {name: version.get(name) for name in names})
        return ExitCode.OK
    terminal.print(f"{printable(version['name'])} {printable(version['version'])} ({printable(version['id'])})")
    if version.get("description"):
        terminal.print(printable(version["description"]))
    terminal.print()
    if questions:
        show_rows(terminal, "table", _QUESTION_COLUMNS, questions)
    else:
        terminal.print("It asks nothing.")
    return ExitCode.OK


def _answers(session: CliSession, options: Namespace, questions: Iterable[Json]) -> dict[str, str]:
    """What is answered on the command line and in the file; what nothing asks for is said, and sent all the same."""
    path = Path(session.terminal.folder, options.answers)
    answers = {**(read_variables(path) if options.answers else {}), **read_pairs("--set", options.set)}
    unknown = sorted(set(answers) - {each["variable"] for each in questions})
    if unknown:
        session.terminal.note(f"warning: no question is about {', '.join(map(printable, unknown))}")
    return answers


def _launch(session: CliSession, options: Namespace) -> int:
    version = _find_version(session, options)
    body: Json = {
        "name": options.stack or version["templateId"].rpartition(":")[2].rpartition("*")[2],
        "externalId": _SCHEME + version["id"],
        "environment": _answers(session, options, version["questions"]),
        "startOnCreate": not options.no_start,
    }
    if options.description:
        body["description"] = options.description
    stack = session.api.post("environments", body)
    launched = f"{printable(version['name'])} {printable(version['version'])}"
    shown = {name: stack.get(name) for name in ("id", "type", "name", "state", "externalId")}
    session.report(f"{stack['id']}: {describe(stack)} is launched from {launched}", {**shown, "requested": "launch"})
    if options.wait:
        waiter = session.waiter()
        found = waiter.until_settled(stack) if options.no_start else waiter.until_healthy(stack)
        session.report_state(found)
    return ExitCode.OK


def _upgrade(session: CliSession, options: Namespace) -> int:
    stack = require_stack(session.api, options.name)
    external_id = str(stack.get("externalId") or "")
    if not external_id.startswith(_SCHEME):
        raise CliError(f"{describe(stack)} is not of a template: upgrade it with `corral up`.", ExitCode.REFUSED)
    if options.confirm_upgrade and not options.version and "finishupgrade" in (stack.get("actions") or {}):
        return _finish(session, stack)
    current = _read(session, external_id.removeprefix(_SCHEME))
    target = _target(session, current, options.version)
    if target is None:
        text = f" has the newest version already: {printable(current['version'])}"
        session.report_resource(stack, text, requested=None, version=current["version"])
        return ExitCode.OK
    body: Json = {
        "externalId": _SCHEME + target["id"],
        "environment": _answers(session, options, target["questions"]),
        "removeMissing": options.remove_missing,
    }
    preview = session.api.act(stack, "previewupgrade", body)
    _show_preview(session, options, preview)
    if options.preview:
        return ExitCode.OK
    more = {"note": options.note} if options.note else {}
    changed = session.api.act(stack, "upgrade", {**body, **more, "basedOn": preview["basedOn"]})
    text = f": upgrade to {printable(target['version'])} requested"
    more = {"requested": "upgrade", "version": target["version"], "preview": preview}
    session.report_resource({**stack, **changed}, text, **more)
    if options.wait or options.confirm_upgrade:
        found = session.waiter().until_settled(changed)
        if options.confirm_upgrade and "finishupgrade" in (found.get("actions") or {}):
            return _finish(session, found)
        session.report_state(found)
    return ExitCode.OK


def _show_preview(session: CliSession, options: Namespace, preview: Json) -> None:
    if options.preview and session.format != "table":
        show_data(session.terminal, session.format, preview)
    elif session.format == "table":
        show_changes(session, preview)
    for text in preview.get("problems") or ():
        session.terminal.note(f"not possible now: {printable(text)}")


def _finish(session: CliSession, stack: Json) -> int:
    StackUp(session.api, ComposeLog(session.terminal, stack["name"]), session.waiter()).confirm(stack["id"])
    session.report_state(session.api.reload(stack))
    return ExitCode.OK


def _target(session: CliSession, current: Json, wanted: str) -> Json | None:
    """The version to upgrade to: the newest that may follow, or the one of that name, which may be the present one.

    None when nothing newer may follow. Raises `CliError`.
    """
    links = {text: _id_of(str(link)) for text, link in current["upgradeVersionLinks"].items()}
    if not wanted:
        ids = sorted(links.values(), key=lambda each: int(each.rpartition(":")[2]))
        return _read(session, ids[-1]) if ids else None
    if wanted == current["version"]:
        return current
    if wanted not in links:
        known = ", ".join(map(printable, links)) or "none"
        text = f"Version {printable(wanted)!r} cannot follow {printable(current['version'])}; what can: {known}."
        raise CliError(text, ExitCode.NOT_FOUND)
    return _read(session, links[wanted])


PROVIDES = {"catalog": CliCommand(_arguments, _run)}
