"""Testing an account at a registry through a host's engine, before it is stored."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.registry_check import registry_check
from apps.containers.registry_verdicts import read_refusal
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Forbidden
from apps.drivers.base import EngineDown, EngineError
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.vault.registries.logins import RegistryLogin

SECRET = "s3cret-w0rd"
# What Docker 20.10 to 27 answer to POST /auth.
MESSAGES = {
    "login attempt to https://reg:5000/v2/ failed with status: 401 Unauthorized": "wrong password",
    'Get "https://registry-1.docker.io/v2/": unauthorized: incorrect username or password': "wrong password",
    'Get "https://reg:5000/v2/": denied: requested access to the resource is denied': "wrong password",
    'Get "https://reg:5000/v2/": no basic auth credentials': "wrong password",
    'Get "https://reg:5000/v2/": dial tcp: lookup reg on 10.0.0.1:53: no such host': "no such host",
    "login attempt to https://reg:5000/v2/ failed with status: 404 Not Found": "not a registry",
    "login attempt to https://reg:5000/v2/ failed with status: 405 Method Not Allowed": "not a registry",
    'Get "https://reg:5000/v2/": x509: certificate signed by unknown authority': "certificate",
    'Get "https://reg:5000/v2/": http: server gave HTTP response to HTTPS client': "plain HTTP",
    'Get "https://reg:5000/v2/": tls: first record does not look like a TLS handshake': "plain HTTP",
    'Get "https://reg:5000/v2/": dial tcp 10.0.0.5:5000: connect: connection refused': "unreachable",
    'Get "https://reg:5000/v2/": context deadline exceeded (Client.Timeout exceeded)': "timeout",
    "login attempt to https://reg:5000/v2/ failed with status: 429 Too Many Requests": "rate limit",
    "something new": "other",
}


@pytest.mark.parametrize(("message", "kind"), MESSAGES.items())
def test_what_a_refusal_means(message: str, kind: str):
    verdict = read_refusal(message, "reg:5000", "h1")
    assert (verdict.kind, verdict.message) == (kind, message)
    assert verdict.text.endswith(".")
    assert verdict.remedy.endswith(".")
    assert "{" not in verdict.text + verdict.remedy
    assert not verdict.is_accepted


@pytest.mark.parametrize("registry", ["timeout.example.org:401", "unauthorized.example.org"])
def test_the_words_of_the_registry_s_name_do_not_count(registry: str):
    assert read_refusal(f"login to https://{registry}/v2/: no such host", registry, "h1").kind == "no such host"


@pytest.fixture
def quay(sim: SimulatedDriver, host: Host) -> SimulatedDriver:
    sim.registry.accounts["quay.io"] = ("alice", SECRET)
    return sim


def _check(lab: Environment, actor: Any, password: str = SECRET, address: str = "quay.io", **more: Any) -> Any:
    return registry_check(actor=actor, environment=lab, login=RegistryLogin(address, "alice", password), **more)


def test_the_registry_s_answer_is_shown_and_recorded_without_the_password(
    quay: SimulatedDriver, lab: Environment, actor_of: Any
):
    bob = actor_of("bob")
    found = _check(lab, bob)
    assert (found.is_accepted, found.text) == (True, "quay.io accepts alice, asked by h1.")
    refused = _check(lab, bob, "wrong-w0rd")
    assert (refused.is_refused, refused.text) == (True, "quay.io does not accept this user and password.")
    assert _check(lab, bob, address="nowhere.io").kind == "no such host"
    entries = AuditEntry.all_objects.filter(event="registry.test")
    assert [each.request["verdict"] for each in entries.order_by("pk")] == [
        "accepted",
        "wrong password",
        "no such host",
    ]
    assert "w0rd" not in str([each.request for each in entries])


def test_what_a_registry_repeats_of_the_password_is_blanked(quay: SimulatedDriver, lab: Environment, actor_of: Any):
    quay.fail_next("log_in", EngineError(f"{SECRET} is not the password"))
    assert _check(lab, actor_of("bob")).message == "••• is not the password"


def test_a_host_that_does_not_answer_is_not_the_registry_s_fault(
    quay: SimulatedDriver, lab: Environment, actor_of: Any
):
    host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    simulated_engine("lab2").registry.accounts["quay.io"] = ("alice", SECRET)
    quay.fail_next("log_in", EngineDown("away"))
    assert _check(lab, actor_of("bob")).host == "h2"
    quay.fail_next("log_in", EngineDown("away"))
    assert _check(lab, actor_of("bob"), host=Host.all_objects.get(name="h1")).kind == "no host"


def test_without_a_host_nothing_is_asked(lab: Environment, actor_of: Any):
    found = _check(lab, actor_of("bob"))
    assert (found.kind, found.is_accepted, found.is_refused) == ("no host", False, False)


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_only_who_may_operate_has_hosts_ask(who: str, quay: SimulatedDriver, lab: Environment, actor_of: Any):
    with pytest.raises(Forbidden):
        _check(lab, actor_of(who))
    assert quay.calls["log_in"] == 0
