"""Settings of the benchmark of catalogs: those of a portal, which reads repositories of this machine, too."""

from __future__ import annotations

from portal.settings.base import *  # noqa: F403

CATALOG_LOCAL_REPOSITORIES = True
