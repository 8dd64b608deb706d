"""Counts with their nouns: "1 host", "2 hosts"."""

from __future__ import annotations

from django.utils.translation import ngettext


def counted(kind: str, count: int) -> str:
    """How many hosts, stacks, services or containers."""
    texts = {
        "host": ngettext("%(count)d host", "%(count)d hosts", count),
        "stack": ngettext("%(count)d stack", "%(count)d stacks", count),
        "service": ngettext("%(count)d service", "%(count)d services", count),
        "container": ngettext("%(count)d container", "%(count)d containers", count),
        "certificate": ngettext("%(count)d certificate", "%(count)d certificates", count),
    }
    return texts[kind] % {"count": count}
