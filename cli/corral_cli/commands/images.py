"""`images` and `image`: what hosts have, cleaning up, what is done with one image, and images as files."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.file_progress import FileProgress
from corral_cli.lookup import find, only_host
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted, size_text
from corral_cli.terminal import printable

_COLUMNS = ("id", "name", "host", "size", "containers", "created", "image")
_IMAGE_HELP = (
    "its name with the tag, or its id in `corral images`; rm removes just that name, and the image with its last"
    " name; by id it removes the image with all its names; of import: the file"
)
_FORCE_HELP = (
    "of rm: also what stopped containers were made from, or what containers and services name; never what a running"
    " container was made from"
)


def _images_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("ls", "prune"), default="ls", help="default: ls")
    parser.add_argument("--host", default="", help="only those of this host")
    parser.add_argument("--unused", action="store_true", help="of ls: only those that no container was made from")
    parser.add_argument("--all", action="store_true", help="of prune: all unused images, not only those without a name")
    parser.add_argument("--older-than", type=int, default=0, metavar="DAYS", help="of prune: only those made before")
    parser.add_argument("--dry-run", action="store_true", help="of prune: show what goes, and remove nothing")
    add_confirmation(parser, "prune")


def _images(session: CliSession, options: Namespace) -> int:
    host = find(session.api, options.host, ("host",))["id"] if options.host else ""
    return _prune(session, options, host) if options.action == "prune" else _list(session, options, host)


def _list(session: CliSession, options: Namespace, host: str) -> int:
    query = {"hostId": host} if host else {}
    query |= {"containerCount": "0"} if options.unused else {}
    show_rows(session.terminal, session.format, _COLUMNS, _rows(session, session.api.list_all("hostimages", **query)))
    return ExitCode.OK


def _rows(session: CliSession, images: Iterable[Json]) -> list[Json]:
    names = {each["id"]: each.get("name") or each.get("hostname") for each in session.api.list_all("hosts")}
    plain = session.format != "table"
    return [
        {
            "id": each["id"],
            "name": ", ".join(each.get("tags") or ()) or "<none>",
            "host": names.get(each["hostId"], each["hostId"]),
            "size": each["size"] if plain else size_text(each["size"]),
            "containers": each.get("containerCount"),
            "created": each.get("created"),
            "image": str(each["imageId"]).replace("sha256:", "", 1)[:12],
        }
        for each in sorted(images, key=lambda each: (str(each.get("name")), each["id"]))
    ]


def _prune(session: CliSession, options: Namespace, host: str) -> int:
    """Show what goes, and remove just that."""
    if options.older_than < 0:
        raise CliError("--older-than is a number of days from 0.", ExitCode.USAGE)
    query: Json = {"rule": "unused" if options.all else "dangling", "olderThanDays": options.older_than}
    shown = session.api.get(session.api.project["links"]["imagePrune"], **query, **({"hostId": host} if host else {}))
    if session.format != "table" and (options.dry_run or not shown["images"]):
        show_data(
            session.terminal, session.format, {name: shown[name] for name in ("images", "size", "used", "needed")}
        )
        return ExitCode.OK
    if session.format == "table":
        show_rows(session.terminal, "table", ("id", "name", "host", "size", "image"), _rows(session, shown["images"]))
    text = f"{counted(len(shown['images']), 'image')}, up to {size_text(shown['size'])}"
    if options.dry_run or not shown["images"]:
        session.terminal.print(f"{text} would go; in use: {shown['used']}, needed: {shown['needed']}")
        return ExitCode.OK
    require_confirmation(session.terminal, options, text)
    body = {**query, "expected": shown["fingerprint"], **({"hostIds": [host]} if host else {})}
    return _await_removals(session, session.api.post("imageremovals", body))


def _await_removals(session: CliSession, answer: Json) -> int:
    """Wait until all that was begun has ended; what stays is told with the reason."""
    begun = answer["data"] if answer.get("type") == "collection" else [answer]
    removed, freed, untagged = 0, 0, 0
    kept: list[Json] = []
    names: set[str] = set()
    for each in begun:
        done = session.waiter().until(each, lambda found: found.get("transitioning") != "yes")
        removed += len(done.get("removedImages") or ())
        freed += done.get("freed") or 0
        kept += done.get("keptImages") or []
        names.update(done.get("removedNames") or ())
        for image in done.get("untaggedImages") or ():
            went, left = (printable(", ".join(image[key])) for key in ("names", "left"))
            row = {"removedNames": image["names"], "left": image["left"]}
            session.report(f"{went} was removed; the image stays as {left}", row)
            names.difference_update(image["names"])
            untagged += 1
    lines = [f"names removed: {printable(', '.join(sorted(names)))}"] if names else []
    if removed or not untagged:
        lines.append(f"{counted(removed, 'image')} removed, up to {size_text(freed)} are free")
    if lines:
        row = {"removedNames": sorted(names), "removedImages": removed, "freed": freed, "kept": kept}
        session.report("\n".join(lines), row)
    if kept:
        reasons = (f"{printable(each['name'])} stays: {printable(each['reason'])}" for each in kept)
        raise CliError("; ".join(reasons), ExitCode.FAILED)
    return ExitCode.OK


def _image_arguments(parser: ArgumentParser) -> None:
    actions = ("cp", "tag", "rm", "history", "export", "import")
    parser.add_argument("action", choices=actions, help="what to do with it")
    parser.add_argument("image", help=_IMAGE_HELP)
    parser.add_argument("names", nargs="*", metavar="name", help="cp: hosts to send it to; tag: the new name")
    parser.add_argument(
        "--host", default="", help="the host that has it; needed where several have. Of import: where to"
    )
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="of export: where to write the archive")
    parser.add_argument("--force", action="store_true", help=_FORCE_HELP)
    add_confirmation(parser, "rm")


def _image(session: CliSession, options: Namespace) -> int:
    if options.action == "import":
        return _import(session, options)
    images = _find_images(session, options)
    if options.action == "rm":
        body: Json = {"imageIds": [each["id"] for each in images], "force": options.force}
        if not any(options.image in {each["id"], each["imageId"]} for each in images):
            body["imageName"] = _with_tag(options.image)
        where = counted(len({each["hostId"] for each in images}), "host")
        require_confirmation(session.terminal, options, f"image {printable(options.image)} of {where}")
        return _await_removals(session, session.api.post("imageremovals", body))
    image = images[0] if options.action == "cp" else _only(images, options.image)
    if options.action == "history":
        return _history(session, image)
    if options.action == "export":
        return _export(session, options, image)
    if not options.names:
        what, example = ("to which hosts", "host-2") if options.action == "cp" else ("the new name", "shop:stable")
        raise missing_argument("name", what, f"image {options.action} {options.image} {example}")
    return _copy(session, options, image) if options.action == "cp" else _tag(session, options, image)


def _find_images(session: CliSession, options: Namespace) -> list[Json]:
    """The image on the hosts that have it. Raises `CliError`."""
    query = {"hostId": find(session.api, options.host, ("host",))["id"]} if options.host else {}
    every = list(session.api.list_all("hostimages", **query))
    found = [each for each in every if options.image in {each["id"], each["imageId"]}]
    found = found or [each for each in every if _with_tag(options.image) in (each.get("tags") or ())]
    if not found:
        raise CliError(f"No host has the image {printable(options.image)}: see `corral images`.", ExitCode.NOT_FOUND)
    return found


def _with_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _only(images: list[Json], name: str) -> Json:
    if len({each["hostId"] for each in images}) > 1:
        raise CliError(f"Several hosts have {printable(name)}: say which with --host.", ExitCode.USAGE)
    return images[0]


def _copy(session: CliSession, options: Namespace, image: Json) -> int:
    hosts = [find(session.api, name, ("host",))["id"] for name in options.names]
    name = options.image if options.image in (image.get("tags") or ()) else next(iter(image.get("tags") or ()), "")
    if not name:
        raise CliError("It has no name: give it one with `corral image tag`.", ExitCode.USAGE)
    body = {"image": name, "sourceHostId": image["hostId"], "hostIds": hosts}
    answer = session.api.post("imagepulls", body)
    waiter = session.waiter()
    for each in answer["data"] if answer.get("type") == "collection" else [answer]:
        waiter.until_settled(each)
    text = f"{printable(name)} was copied to {printable(', '.join(options.names))}"
    session.report(text, {"name": name, "hosts": options.names})
    return ExitCode.OK


def _tag(session: CliSession, options: Namespace, image: Json) -> int:
    named = session.api.act(image, "tag", {"name": options.names[0]})
    tags = list(named.get("tags") or ())
    session.report(printable(", ".join(tags)), {"id": named["id"], "names": tags})
    return ExitCode.OK


def _history(session: CliSession, image: Json) -> int:
    details = session.api.get(image["links"]["details"])
    if session.format != "table":
        show_data(session.terminal, session.format, details["history"])
        return ExitCode.OK
    rows = [{"size": size_text(step["size"]), "step": step["command"]} for step in details["history"]]
    show_rows(session.terminal, "table", ("size", "step"), rows)
    return ExitCode.OK


def _export(session: CliSession, options: Namespace, image: Json) -> int:
    """Write the archive to a file that has its name only once it is whole."""
    if not options.output:
        raise CliError("Say to which file, with -o.", ExitCode.USAGE)
    path = Path(session.terminal.folder, options.output)
    partial, progress = path.with_name(f"{path.name}.part"), FileProgress(session.terminal, f"of {options.image}")
    try:
        with partial.open("wb") as file:

            def write(piece: bytes) -> None:
                progress.count(file.write(piece))

            session.api.receive_file(image["links"]["download"], write)
        partial.replace(path)
    except OSError as error:
        raise CliError(f"{options.output} cannot be written: {error.strerror or error}.", ExitCode.FAILED) from None
    finally:
        session.terminal.clear_progress()
        with suppress(OSError):  # it was renamed
            partial.unlink()
    session.terminal.print(f"{printable(options.image)} was written to {options.output}: {size_text(progress.size)}")
    return ExitCode.OK


def _import(session: CliSession, options: Namespace) -> int:
    """Send an archive to a host, and print the names of what was in it."""
    try:
        with Path(session.terminal.folder, options.image).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            host = only_host(session.api, options.host)
            pieces = FileProgress(session.terminal, "sent", size).pieces_of(file)
            found = session.api.send_file(host, "importimage", pieces, size)
    except OSError as error:
        raise CliError(f"{options.image} cannot be read: {error.strerror or error}.", ExitCode.USAGE) from None
    finally:
        session.terminal.clear_progress()
    for name in found.get("images") or ():
        session.terminal.print(printable(name))
    return ExitCode.OK


PROVIDES = {"images": CliCommand(_images_arguments, _images), "image": CliCommand(_image_arguments, _image)}
