"""A stack of two services, as it is deployed in several environments with different versions."""

from __future__ import annotations

from typing import Any

from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.services import stack_create

FILE = "web:\n  image: {image}\ndb:\n  image: postgres:16\n"


def deploy(actor: Any, environment: Environment, image: str, name: str = "shop") -> Stack:
    """Make the stack; its services start as soon as the loop runs."""
    return stack_create(
        actor=actor, environment=environment, name=name, docker_compose=FILE.format(image=image), start_on_create=True
    )
