"""Settings of the test suite: a throw-away data folder, fast hashing, an in-memory channel layer, nothing outside."""

from __future__ import annotations

import os
import tempfile

if "DATA_DIR" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="corral-test-")  # taken away when the tests end
    os.environ["DATA_DIR"] = _folder.name

from portal.settings.base import *  # noqa: F403
from portal.settings.base import DATA_DIR, DATABASES, REST_FRAMEWORK

DATABASES["default"].setdefault("TEST", {})
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_BROKER_URL = "memory://"
WAKE_BY = "clock"
CATALOG_LIBRARY = False  # read anew by every test otherwise; those of the library make its row themselves
CATALOG_LOCAL_REPOSITORIES = True
MIN_READY_SECONDS = 0  # but in the tests of just that, whose clock is moved
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["account"] = None  # tests of one account ask more than any person
