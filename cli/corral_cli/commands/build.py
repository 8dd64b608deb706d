"""`build`: an image built on a host, from a folder here or from a git repository, with its log as it goes on."""

from __future__ import annotations

import re
import tempfile
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from corral_cli.build_context import dockerfile_in, pack_context
from corral_cli.errors import CliError, ExitCode
from corral_cli.file_progress import FileProgress
from corral_cli.lookup import only_host
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

_GIT_ADDRESS = re.compile(r"[a-z+]+://.+|[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9.-]+:[^/].*")
_PASSWORD = "CORRAL_GIT_PASSWORD"  # noqa: S105 - the name of a variable
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 2.0


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="PATH|GIT_URL", help="the folder, or a repository such as https://host/x.git#branch:folder"
    )
    parser.add_argument("-t", "--tag", required=True, metavar="NAME", help="the name of the image, such as shop:2")
    parser.add_argument("-f", "--file", default="Dockerfile", help="the Dockerfile (default: Dockerfile)")
    parser.add_argument("--host", default="", help="the host that builds it; needed where there are several")
    parser.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="the value of an ARG, without = that of the variable of this name; repeatable. It stays in the image",
    )
    parser.add_argument("--target", default="", help="the stage to stop at")
    parser.add_argument("--no-cache", action="store_true", help="do every step anew")
    parser.add_argument("--pull", action="store_true", help="look for newer images to start from")
    parser.add_argument(
        "--git-user", default="", metavar="NAME", help=f"the account at the repository; its password is in {_PASSWORD}"
    )
    parser.add_argument("-d", "--detach", action="store_true", help="print the id of the build, and do not wait")


def _build(session: CliSession, options: Namespace) -> int:
    body: Json = {
        "imageName": options.tag,
        "buildArgs": _build_args(session, options.build_arg),
        "target": options.target,
        "noCache": options.no_cache,
        "pull": options.pull,
    }
    if _GIT_ADDRESS.fullmatch(options.source):
        row = session.api.post(
            "imagebuilds", {**body, **_repository(session, options), "hostId": _host(session, options)}
        )
    else:
        row = _send_folder(session, options, body)
    if options.detach:
        session.terminal.print(row["id"])
        return ExitCode.OK
    try:
        _follow(session, row)
    except KeyboardInterrupt:
        session.api.act(row, "cancel")
        session.terminal.note("The build is stopped.")
        return ExitCode.INTERRUPTED
    return _outcome(session, session.api.reload(row))


def _host(session: CliSession, options: Namespace) -> str:
    return str(only_host(session.api, options.host)["id"])


def _build_args(session: CliSession, pairs: list[str]) -> Json:
    found: Json = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if equals or name in session.terminal.environ:
            found[name] = value if equals else session.terminal.environ[name]
    return found


def _repository(session: CliSession, options: Namespace) -> Json:
    """The fields of a repository; behind the # of its address are branch and folder, as docker build has it."""
    url, _hash, fragment = options.source.partition("#")
    branch, _colon, folder = fragment.partition(":")
    found = {"gitUrl": url, "branch": branch, "folder": folder, "dockerfile": options.file}
    found |= {"username": options.git_user, "secretValue": session.terminal.environ.get(_PASSWORD, "")}
    return {name: value for name, value in found.items() if value}


def _send_folder(session: CliSession, options: Namespace, body: Json) -> Json:
    """Pack the folder first, so that nothing is begun for one that cannot be read."""
    here = Path(session.terminal.folder)
    folder = here / options.source
    if not folder.is_dir():
        raise CliError(f"{options.source} is no folder, and no address of a git repository.", ExitCode.USAGE)
    dockerfile = dockerfile_in(folder, options.file, here)
    with tempfile.TemporaryFile() as file:
        size = pack_context(folder, dockerfile, file)
        file.seek(0)
        row = session.api.post("imagebuilds", {**body, "dockerfile": dockerfile, "hostId": _host(session, options)})
        try:
            pieces = FileProgress(session.terminal, "sent", size).pieces_of(file)
            sent = session.api.send_file(row, "sendcontext", pieces, size)
        except (CliError, KeyboardInterrupt):
            session.api.act(row, "remove")  # nobody sends it any more
            raise
        finally:
            session.terminal.clear_progress()
    return sent


def _follow(session: CliSession, row: Json) -> None:
    """Print the log until the build has ended."""
    terminal, waiter = session.terminal, session.waiter()
    offset, pause, rest = 0, _FIRST_PAUSE, ""
    while True:
        log = waiter.patiently(partial(session.api.get, row["links"]["log"], offset=offset))
        *lines, rest = (rest + log["text"]).split("\n")
        for line in lines:
            terminal.print(printable(line))
        if log["complete"]:
            break
        pause = _FIRST_PAUSE if log["text"] else min(pause * 1.5, _LONGEST_PAUSE)
        offset = log["next"]
        terminal.sleep(pause)
    if rest:
        terminal.print(printable(rest))


def _outcome(session: CliSession, row: Json) -> int:
    if row["state"] != "built":
        why = printable(row.get("transitioningMessage") or row["state"]).strip()
        raise CliError(f"{printable(row['imageName'])} was not built: {why}", ExitCode.FAILED)
    session.terminal.print(f"{printable(row['imageName'])} is built: {printable(row['imageId'])}")
    return ExitCode.OK


PROVIDES = {"build": CliCommand(_arguments, _build)}
