"""How people log in: by a password kept here, through a directory, or through GitHub."""

from apps.accounts.backends.directory import DirectoryBackend
from apps.accounts.backends.local import LocalBackend

__all__ = ["DirectoryBackend", "LocalBackend"]
