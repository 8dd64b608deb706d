"""How people log in: by a password kept here, through a directory, or through GitHub."""

from apps.accounts.providers.directory import DirectoryBackend
from apps.accounts.providers.local import LocalBackend

__all__ = ["DirectoryBackend", "LocalBackend"]
