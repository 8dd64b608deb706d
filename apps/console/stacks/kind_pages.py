"""The page of a service without containers of its own: where it leads, and what its selector found."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext_lazy

from apps.console.request_context import RequestContext
from apps.containers.models import Container
from apps.stacks.external_checks import address_states
from apps.stacks.models import Service, ServiceLink
from apps.stacks.names.values import service_fqdn
from apps.stacks.service_options import ALIAS, BALANCER, EXTERNAL, SERVICE

MAX_MEMBERS = 100
KIND_LABELS = {
    SERVICE: gettext_lazy("Selected containers"),
    EXTERNAL: gettext_lazy("External service"),
    ALIAS: gettext_lazy("Service alias"),
    BALANCER: gettext_lazy("Balancer"),
}


def detail(ctx: RequestContext, row: Service) -> HttpResponse:
    """Where the service leads, its links and members."""
    links = ServiceLink.objects.filter(Q(service=row) | Q(target=row)).select_related("service__stack", "target__stack")
    members = Container.objects.within([ctx.env.pk]).filter(memberships__service=row, removed=None)
    members = members.select_related("host").defer("spec", "placement", "host__tls", "host__info")
    context = {
        "row": row,
        "fqdn": service_fqdn(row.name, row.stack.name),
        "kind": KIND_LABELS[row.kind],
        "external": row.options.external,
        "checked": address_states(row) if row.options.external.health_check else [],
        "links": list(links),
        "members": list(members.order_by("name")[:MAX_MEMBERS]),
        "config": row.config,
    }
    return ctx.render("console/service_without_containers.html", context)
