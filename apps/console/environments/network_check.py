"""Checking whether the hosts of an environment reach each other: the button, and what the page shows of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, member_required, post_required
from apps.network.check_selectors import CheckView
from apps.network.check_services import network_check
from apps.network.check_verdicts import HostVerdict, PairVerdict

MOST_ROWS, MOST_IN_MATRIX = 100, 50


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A host, and its pair with each host in the same order; None with itself, and where nobody reported."""

    host: HostVerdict
    cells: tuple[PairVerdict | None, ...]


def matrix_of(view: CheckView) -> list[MatrixRow]:
    """Every host against every other; empty for so many that nobody could read it."""
    hosts = [host for host in view.hosts if host.is_reported]
    if len(hosts) > MOST_IN_MATRIX:
        return []
    pairs = {frozenset((pair.first.key, pair.second.key)): pair for pair in view.pairs}
    return [
        MatrixRow(row, tuple(pairs.get(frozenset((row.member.key, column.member.key))) for column in hosts))
        for row in hosts
    ]


@member_required
@post_required
def check(ctx: RequestContext) -> HttpResponse:
    """Have the hosts check each other now."""
    network_check(ctx.env, actor=ctx.actor)
    return ctx.success_response(_("The hosts check each other: this takes up to a minute."))
