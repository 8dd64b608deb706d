"""The types that a launch configuration is made of, and `launchConfig` itself."""

from __future__ import annotations

from apps.api.resources.launch import LAUNCH_CONFIG_FIELDS
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import OPERATOR_INPUT, USER_INPUT, TypeRoles


class BlkioDeviceOptionResource(EmbeddedResource):
    """Limits for reading from and writing to one block device."""

    name = "blkioDeviceOption"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        readBps   int c
        readIops  int c
        weight    int c
        writeBps  int c
        writeIops int c
    """)


class DockerHealthCheckResource(EmbeddedResource):
    """A health check that the engine runs in the container; not in Rancher's v1."""

    name = "dockerHealthCheck"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        test        array[string] c
        interval    int           c
        timeout     int           c
        startPeriod int           c
        retries     int           c
    """)


class InstanceHealthCheckResource(EmbeddedResource):
    """A health check that is made over the network."""

    name = "instanceHealthCheck"
    roles = USER_INPUT
    own_fields = parse_fields("""
        port                           int    c * 1..65535
        requestLine                    string c
        interval                       int    c
        responseTimeout                int    c
        healthyThreshold               int    c
        unhealthyThreshold             int    c
        initializingTimeout            int    c
        reinitializingTimeout          int    c
        strategy                       enum   c =recreate :none|recreate|recreateOnQuorum
        recreateOnQuorumStrategyConfig recreateOnQuorumStrategyConfig c
    """)


class RecreateOnQuorumStrategyConfigResource(EmbeddedResource):
    """How many healthy containers are left before unhealthy ones are recreated."""

    name = "recreateOnQuorumStrategyConfig"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("quorum int c *")


class LogConfigResource(EmbeddedResource):
    """An engine's log driver and its options."""

    name = "logConfig"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        config map[string] c
        driver string      c
    """)


class RestartPolicyResource(EmbeddedResource):
    """When the engine restarts a container."""

    name = "restartPolicy"
    plural = "restartPolicys"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        name              string cu
        maximumRetryCount int    c
    """)


class UlimitResource(EmbeddedResource):
    """A resource limit of a container's processes."""

    name = "ulimit"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        name string c *
        soft int    c *
        hard int    c
    """)


class LaunchConfigResource(EmbeddedResource):
    """How the containers of a service are made."""

    name = "launchConfig"
    base_type = "instance"
    roles = TypeRoles(user="cru", admin="cru", environment={"view": "r", "operate": "cu"})
    own_fields = LAUNCH_CONFIG_FIELDS


class SecondaryLaunchConfigResource(EmbeddedResource):
    """How the sidekicks of a service are made."""

    name = "secondaryLaunchConfig"
    base_type = "instance"
    roles = TypeRoles(user="cr", admin="cr", environment={"view": "r", "operate": "cu"})
    own_fields = (*parse_fields("name string c *"), *LAUNCH_CONFIG_FIELDS)
