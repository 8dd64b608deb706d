"""What tests of deploy webhooks share."""

from __future__ import annotations

from tests.stacks.webhooks.deploying import web, webhook

__all__ = ["web", "webhook"]
