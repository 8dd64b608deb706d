"""Compose files: docker-compose (v1, v2, v3) and rancher-compose, read into values and written from them; pure."""

from __future__ import annotations

from apps.stacks.compose.exporter import export
from apps.stacks.compose.model import ComposeService, ComposeStack
from apps.stacks.compose.parser import parse

__all__ = ["ComposeService", "ComposeStack", "export", "parse"]
