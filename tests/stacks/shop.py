"""The compose files of a stack of three services before and after an upgrade, and what runs of it."""

from __future__ import annotations

from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.stacks.models import ServiceLink
from apps.stacks.stack_draft import StackFiles

BEFORE = """
web: {image: 'bb:local', links: ['db:store']}
db: {image: 'bb:local'}
old: {image: 'bb:local'}
"""
RANCHER = "web: {scale: 2, upgrade_strategy: {batch_size: 2, interval_millis: 100}}\n"
AFTER = """
web: {image: 'bb:new', links: ['cache:store']}
db: {image: 'bb:local'}
cache: {image: 'bb:local'}
"""
AFTER_RANCHER = RANCHER + "db: {scale: 2}\n"


def config(image: str) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})


def files(**more: Any) -> StackFiles:
    return StackFiles(**{"docker_compose": AFTER, "rancher_compose": AFTER_RANCHER, **more})


def images() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in Container.all_objects.filter(display_state="running").order_by("name"):
        found.setdefault(each.name.split("_")[1], []).append(each.image)
    return found


def links() -> dict[str, str]:
    return {f"{each.service.name}:{each.name}": each.target.name for each in ServiceLink.objects.all()}


OLD = {"web": ["bb:local"] * 2, "db": ["bb:local"], "old": ["bb:local"]}
NEW = {"web": ["bb:new"] * 2, "db": ["bb:local"] * 2, "cache": ["bb:local"]}
