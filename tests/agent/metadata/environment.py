"""A small environment, as a document of metadata has it: a shop with a sidekick, and a container without a service."""

from __future__ import annotations

from typing import Any

WEB, CACHE, ALONE = "10.42.4.1", "10.42.4.2", "10.42.4.3"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "revision": "r1",
    "self_host": "h-1",
    "networks": [],
    "stacks": [{"name": "Shop", "uuid": "s-1", "environment_name": "Default", "system": False}],
    "services": [
        {
            "name": "Web", "uuid": "v-1", "stack_uuid": "s-1", "stack_name": "Shop", "primary_service_name": "Web",
            "kind": "service", "scale": 2, "containers": ["c-1"], "sidekicks": ["Cache"], "links": {"Db": "d/db"},
            "metadata": {"Key With Space": {"list": [1, 2.5, True, None], "ratio": 0.1}}, "labels": {"a/b": "x"},
            "ports": ["80:8080/tcp"],
        },
        {
            "name": "Cache", "uuid": "v-1", "stack_uuid": "s-1", "stack_name": "Shop", "primary_service_name": "Web",
            "kind": "service", "scale": 2, "containers": ["c-2"],
        },
    ],
    "containers": [
        {
            "name": "Shop_Web_1", "uuid": "c-1", "primary_ip": WEB, "host_uuid": "h-1", "host_ip": "192.0.2.7",
            "service_uuid": "v-1", "service_name": "Web", "stack_uuid": "s-1", "stack_name": "Shop",
            "ports": ["80:8080/tcp", "0.0.0.0:81:81/tcp", "192.0.2.9:82:82/tcp"], "ips": [WEB], "create_index": 1,
        },
        {
            "name": "Shop_Web_Cache_1", "uuid": "c-2", "primary_ip": CACHE, "host_uuid": "h-1", "service_uuid": "v-1",
            "service_name": "Cache", "stack_uuid": "s-1", "stack_name": "Shop",
        },
        {"name": "alone", "uuid": "c-3", "primary_ip": ALONE, "host_uuid": "h-2", "service_name": None},
    ],
    "hosts": [{"name": "one", "uuid": "h-1"}, {"name": "two", "uuid": "h-2"}],
}  # fmt: skip
