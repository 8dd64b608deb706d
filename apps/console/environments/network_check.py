"""Checking whether the hosts of an environment reach each other: the button, and what the page shows of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.errors import Invalid
from apps.core.ids import parse_key
from apps.hosts.models import Host
from apps.network.check_selectors import CheckView
from apps.network.check_services import MEASURED_FIELD, network_check
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
    """Have the hosts check each other now, and two of them measure what passes between them where that is wanted."""
    network_check(ctx.env, actor=ctx.actor, measured=_chosen_hosts(ctx))
    return ctx.success_response(_("The hosts check each other: this takes up to a minute."))


def _chosen_hosts(ctx: RequestContext) -> list[Host]:
    """The two hosts of the form for the throughput; none when the other button was pressed. Raises `Invalid`."""
    sent = ctx.request.POST
    if "from" not in sent and "to" not in sent:
        return []
    keys = [parse_key(sent.get(name, "")) or 0 for name in ("from", "to")]
    known = Host.objects.within([ctx.env.pk]).filter(removed=None).in_bulk(keys)
    found = [known.get(key) for key in keys]
    if None in found:
        raise Invalid(MEASURED_FIELD, "InvalidReference", _("Choose two hosts."))
    return [each for each in found if each is not None]
