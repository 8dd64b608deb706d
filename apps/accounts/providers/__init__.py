"""How people log in: by a password kept here, through a directory, or through a provider's own pages."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_BACKENDS = {"LocalBackend": "local", "DirectoryBackend": "directory"}


def __getattr__(name: str) -> Any:
    """Django's two login backends, under the path that settings and stored sessions name them by.

    They are loaded on first use: they need the models, and the models need the register of providers in this package.
    """
    if name not in _BACKENDS:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_BACKENDS[name]}"), name)
