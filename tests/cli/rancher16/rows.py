"""What the recorded server has: two environments, one of them of Rancher's own scheduler, with everything in it."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

SHOP = """
version: '2'
services:
  web:
    image: nginx:1.10
    links: [db:database]
    labels:
      io.rancher.sidekicks: logs
      io.rancher.container.pull_image: always
      io.rancher.scheduler.affinity:host_label: zone=a
  logs:
    image: fluentd:1
    network_mode: container:web
    volumes_from: [web]
  db:
    image: postgres:9.6
    volumes: [shop-data:/var/lib/postgresql/data]
    environment:
      POSTGRES_PASSWORD: swordfish
  lb:
    image: rancher/lb-service-haproxy:v0.7.15
    ports: [80:80/tcp]
"""
SHOP_RANCHER = """
version: '2'
services:
  web:
    scale: 3
    start_on_create: true
    health_check:
      port: 80
      interval: 2000
      request_line: GET / HTTP/1.0
      healthy_threshold: 2
      unhealthy_threshold: 3
      response_timeout: 2000
  db: {scale: 1, start_on_create: true}
  lb:
    scale: 1
    start_on_create: true
    lb_config:
      port_rules:
      - {source_port: 80, protocol: http, service: web, target_port: 80, priority: 1}
    health_check:
      port: 42
      interval: 2000
      healthy_threshold: 2
      unhealthy_threshold: 3
      response_timeout: 2000
"""
EDGE = """
version: '2'
services:
  proxy:
    image: nginx:1.10
    external_links: [shop/web:web]
"""
MAIL = """
version: '2'
services:
  smtp:
    image: rancher/external-service
  mx:
    image: rancher/dns-service
    links: [smtp]
"""
MAIL_RANCHER = "version: '2'\nservices:\n  smtp: {external_ips: [192.0.2.25]}\n  mx: {}\n"
MONITOR = """
version: '2'
services:
  agent:
    image: telegraf:1.2
    labels: {io.rancher.scheduler.global: 'true'}
"""
FINDER = """
version: '2'
services:
  all:
    image: rancher/none
    labels: {io.rancher.service.selector.container: 'tier=front'}
"""
SECURE = """
version: '2'
services:
  tls:
    image: rancher/lb-service-haproxy:v0.7.15
    ports: [443:443/tcp]
"""
SECURE_RANCHER = """
version: '2'
services:
  tls:
    lb_config:
      default_cert: shop.example
      port_rules:
      - {source_port: 443, protocol: https, service: shop/web, target_port: 80}
"""


def simple(image: str, name: str = "app", more: str = "") -> str:
    return f"version: '2'\nservices:\n  {name}:\n    image: {image}\n{more}"


def _stack(number: int, name: str, **more: Any) -> Row:
    return {"id": f"1st{number}", "type": "stack", "name": name, "uuid": _uuid(number), "state": "active", **more}


def _service(number: int, stack: int, name: str, **more: Any) -> Row:
    row = {
        "id": f"1s{number}",
        "type": "service",
        "name": name,
        "stackId": f"1st{stack}",
        "state": "active",
        "scale": 1,
    }
    return {**row, **more}


def _uuid(number: int) -> str:
    return f"7f3b0000-1111-4222-8333-{number:012d}"


PROJECTS: list[Row] = [
    {
        "id": "1a5",
        "type": "project",
        "name": "Default",
        "description": "what runs",
        "state": "active",
        "orchestration": "cattle",
    },
    {"id": "1a9", "type": "project", "name": "Cluster", "state": "active", "orchestration": "kubernetes"},
]

STACKS: list[Row] = [
    _stack(1, "ipsec", system=True, externalId="catalog://library:infra*ipsec:15"),
    _stack(2, "healthcheck", system=True, externalId="catalog://library:infra*healthcheck:6"),
    _stack(3, "network-services", system=True, externalId="catalog://library:infra*network-services:18"),
    _stack(4, "scheduler", system=True, externalId="catalog://library:infra*scheduler:7"),
    _stack(5, "edge", description="in front"),
    _stack(6, "shop"),
    _stack(7, "mail"),
    _stack(8, "monitor"),
    _stack(9, "finder"),
    _stack(10, "secure"),
    _stack(11, "blog", externalId="catalog://community:ghost:3"),
    _stack(12, "payments"),
    _stack(13, "broken"),
    _stack(14, "empty"),
    _stack(15, "gone", state="removed", removed="2017-06-01T10:00:00Z"),
]

SERVICES: list[Row] = [
    _service(1, 1, "ipsec"),
    _service(2, 5, "proxy"),
    _service(3, 6, "web", scale=3),
    _service(4, 6, "db"),
    _service(5, 6, "lb", type="loadBalancerService"),
    _service(6, 7, "smtp", type="externalService"),
    _service(7, 7, "mx", type="dnsService"),
    _service(8, 8, "agent", scale=2),
    _service(9, 9, "all", launchConfig={"imageUuid": "docker:rancher/none"}),
    _service(10, 10, "tls", type="loadBalancerService"),
    _service(11, 11, "app", state="inactive"),
    _service(12, 12, "app", state="upgraded"),
    _service(13, 13, "app"),
]

EXPORTS: dict[str, tuple[str, str]] = {
    "1st5": (EDGE, ""),
    "1st6": (SHOP, SHOP_RANCHER),
    "1st7": (MAIL, MAIL_RANCHER),
    "1st8": (MONITOR, ""),
    "1st9": (FINDER, ""),
    "1st10": (SECURE, SECURE_RANCHER),
    "1st11": (simple("ghost:0.11"), ""),
    "1st12": (simple("pay:2"), ""),
    "1st13": (simple("tool:1", more="    privileged: true\n"), ""),
}

HOSTS: list[Row] = [
    {
        "id": "1h1",
        "type": "host",
        "hostname": "lab-1",
        "state": "active",
        "labels": {"zone": "a", "io.rancher.host.docker_version": "17.03"},
    },
    {"id": "1h2", "type": "host", "hostname": "node-2", "state": "active", "labels": {}},
]

ROWS: dict[str, list[Row]] = {
    "stacks": STACKS,
    "services": SERVICES,
    "hosts": HOSTS,
    "projectmembers": [
        {
            "id": "1pm1",
            "type": "projectMember",
            "externalId": "octo",
            "externalIdType": "github_user",
            "role": "owner",
            "name": "octo",
        }
    ],
    "registries": [{"id": "1sp1", "type": "registry", "serverAddress": "registry.example", "state": "active"}],
    "registrycredentials": [
        {"id": "1c1", "type": "registryCredential", "registryId": "1sp1", "publicValue": "robot", "secretValue": None}
    ],
    "certificates": [
        {
            "id": "1c2",
            "type": "certificate",
            "name": "shop.example",
            "CN": "shop.example",
            "expiresAt": "Thu Jun 01 10:00:00 UTC 2018",
            "key": None,
        }
    ],
    "containers": [
        {"id": "1i1", "type": "container", "name": "shop-web-1", "serviceIds": ["1s3"]},
        {"id": "1i2", "type": "container", "name": "by-hand", "serviceIds": None},
    ],
    "volumes": [
        {"id": "1v1", "type": "volume", "name": "shop-data", "driver": "local", "isHostPath": False},
        {"id": "1v2", "type": "volume", "name": "/etc/hosts", "driver": "local", "isHostPath": True},
        {"id": "1v3", "type": "volume", "name": "0" * 64, "driver": "local", "isHostPath": False},
    ],
    "secrets": [{"id": "1se1", "type": "secret", "name": "db-password"}],
    "apikeys": [{"id": "1c3", "type": "apiKey", "name": "ci", "publicValue": "0A1B2C3D"}],
}

SETTINGS: list[Row] = [
    {"id": "1as!api.host", "name": "api.host", "value": "http://old.example"},
    {
        "id": "1as!catalog.url",
        "name": "catalog.url",
        "value": (
            '{"catalogs":{"library":{"url":"https://git.example/library.git","branch":"v1.6"},'
            '"ours":{"url":"https://me:hunter2@git.example/ours.git","branch":"master"}}}'
        ),
    },
]
