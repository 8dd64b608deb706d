"""The fields of a launch configuration, which containers and services share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import RowContext
from apps.containers.launch.config import LaunchConfig

LAUNCH_CONFIG_FIELDS = parse_fields("""
    imageUuid            string                        c
    command              array[string]                 c
    entryPoint           array[string]                 c
    environment          map[string]                   c  ~
    labels               map[string]                   c  ~
    ports                array[string]                 c
    expose               array[string]                 c
    publishAllPorts      boolean                       c  =false ~
    dataVolumes          array[string]                 c
    dataVolumesFrom      array[reference[container]]   c
    dataVolumesFromLaunchConfigs array[string]         c
    dataVolumeMounts     map[reference[volume]]        c
    volumeDriver         string                        c
    tmpfs                map[string]                   c
    networkMode          enum                          c  =managed :none|bridge|host|managed|container
    networkContainerId   reference[container]          c
    networkLaunchConfig  string                        c
    networkIds           array[reference[network]]     c
    requestedIpAddress   string                        c
    instanceLinks        map[reference[instance]]      c
    hostname             string                        c  1..255
    domainName           string                        c
    dns                  array[string]                 c
    dnsSearch            array[string]                 c
    dnsOpt               array[string]                 c
    extraHosts           array[string]                 c
    restartPolicy        restartPolicy                 c
    healthCheck          instanceHealthCheck           c
    dockerHealthCheck    dockerHealthCheck             c
    logConfig            logConfig                     c
    memory               int                           c
    memorySwap           int                           c
    memoryReservation    int                           c
    cpuShares            int                           c
    cpuSet               string                        c
    cpuPeriod            int                           c
    cpuQuota             int                           c
    nanoCpus             int                           c
    pidsLimit            int                           c
    shmSize              int                           c
    blkioWeight          int                           c
    blkioDeviceOptions   map[blkioDeviceOption]        c
    ulimits              array[ulimit]                 c
    sysctls              map[string]                   c
    capAdd               array[enum]                   c
    capDrop              array[enum]                   c
    devices              array[string]                 c
    groupAdd             array[string]                 c
    securityOpt          array[string]                 c
    privileged           boolean                       c  =false ~
    pidMode              enum                          c  :host
    ipcMode              enum                          c  :host|private|shareable|none
    readOnly             boolean                       c  =false ~
    stdinOpen            boolean                       c  =false ~
    tty                  boolean                       c  =false ~
    runInit              boolean                       c
    user                 string                        c  1..255
    workingDir           string                        c  1..4096
    stopSignal           string                        c
    stopTimeout          int                           c
    startOnCreate        boolean                       c  =true ~
    requestedHostId      reference[host]               c
    registryCredentialId reference[registryCredential] c
    build                json                          c
""")


def serialize_launch_config(config: LaunchConfig, *, values: bool) -> dict[str, Any]:
    """A configuration on the wire; the values of environment variables only for those who may see them."""
    found = config.to_wire()
    return found if values else {**found, "environment": None}


def _from_extra(name: str) -> Callable[[RowContext], Any]:
    return lambda context: context.extra["config"].get(name)


def computed_launch_fields() -> Mapping[str, Callable[[RowContext], Any]]:
    """Sources of the launch fields of a row whose extra holds `config`."""
    return {field.name: _from_extra(field.name) for field in LAUNCH_CONFIG_FIELDS}
