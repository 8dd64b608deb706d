"""The files in a volume: folders, and downloads. Whoever opens these pages is in the audit log."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from apps.console.request_context import RequestContext, member_required
from apps.console.volumes.volumes import find
from apps.core.errors import Problem
from apps.core.streams import file_response
from apps.volumes.files.entries import Entry
from apps.volumes.files.services import open_download, read_folder
from apps.volumes.models import Volume


@member_required
def folder(ctx: RequestContext, pk: int) -> HttpResponse:
    """What is in a folder of the volume, read from its host now."""
    row = find(ctx, pk)
    ctx.require_permission("browse")
    path = ctx.request.GET.get("path", "")
    context = {"row": row, "path": path, "here": _url(ctx, row), "download": _url(ctx, row, path, "volume-download")}
    try:
        page = read_folder(row, path, actor=ctx.actor)
    except Problem as problem:
        return ctx.render("console/volume_files.html", {**context, "problem": str(problem)}, status=problem.status)
    crumbs = [(part, _url(ctx, row, "/".join(page.parts[: number + 1]))) for number, part in enumerate(page.parts)]
    context |= {
        "crumbs": crumbs,
        "up": _url(ctx, row, "/".join(page.parts[:-1])) if page.parts else "",
        "entries": [_line(ctx, row, page.parts, each) for each in page.listing.entries],
        "is_complete": page.listing.is_complete,
        "file": page.file,
        "total": sum(each.size for each in page.listing.entries),
    }
    return ctx.render("console/volume_files.html", context)


def _url(ctx: RequestContext, row: Volume, path: str = "", name: str = "volume-files") -> str:
    address = ctx.url(name, pk=row.pk)
    return f"{address}?{urlencode({'path': path})}" if path else address


def _line(ctx: RequestContext, row: Volume, parts: tuple[str, ...], entry: Entry) -> dict[str, object]:
    """An entry with where it leads: a folder to its page, a file to its download, a link nowhere."""
    path = "/".join((*parts, entry.name))
    return {
        "entry": entry,
        "url": _url(ctx, row, path) if entry.kind == "folder" else "",
        "download": _url(ctx, row, path, "volume-download") if entry.kind in {"folder", "file"} else "",
        "mode": f"{entry.mode:04o}",
    }


@member_required
def download(ctx: RequestContext, pk: int) -> HttpResponseBase:
    """A file as it is, or a folder as a tar archive."""
    row = find(ctx, pk)
    ctx.require_permission("browse")
    return file_response(ctx.request, open_download(row, ctx.request.GET.get("path", ""), actor=ctx.actor))
