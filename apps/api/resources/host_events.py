"""`hostEvent` (not in Rancher's v1): the timeline of a host, including what happened while it was out of reach."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Link, Resource
from apps.api.wire.roles import READ_ONLY
from apps.hosts.models import Host, HostEvent
from apps.hosts.selectors import events_within


class HostEventResource(Resource):
    """One event on a host's timeline."""

    name = "hostEvent"
    model = HostEvent
    roles = READ_ONLY
    own_fields = parse_fields("""
        hostId    reference[host] r  <host_id
        at        date            r  <at
        learnedAt date            r  <learned_at
        late      boolean         r  ~
        eventKind string          r  <kind
        action    string          r  <action
        subject   string          r  <subject
        name      string          r  <name
        details   map[json]       r  <details
        sequence  int             r  <seq
    """)
    computed = {"late": lambda context: context.row.is_late}  # no column, so that nothing can be filtered by it
    links = {"host": Link("host", attribute="host_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The events of the hosts that the caller sees, newest first."""
        return events_within(Host.objects.within(caller.environments()).filter(removed=None))
