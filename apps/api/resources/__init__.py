"""The v1 types, one module per noun: each type registers when its module is imported, which this package does."""

from __future__ import annotations

import importlib
import pkgutil


def import_types() -> None:
    """Import every module in this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


import_types()
