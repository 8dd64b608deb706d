"""On PostgreSQL too one host gets an engine, however many add it at once."""

from __future__ import annotations

import json

import pytest

from tests.servers.role_processes import RoleProcesses

pytestmark = pytest.mark.servers

_SCRIPT = """
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from django.db import close_old_connections
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.environments.services import ensure_default_environment
from apps.hosts import services
from apps.hosts.models import Host
from apps.hosts.services import host_create

home = ensure_default_environment()
far = Environment.objects.create(name="Far", desired="active", state="active")
barrier, asked = threading.Barrier(8), threading.local()
real = services.owner_of

def nobody_yet(engine_id):
    if getattr(asked, "before", False):
        return real(engine_id)
    asked.before = True
    barrier.wait(30)

def add(number):
    try:
        return host_create(actor=None, environment=(home, far)[number % 2], url="sim://race").engine_id
    except Invalid as refused:
        return refused.code
    finally:
        close_old_connections()

def learn(key):
    try:
        return reconcile_one("host", key)
    finally:
        close_old_connections()

services.owner_of = nobody_yet
with ThreadPoolExecutor(8) as pool:
    added = list(pool.map(add, range(8)))
late = [
    host_create(actor=None, environment=(home, far)[n % 2], url="sim://late", probe=False).pk for n in range(8)
]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(learn, late))
states = [row.state for row in Host.all_objects.filter(pk__in=late)]
print(json.dumps({"added": sorted(added), "states": sorted(states)}))
"""


def test_one_of_eight_gets_the_engine(roles: RoleProcesses) -> None:
    found = json.loads(roles.manage("shell", "-c", _SCRIPT).splitlines()[-1])
    assert found == {"added": ["NotUnique"] * 7 + ["SIM:race"], "states": ["active"] + ["error"] * 7}
