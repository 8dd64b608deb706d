"""The portal starts without packages that it does not use, and they can still be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.portal_process import ROOT, clean_environment

pytestmark = pytest.mark.faces

CODE = """
import sys
from portal.boot.serve import _load_application
_load_application()
import portal.urls
print(sorted({"psycopg", "requests", "pygments"} & set(sys.modules)))
import requests, pygments, django.contrib.postgres.fields
print(requests.__name__, pygments.__name__, "psycopg" in sys.modules)
"""


def test_unused_packages_are_loaded_only_when_somebody_imports_them(tmp_path: Path) -> None:
    environment = clean_environment(DATA_DIR=str(tmp_path), DJANGO_SETTINGS_MODULE="portal.settings.base")
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["[]", "requests pygments True"], done.stderr
