"""The forms that add a certificate by pasting, from files or from an authority, and that renew one."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.certificates.certificates import find
from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext, member_required
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.vault.acme.services import certificate_order
from apps.vault.models import Certificate
from apps.vault.pem import MAX_TEXT
from apps.vault.services import certificate_create, certificate_update

_FIELDS = frozenset({"name", "description", "cert", "certChain", "key"})
_LABELS = {"cert": gettext_lazy("Certificate"), "cert_chain": gettext_lazy("Chain")}


@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a certificate."""
    ctx.require_permission("operate")
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        try:
            row = _create(ctx)
            message = _("Certificate %(name)s was added.") % {"name": row.name}
            return ctx.success_response(message, buttons.row_url(row, ""))
        except Invalid as problem:
            errors = {_error_field(problem): problem.message}
    context = {"values": ctx.request.POST, "errors": errors}
    return ctx.render("console/certificate_new.html", context, status=422 if errors else 200)


def _create(ctx: RequestContext) -> Certificate:
    values = ctx.request.POST
    return certificate_create(
        actor=ctx.actor,
        environment=ctx.env,
        name=values.get("name", ""),
        description=values.get("description", "").strip(),
        cert=_submitted(ctx, "cert"),
        key=_submitted(ctx, "key"),
        cert_chain=_submitted(ctx, "certChain"),
    )


@member_required
def order(ctx: RequestContext) -> HttpResponse:
    """Have an authority issue one."""
    ctx.require_permission("operate")
    errors: dict[str, str] = {}
    values = ctx.request.POST
    if ctx.request.method == "POST":
        try:
            row = certificate_order(
                actor=ctx.actor,
                environment=ctx.env,
                names=values.get("names", "").replace(",", " ").split(),
                name=values.get("name", ""),
                email=values.get("email", ""),
                description=values.get("description", "").strip(),
            )
            message = _("Certificate %(name)s is ordered.") % {"name": row.name}
            return ctx.success_response(message, buttons.row_url(row, ""))
        except Invalid as problem:
            errors = {str(problem.field or "names"): problem.message}
    context = {
        "values": values,
        "errors": errors,
        "directory": setting("acme.directory"),
        "address": setting("api.host"),
    }
    return ctx.render("console/certificate_order.html", context, status=422 if errors else 200)


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Rename or renew a certificate; an empty key keeps the one that is there."""
    row = find(ctx, pk)
    ctx.require_permission("operate")
    current = {"name": row.name, "description": row.description, "cert": row.cert, "cert_chain": row.cert_chain}

    def parse() -> dict[str, Any]:
        key = _submitted(ctx, "key")
        texts = {name: ctx.request.POST.get(name, "").strip() for name in ("name", "description")}
        if row.acme:  # the form has no fields for the rest
            return texts
        texts |= {"cert": _submitted(ctx, "cert"), "cert_chain": _submitted(ctx, "certChain")}
        return {**texts, "key": key} if key else texts

    edit = Edit(ctx, current, row, labels=_LABELS)

    def context() -> dict[str, Any]:
        is_typed = edit.is_typed("cert_chain")
        return {"chain": ctx.request.POST.get("certChain", "") if is_typed else row.cert_chain}

    save = partial(certificate_update, row, actor=ctx.actor)
    return handle_edit(edit, parse=parse, save=save, template="console/certificate_edit.html", context=context)


def _error_field(problem: Invalid) -> str:
    name = str(problem.field or "")
    return name if name in _FIELDS else "name"


def _submitted(ctx: RequestContext, name: str) -> str:
    """The pasted text, or else the content of the chosen file, with line breaks as they are stored."""
    pasted = ctx.request.POST.get(name, "").replace("\r\n", "\n").strip()
    upload = ctx.request.FILES.get(f"{name}File")
    if not pasted and isinstance(upload, UploadedFile):
        pasted = _text_of(name, upload).replace("\r\n", "\n").strip()
    return f"{pasted}\n" if pasted else ""


def _text_of(name: str, upload: UploadedFile) -> str:
    try:
        return bytes(upload.read(MAX_TEXT + 1)).decode()
    except UnicodeDecodeError:
        raise Invalid(
            name,
            "InvalidFormat",
            _("This file is not text. Convert it first: openssl x509 -inform der -in file -out cert.pem"),
        ) from None
