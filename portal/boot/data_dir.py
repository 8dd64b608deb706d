"""The data folder: made private, and held by one portal at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TextIO

from portal.boot.terminal import CannotStart

# The kernel's limit for a unix socket's path is 108 bytes; the longest name we put there is "valkey.sock".
_MAX_SOCKET_DIR_LENGTH = 90


def open_data_dir() -> Path:
    """The data folder named by DATA_DIR (else ./data beside the code), made with mode 700 where it is missing."""
    here = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("DATA_DIR", "").strip() or here / "data").expanduser().resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise CannotStart(f"The data folder {folder} cannot be used ({error.strerror}); set DATA_DIR.") from error
    os.environ["DATA_DIR"] = str(folder)
    return folder


def open_run_dir(data_dir: Path) -> Path:
    """The folder for sockets: RUN_DIR, else the data folder, else (its path is too long) a private one beside /tmp."""
    folder = Path(os.environ.get("RUN_DIR", "").strip() or data_dir).expanduser().resolve()
    if len(os.fsencode(folder)) > _MAX_SOCKET_DIR_LENGTH:
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"corral-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise CannotStart(f"The folder {folder} belongs to another user; set RUN_DIR to a short path of your own.")
    os.environ["RUN_DIR"] = str(folder)
    return folder


def lock_data_dir(data_dir: Path) -> TextIO:
    """Lock the folder for this process; the kernel releases the lock however the process ends."""
    lock = (data_dir / "portal.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise CannotStart(
            f"Another portal (process {holder}) runs on {data_dir}; stop it, or set DATA_DIR to another folder.",
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
