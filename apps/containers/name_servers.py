"""Containers in their host's network that are to be told names by the agent, as those of the managed network are."""

from __future__ import annotations

from dataclasses import replace

from apps.containers.launch.config import LaunchConfig
from apps.containers.managed_network import DNS_LABEL, NAME_SERVER, search_domains
from apps.containers.models import Container
from apps.network.models import HostNetwork


def with_name_server(row: Container) -> LaunchConfig:
    """The row's configuration, with the agent as its first name server where its label says so.

    On a host without a working managed network there may be no agent that answers, and it keeps the host's servers.
    """
    config = row.config
    is_labelled = str(config.labels.get(DNS_LABEL, "")).strip().lower() == "true"
    if config.network_mode != "host" or not is_labelled:
        return config
    part = HostNetwork.objects.filter(pk=row.host_id).first()
    if part is None or not part.is_active:
        return config
    return replace(config, dns=(NAME_SERVER, *config.dns), dns_search=(*search_domains(row.tags), *config.dns_search))
