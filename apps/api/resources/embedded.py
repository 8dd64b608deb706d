"""Types that only occur inside others or as the input of actions: they have a schema and no rows of their own."""

from __future__ import annotations

from typing import Any, ClassVar

from apps.api.resources.launch import LAUNCH_CONFIG_FIELDS
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.resource import Data, Resource, register_resource
from apps.core.errors import MethodNotAllowed


class EmbeddedResource(Resource):
    """A type without rows: nothing to list, nothing to find, and nothing to make on its own."""

    listable: ClassVar[bool] = False
    sortable: ClassVar[bool] = False

    def __init__(self, name: str, fields: tuple[Field, ...], plural: str = "", base_type: str = "") -> None:
        self.name, self.own_fields, self.plural, self.base_type = name, fields, plural, base_type  # type: ignore[misc]

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:  # noqa: ARG002 - the base's signature
        """There is none."""
        return None

    def create(self, caller: ApiCaller, data: Data) -> Any:  # noqa: ARG002 - the base's signature
        """Refused: it is given as part of something."""
        raise MethodNotAllowed(f"A {self.name} is part of other things; give it there.")


_TABLES = {
    "addOutputsInput": "outputs map[string] c *",
    "addRemoveServiceLinkInput": "serviceLink serviceLink c *",
    "blkioDeviceOption": """
        readBps   int c
        readIops  int c
        weight    int c
        writeBps  int c
        writeIops int c
    """,
    "composeConfig": """
        dockerComposeConfig  string r
        rancherComposeConfig string r
    """,
    "composeConfigInput": "serviceIds array[reference[service]] c",
    "containerExec": """
        attachStdin  boolean       c =true ~
        attachStdout boolean       c =true ~
        command      array[string] c *
        tty          boolean       c =true ~
    """,
    "containerLogs": """
        follow boolean c =true ~
        lines  int     c =100 0..
    """,
    "dockerHealthCheck": """
        test        array[string] c
        interval    int           c
        timeout     int           c
        startPeriod int           c
        retries     int           c
    """,
    "evacuateInput": "stopStandalone boolean c",
    "hostAccess": """
        token string r
        url   string r
    """,
    "instanceHealthCheck": """
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
    """,
    "instanceStop": """
        remove  boolean c ~
        timeout int     c 0..600
    """,
    "logConfig": """
        config map[string] c
        driver string      c
    """,
    "providerTestInput": """
        login    string   c *
        password password c *
    """,
    "publicEndpoint": """
        ipAddress  string              r
        port       int                 r
        hostId     reference[host]     r
        instanceId reference[instance] r
        serviceId  reference[service]  r
    """,
    "recreateOnQuorumStrategyConfig": "quorum int c *",
    "restartPolicy": """
        name              string cu
        maximumRetryCount int    c
    """,
    "serviceLink": """
        name      string             c
        serviceId reference[service] c *
        uuid      string             r
    """,
    "removeImageInput": "image string c * 1..512",
    "setLabelsInput": "labels json c",
    "setProjectMembersInput": "members array[projectMember] c *",
    "setServiceLinksInput": "serviceLinks array[serviceLink] c",
    "statsAccess": """
        token string r
        url   string r
    """,
    "statsHistory": """
        asOf         date   r
        hours        int    r
        points       json   r
        resourceId   string r
        resourceType string r
    """,
    "ulimit": """
        name string c *
        soft int    c *
        hard int    c
    """,
}
_PLURALS = {
    "containerLogs": "containerLogses",
    "hostAccess": "hostAccesses",
    "restartPolicy": "restartPolicys",
    "statsAccess": "statsAccesses",
    "statsHistory": "statsHistories",
}

for _name, _rows in _TABLES.items():
    register_resource(EmbeddedResource(_name, parse_fields(_rows), plural=_PLURALS.get(_name, "")))
register_resource(EmbeddedResource("launchConfig", LAUNCH_CONFIG_FIELDS, base_type="instance"))
register_resource(
    EmbeddedResource(
        "secondaryLaunchConfig", (*parse_fields("name string c *"), *LAUNCH_CONFIG_FIELDS), base_type="instance"
    )
)
