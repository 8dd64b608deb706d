"""Loads REST framework without the optional packages that it would import only to learn whether they are there."""

from __future__ import annotations

import sys
from importlib import import_module

# `rest_framework.compat` tries each of them. The PostgreSQL fields bring psycopg, also where SQLite is used; `requests`
# and `pygments` serve its test client and its own documentation pages. Together they were a fifth of the processor time
# of a start, and 11 MB.
_UNUSED = ("django.contrib.postgres", "requests", "pygments")


def load_rest_framework() -> None:
    """Import `rest_framework.compat` as if the unused packages were missing; others may import them afterwards."""
    missing = [name for name in _UNUSED if name not in sys.modules]
    for name in missing:
        sys.modules[name] = None  # type: ignore[assignment]  # what makes Python raise ImportError
    try:
        import_module("rest_framework.compat")
    finally:
        for name in missing:
            del sys.modules[name]
