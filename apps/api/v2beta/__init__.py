"""What is different in v2-beta, the dialect of Rancher's later clients, one module per noun.

Each type registers when its module is imported, which this package does; all others are v1's.
"""

from __future__ import annotations

import importlib
import pkgutil

from apps.api import resources  # noqa: F401 - what these types are derived from


def import_types() -> None:
    """Import every module in this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


import_types()
