"""The launch fields of the network: its mode, names and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.containers.launch import engine_values
from apps.containers.launch.fields.contents import ContentFields
from apps.containers.launch.fields.declaration import (
    ComposeKey,
    FormControl,
    harmless,
    launch_field,
    process,
    ruled,
)
from apps.containers.launch.values import EXTRA_HOST, IDS, check_address, host_name
from apps.core.fields import list_of, mapping, text
from apps.core.texts import gettext_noop as _


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFields(ContentFields):
    """What it is reached by, and whom it reaches."""

    network_mode: str = launch_field(
        "networkMode", "enum", None, "managed",
        options=("none", "bridge", "host", "managed", "container"),
        engine=ruled("NetworkMode", assembled=True, read=engine_values.read_network_mode),
        compose=(ComposeKey("network_mode", "own"), ComposeKey("net", "own", written=False)),
        form=FormControl(
            section="network", kind="choice", label=_("Mode"), options=("bridge", "host", "none"),
            empty_option=_("managed"), row=1,
        ),
        kubernetes="the pod network for managed and bridge, hostNetwork for host; none and container are refused",
        swarm="Networks for managed and bridge, the host network for host; none and container are refused",
    )  # fmt: skip
    network_container_id: str | None = launch_field(
        "networkContainerId", "reference[container]", text(low=1, high=255),
        engine=ruled("NetworkMode", assembled=True, read=engine_values.read_network_container),
        kubernetes="refused: only containers of one pod share a network", swarm="refused: tasks share no network stack",
    )  # fmt: skip
    network_launch_config: str | None = launch_field(
        "networkLaunchConfig", "string", text(low=1, high=63),
        kubernetes="another container of the same pod", swarm="refused: a task has one container",
    )  # fmt: skip
    network_ids: tuple[str, ...] = launch_field(
        "networkIds", "array[reference[network]]", IDS, (),
        kubernetes="refused: a pod has the network of its cluster", swarm="Networks",
    )  # fmt: skip
    requested_ip_address: str | None = launch_field(
        "requestedIpAddress", "string", check_address,
        form=FormControl(
            section="network", kind="text", label=_("Requested address"), placeholder="10.42.9.10", row=1, column=3,
        ),
        kubernetes="refused: the cluster gives addresses", swarm="refused: the cluster gives addresses",
    )  # fmt: skip
    instance_links: Mapping[str, str] = launch_field(
        "instanceLinks", "map[reference[instance]]", mapping(text(high=255), host_name(63)), {},
        engine=harmless("Links", assembled=True, network_own=True),
        inspect=lambda _seen: None,  # names of the engine, which are not v1's ids
        kubernetes="refused: link to a service, which has a name in DNS",
        swarm="refused: link to a service, which has a name in DNS",
    )  # fmt: skip
    hostname: str | None = launch_field(
        "hostname", "string", host_name(63),
        bounds=(1, 255),
        engine=process("Hostname", assembled=True),
        inspect=engine_values.read_hostname,
        compose="hostname",
        form=FormControl(section="network", kind="text", label=_("Host name"), row=1, column=1),
        kubernetes="hostname", swarm="ContainerSpec.Hostname",
    )  # fmt: skip
    domain_name: str | None = launch_field(
        "domainName", "string", host_name(255),
        engine=process("Domainname", network_own=True),
        compose="domainname",
        form=FormControl(
            section="network", kind="text", label=_("Domain name"), placeholder="example.com", row=1, column=2
        ),
        kubernetes="refused: the domain of a pod is that of its Service", swarm="refused: swarm has no such field",
    )  # fmt: skip
    dns: tuple[str, ...] = launch_field(
        "dns", "array[string]", list_of(check_address), (),
        engine=harmless("Dns", write=list, network_own=True),
        compose="dns",
        form=FormControl(section="network", kind="list", label=_("DNS servers"), placeholder="10.0.0.2", area=2, row=2),
        kubernetes="dnsConfig.nameservers", swarm="ContainerSpec.DNSConfig.Nameservers",
    )  # fmt: skip
    dns_search: tuple[str, ...] = launch_field(
        "dnsSearch", "array[string]", list_of(text(low=1, high=255, pattern=r"[A-Za-z0-9_.-]+")), (),
        engine=harmless("DnsSearch", write=list, network_own=True),
        compose="dns_search",
        form=FormControl(
            section="network", kind="list", label=_("DNS search"), placeholder="example.com", area=2, row=2
        ),
        kubernetes="dnsConfig.searches", swarm="ContainerSpec.DNSConfig.Search",
    )  # fmt: skip
    dns_options: tuple[str, ...] = launch_field(
        "dnsOpt", "array[string]", list_of(text(high=255)), (),
        engine=harmless("DnsOptions", write=list, network_own=True),
        compose="dns_opt",
        kubernetes="dnsConfig.options", swarm="ContainerSpec.DNSConfig.Options",
    )  # fmt: skip
    extra_hosts: tuple[str, ...] = launch_field(
        "extraHosts", "array[string]", list_of(EXTRA_HOST), (),
        engine=harmless("ExtraHosts", write=list, network_own=True),
        compose=ComposeKey("extra_hosts", "own"),
        form=FormControl(
            section="network", kind="list", label=_("Extra hosts"), placeholder="db:10.0.0.9", area=2, row=2
        ),
        kubernetes="hostAliases; host-gateway is refused", swarm="ContainerSpec.Hosts",
    )  # fmt: skip
