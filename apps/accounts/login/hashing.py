"""Password hashes that only a few may compute at once: each takes 100 MB and a good part of a processor."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher
from django.utils.translation import gettext as _

from apps.core.errors import Busy

AT_ONCE = max(1, min(4, (os.cpu_count() or 1) // 2))
MAX_WAITING = 16
MAX_WAIT_SECONDS = 10.0
RETRY_SECONDS = 5


class HashingQueue:
    """At most `at_once` hash, at most `max_waiting` wait for them; whoever comes beyond that is told to come back."""

    def __init__(self, at_once: int, max_waiting: int, max_wait: float) -> None:
        self._slots = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + max_waiting)
        self._max_wait = max_wait

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Enter this around a hash. Raises `Busy` when the queue is full, or does not move."""
        if not self._places.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._slots.acquire(timeout=self._max_wait):
                raise self._refusal()
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._places.release()

    @staticmethod
    def _refusal() -> Busy:
        return Busy(_("Too many passwords are being checked right now; try again shortly."), retry_after=RETRY_SECONDS)


queue = HashingQueue(AT_ONCE, MAX_WAITING, MAX_WAIT_SECONDS)


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Django's Argon2, in the queue."""

    def encode(self, password: str, salt: str) -> str:
        """The hash of a password."""
        with queue.slot():
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Whether this is the password."""
        with queue.slot():
            return bool(super().verify(password, encoded))


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's PBKDF2, for hashes that were brought along, in the queue."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """The hash of a password, which `verify` computes as well."""
        with queue.slot():
            return str(super().encode(password, salt, iterations))
