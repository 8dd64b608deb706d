"""`updates`: which images registries have newer ones of, looking again, and upgrading to them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.commands.actions import add_waiting
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.lookup import find
from corral_cli.output import show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted

_LIST, _CHECK, _APPLY = "list", "check", "apply"
_COLUMNS = ("id", "update", "image", "service", "running", "newest", "since", "policy", "last", "next", "detail")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default=_LIST, choices=(_LIST, _CHECK, _APPLY), help="default: list")
    parser.add_argument("names", nargs="*", metavar="SERVICE", help="only of these; apply: those to upgrade")
    parser.add_argument("-a", "--all", action="store_true", help="list images without a newer one too")
    add_waiting(parser)


def _updates(session: CliSession, options: Namespace) -> int:
    services = [find(session.api, name, ("service",)) for name in options.names]
    if options.what == _APPLY:
        return _apply(session, options, services)
    rows = _rows_of(session, services)
    if options.what == _CHECK:
        return _check(session, rows)
    shown = [each for each in rows if options.all or each["state"] == "newer"]
    names = _service_names(session) if shown else {}
    show_rows(session.terminal, session.format, _COLUMNS, [_to_row(each, names) for each in shown])
    return ExitCode.OK


def _rows_of(session: CliSession, services: list[Json]) -> list[Json]:
    rows = session.api.list_all("imageupdates")
    wanted = {each["id"] for each in services}
    return [each for each in rows if not wanted or each.get("serviceId") in wanted]


def _service_names(session: CliSession) -> dict[str, str]:
    stacks = {each["id"]: each["name"] for each in session.api.list_all("environments")}
    services = session.api.list_all("services")
    return {each["id"]: f"{stacks.get(each.get('environmentId'), '?')}/{each['name']}" for each in services}


def _to_row(found: Json, names: dict[str, str]) -> Json:
    policy = found.get("policy") or {}
    window = f" {policy['days']} {policy['from']}-{policy['to']} {policy['timeZone']}" if policy.get("from") else ""
    return {
        "id": found["id"],
        "update": found["state"],
        "image": found["image"],
        "service": names.get(str(found.get("serviceId"))) or found.get("instanceId"),
        "running": _short(found.get("runningDigest")),
        "newest": _short(found.get("digest")),
        "since": found.get("newerSince"),
        "policy": f"{policy.get('mode')}{window}",
        "last": found.get("checkedAt"),
        "next": found.get("nextCheckAt"),
        "detail": found.get("lastUpgradeMessage") or found.get("failure") or found.get("reason"),
    }


def _short(digest: object) -> str:
    return str(digest or "").partition(":")[2][:12]


def _check(session: CliSession, rows: list[Json]) -> int:
    """Have registries asked for what they are asked for at all; each image once."""
    found = {each["image"]: each for each in rows if each.get("checkedAt") or each.get("nextCheckAt")}
    refusals = [_try_check(session, row) for row in found.values()]
    asked = refusals.count("")
    if not asked:
        raise CliError(
            next(iter(refusals), "No registry is asked for these images; `corral updates --all` says why."),
            ExitCode.REFUSED,
        )
    session.report(f"Asking for {counted(asked, 'image')} within the next half minute.", {"images": asked})
    return ExitCode.OK


def _try_check(session: CliSession, row: Json) -> str:
    """Why one could not be checked; empty when it is."""
    try:
        session.api.act(row, "check")
    except CliError as error:
        return str(error)
    return ""


def _apply(session: CliSession, options: Namespace, services: list[Json]) -> int:
    if not services:
        raise missing_argument("SERVICE", "which services to upgrade", "updates apply shop/web")
    changed = []
    for service in services:
        changed.append(session.api.act(service, "upgradeimages"))
        session.report_resource({**service, **changed[-1]}, ": upgrading to the newer image", requested="upgrade")
    if options.wait:
        waiter = session.waiter()
        for each in changed:
            session.report_state(waiter.until_settled(each))
    return ExitCode.OK


PROVIDES = {"updates": CliCommand(_arguments, _updates)}
