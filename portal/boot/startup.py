"""What the portal does once at its start, between the migrations and the first request."""

from __future__ import annotations

import logging

from portal.boot.terminal import say

log = logging.getLogger(__name__)


def prepare() -> None:
    """Create what must exist before the first request, and release the leases of a portal that was killed.

    Only the embedded portal calls this: it is the only process, so every lease belongs to one that is gone.
    """
    from apps.accounts.login.open_mode import WARNING, open_mode_enabled
    from apps.accounts.selectors import is_set_up
    from apps.console.login.setup import setup_link_create
    from apps.control.reconcile import release_all_leases
    from apps.environments.services import ensure_default_environment
    from apps.environments.services.permissions import permissions_sync
    from apps.hosts.watch import release_all_streams

    permissions_sync()  # `migrate` does it, but a new permission brings no migration, and a new database needs none
    release_all_leases()
    release_all_streams()
    ensure_default_environment()
    if open_mode_enabled():
        say(WARNING)
    if not is_set_up():
        say(f"Set up the first administrator: {base_url()}/setup/{setup_link_create()}")


def base_url() -> str:
    """Where people on this machine reach the portal."""
    from portal.settings.env import env

    return f"http://localhost:{env('PORT', '8080')}"


def add_local_engine(url: str) -> None:
    """A local engine answers on `url`: it becomes a host of the environment "Default", once."""
    from django.db import close_old_connections

    from apps.core.errors import Problem
    from apps.core.models import Setting
    from apps.environments.services import ensure_default_environment
    from apps.hosts.services import host_create

    try:
        offered, is_new = Setting.objects.get_or_create(name="local.engine.offered", defaults={"value": url})
        if is_new or offered.value != url:
            offered.value = url
            offered.save()
            host = host_create(actor=None, environment=ensure_default_environment(), url=url)
            say(f"The local Docker engine ({url}) is now the host {host.name} of the environment Default.")
    except Problem as problem:
        log.warning("The local engine was not added: %s", problem.message)
    finally:
        close_old_connections()
