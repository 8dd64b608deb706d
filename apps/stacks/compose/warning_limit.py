"""How many warnings a compose file may cause, and how long each may be; pure."""

from __future__ import annotations

from dataclasses import replace

from apps.core.plurals import counted
from apps.stacks.compose.model import ComposeService, ComposeStack

MAX_WARNINGS = 100
MAX_LENGTH = 300


def limit_warnings(stack: ComposeStack) -> ComposeStack:
    """The same stack with the first hundred warnings, those about the whole file first, and the number of the rest.

    A file of a few kilobytes can cause a hundred thousand of them: every answer that shows them would carry megabytes.
    """
    count = len(stack.warnings) + sum(len(each.warnings) for each in stack.services)
    left = MAX_WARNINGS
    about_file, left = _first(stack.warnings, left)
    services: list[ComposeService] = []
    for service in stack.services:
        shown, left = _first(service.warnings, left)
        services.append(replace(service, warnings=shown))
    if count > MAX_WARNINGS:
        about_file = (*about_file, f"... and {counted(count - MAX_WARNINGS, 'more warning')} not shown.")
    return replace(stack, services=tuple(services), warnings=about_file)


def _first(warnings: tuple[str, ...], left: int) -> tuple[tuple[str, ...], int]:
    """As many as are left, each cut, and how many are left then."""
    shown = tuple(text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…" for text in warnings[:left])
    return shown, left - len(shown)
