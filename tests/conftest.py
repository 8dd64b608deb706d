"""What every test may ask for: people, their environment, and actors made at a door."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings

from apps.accounts.models import User
from apps.accounts.services import account_create
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine as simulated_engines
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import Actor, actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.engine import PrivateEngine, start, stop
from tests.fleet import fleet as fleets
from tests.fleet.fleet import Fleet
from tests.fleet.registry import Registry
from tests.fleet.registry import registry as start_registry
from tests.fleet.sshd import Sshd
from tests.fleet.sshd import sshd as start_sshd

# A busy machine is no failure, and where changes are judged the same examples are tried every time.
SLOW_MACHINE = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "corral",
    deadline=None,
    database=None,
    max_examples=25,
    suppress_health_check=SLOW_MACHINE,
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("corral")

PASSWORD = "correct horse battery staple"
ROLE_OF = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}

Rows = list[tuple[str, list[tuple[Any, ...]]]]

# What goes through a whole face or plays whole histories: many steps for each assertion, a good deal slower.
TESTS_DIR = Path(__file__).parent
PROVIDER_PAGE_TESTS = {f"accounts/test_{name}.py" for name in ("ldap_console", "provider_pages", "github_login")}
HISTORY_TESTS = {
    *(f"containers/test_{name}.py" for name in ("container_life", "image_copies", "pull_retries", "reconcile_edges")),
    "hosts/test_host_life.py",
    "stacks/test_compose_import.py",
    "stacks/test_locks.py",
    "stacks/test_restore.py",
    "stacks/test_undo.py",
}
# They read the whole source, a second for each question: what a change breaks there, its own tests do not show.
SOURCE_TESTS = {"architecture"}
INTERFACE_TESTS = (
    PROVIDER_PAGE_TESTS
    | HISTORY_TESTS
    | SOURCE_TESTS
    | {"agent", "cli", "console", "incidents", "linear", "login", "loop", "routes", "wire"}
)

# Most objects live as long as the run: walking them again and again would take a tenth of its time.
gc.set_threshold(50_000, 20, 20)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run without the faces need not even read their folders."""
    part = config.option.markexpr.endswith("and not faces")
    return True if part and _is_interface_test(collection_path) else None


@functools.cache
def _is_interface_test(path: Path) -> bool:
    """Whether a file or folder is named among them, or stands in one that is."""
    inside = path.relative_to(TESTS_DIR) if path.is_relative_to(TESTS_DIR) else Path()
    return any(str(each) in INTERFACE_TESTS for each in (inside, *inside.parents))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the tests that go through a face apart from the unit suite, by their folder or file."""
    for item in items:
        if _is_interface_test(item.path):
            item.add_marker("faces")


def pytest_collection_finish() -> None:
    """What was collected stays to the end."""
    gc.collect()
    gc.freeze()


def _create_accounts_and_lab() -> None:
    """The people and their lab, made by the services and seen by the loop."""
    people = {}
    for name in ("root", *ROLE_OF, "mallory"):
        kind = "admin" if name == "root" else "user"
        people[name] = account_create(actor=None, login=name, password=PASSWORD, name=name.title(), kind=kind)
        reconcile_one("account", people[name].pk)
    members = [
        {"externalId": f"1a{people[name].pk}", "externalIdType": "rancher_id", "role": role}
        for name, role in ROLE_OF.items()
    ]
    lab = environment_create(actor=actor_of_user(people["alice"], "api"), name="Lab", members=members)
    reconcile_one("environment", lab.pk)


def _copy_tables() -> Rows:
    copied = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model in {Permission, ContentType}:
                continue
            columns = [f'"{f.column}"' for f in model._meta.local_concrete_fields if not f.generated]
            listed, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
            cursor.execute(f'SELECT {listed} FROM "{model._meta.db_table}"')  # noqa: S608 - our own tables
            rows = cursor.fetchall()
            if rows:
                insert = f'INSERT INTO "{model._meta.db_table}" ({listed}) VALUES ({marks})'  # noqa: S608 - as above
                copied.append((insert, rows))
    return copied


@pytest.fixture(scope="session")
def cached_rows() -> dict[int, Rows]:
    """The rows of a settled house by the number of the first permission, which a flushed database gives anew."""
    return {}


@pytest.fixture
def people(db: None, cached_rows: dict[int, Rows]) -> Any:
    """Accounts by name: alice (owner of the lab), bob (member), rex (restricted), rita (readonly), mallory, root.

    They are made by the services once; every further test gets a copy of the rows.
    """
    mark = Permission.objects.order_by("pk").values_list("pk", flat=True)[0]
    with transaction.atomic():
        if mark not in cached_rows:
            _create_accounts_and_lab()
            cached_rows[mark] = _copy_tables()
        else:
            with connection.cursor() as cursor:
                for insert, rows in cached_rows[mark]:
                    cursor.executemany(insert, rows)
    return SimpleNamespace(**{user.login: user for user in User.objects.all()})


@pytest.fixture
def actor_of(people: Any) -> Callable[..., Actor]:
    """Makes the actor of an account (or of the person with that name), anew at each call as after a log-in."""

    def make(who: User | str, via: str = "api") -> Actor:
        user = getattr(people, who) if isinstance(who, str) else who
        return replace(actor_of_user(user, via), password_confirmed_at=timezone.now())

    return make


@pytest.fixture
def lab(people: Any) -> Environment:
    """The environment where alice, bob, rex and rita have their roles; mallory and root are no members."""
    return Environment.objects.get(name="Lab")


@pytest.fixture
def sim() -> Iterator[SimulatedDriver]:
    """The in-memory engine behind `sim://lab`, fresh for this test."""
    _reset_engines()
    yield simulated_engines.simulated_engine("lab")
    _reset_engines()


def _reset_engines() -> None:
    simulated_engines.reset_engines()
    for name in ("lab", "lab2"):
        registry.discard_driver(Endpoint(f"sim://{name}"))


@pytest.fixture
def host(lab: Environment, sim: SimulatedDriver) -> Host:
    """A host of the lab on the in-memory engine, seen by the loop."""
    row = host_create(actor=None, environment=lab, url=f"sim://{sim.name}", name="h1")
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def run_loop(django_capture_on_commit_callbacks: Any) -> Callable[[], None]:
    """Runs the loop until nothing is due, wake-ups included: a test's own transaction would never send them."""

    def run() -> None:
        for _ in range(50):
            with django_capture_on_commit_callbacks(execute=True) as enqueued:
                reconcile_until_idle()
            if not enqueued:
                return
        raise AssertionError("the loop does not come to rest")

    return run


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    """A private Docker engine that holds the image `bb:local`: `.url`, `.endpoint`."""
    made = start()
    yield made
    stop(made)


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Pretend hosts with real engines: `.hosts[1]` to `.hosts[3]`, `.engines`, `.authority` (host 1 has TLS)."""
    with fleets.fleet(3) as made:
        yield made


@pytest.fixture(scope="session")
def sshd(fleet: Fleet) -> Iterator[Sshd]:
    """OpenSSH's server on host 2."""
    made = start_sshd(fleet.hosts[2])
    yield made
    made.program.end()


@pytest.fixture
def private_registry(fleet: Fleet) -> Iterator[Registry]:
    """A registry with a password on host 3."""
    made = start_registry(fleet.hosts[3])
    yield made
    made.program.end()
