"""What an agent says when it registers, and the credential it gets: one host an engine, one credential a host."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Conflict, Invalid
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.agents import (
    AgentRegistration,
    agent_register,
    authenticate_agent,
    credentials_revoke,
    find_registration,
    is_credential_valid,
)
from apps.hosts.engine_ownership import claim_engine
from apps.hosts.models import (
    AGENT_SCHEME,
    AgentCredential,
    Host,
    PortalKey,
    RegistrationToken,
)
from apps.hosts.selectors import token_value, verify_token
from apps.hosts.services import (
    token_act,
    token_create,
    token_ensure,
    token_rotate,
)
from apps.hosts.tunnels.keys import _generate_keys

KEY = _generate_keys()["public"]


def registration_body(**more: Any) -> dict[str, Any]:
    """What a good agent says, but for `more`."""
    base = {"key": "r1", "publicKey": KEY, "hostname": "node-1", "engineId": "engine-1"}
    return {**base, **more}


def test_a_short_claim_is_enough() -> None:
    found = AgentRegistration.parse(registration_body())
    assert (found.hostname, found.engine_id, found.public_key) == ("node-1", "engine-1", KEY)
    assert (found.address, found.version, found.labels, found.simulated) == ("", "", {}, False)


def test_a_long_claim_is_taken_as_it_is_said() -> None:
    sent_body = registration_body(
        address=" 10.0.0.5 ", agentVersion="1.2", labels={"zone": "a", "": ""}, simulated=True, more="ignored"
    )
    found = AgentRegistration.parse(sent_body)
    assert (found.address, found.version, found.simulated) == ("10.0.0.5", "1.2", True)
    assert found.labels == {"zone": "a", "": ""}


def test_the_key_s_comment_is_not_kept() -> None:
    assert AgentRegistration.parse(registration_body(publicKey=f"{KEY} root@node-1")).public_key == KEY


@pytest.mark.parametrize("body_sent", [None, [], "text", 7, True])
def test_a_body_that_is_no_object_is_refused(body_sent: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(body_sent)
    assert refused.value.field == "body"


REQUIRED = ("key", "hostname", "engineId")


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", ["", "   ", None, 0, False, []])
def test_what_is_needed_is_said(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(**{name: value}))
    assert (refused.value.field, refused.value.code) == (name, "MissingRequired")


@pytest.mark.parametrize("name", [*REQUIRED, "address", "agentVersion"])
@pytest.mark.parametrize("value", [7, ["x"], {"a": 1}, True, "two\nlines", "nul\0", "\x1b[31m", "tab\tbed"])
def test_texts_are_of_one_printable_line(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(**{name: value}))
    assert (refused.value.field, refused.value.code) == (name, "InvalidFormat")


@pytest.mark.parametrize(
    ("name", "limit"), [("key", 128), ("hostname", 255), ("engineId", 128), ("address", 64), ("agentVersion", 32)]
)
def test_texts_have_their_lengths(name: str, limit: int) -> None:
    AgentRegistration.parse(registration_body(**{name: "x" * limit}))
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(**{name: "x" * (limit + 1)}))
    assert (refused.value.field, refused.value.code) == (name, "MaxLengthExceeded")


@pytest.mark.parametrize(
    "key",
    ["", None, 7, "ssh-rsa AAAA", "nonsense", f"{KEY}\n{KEY}", KEY[:-4], "x" * 2000],
    ids=["none", "null", "number", "rsa", "nonsense", "two", "cut", "long"],
)
def test_only_an_ed25519_key_will_do(key: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(publicKey=key))
    assert refused.value.field == "publicKey"


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([1], id="a list"),
        pytest.param("zone=a", id="a text"),
        pytest.param({"a": 1}, id="a number"),
        pytest.param({"a": None}, id="null"),
        pytest.param({"a": "x" * 256}, id="a long value"),
        pytest.param({"x" * 256: "a"}, id="a long name"),
        pytest.param({"a": "two\nlines"}, id="two lines"),
        pytest.param({"nul\0": "a"}, id="NUL"),
        pytest.param({str(n): "x" for n in range(101)}, id="too many"),
    ],
)
def test_labels_are_a_bounded_map_of_texts(labels: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(labels=labels))
    assert refused.value.field == "labels"


@pytest.mark.parametrize("value", ["true", 1, "yes", None, {}])
def test_only_true_is_simulated(value: Any) -> None:
    assert AgentRegistration.parse(registration_body(simulated=value)).simulated is False


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
)


@given(st.dictionaries(st.sampled_from(["key", "hostname", "address", "engineId", "agentVersion", "labels"]), JSON))
def test_whatever_is_said_is_taken_or_refused_by_name(body_sent: dict[str, Any]) -> None:
    try:
        found = AgentRegistration.parse(registration_body(**body_sent))
    except Invalid as refused:
        named = refused.field
    else:
        named = None
        assert found.hostname.isprintable()
        assert found.hostname
    assert named is None or named in body_sent


@pytest.fixture
def token(lab: Environment, actor_of: Any) -> RegistrationToken:
    row = token_create(actor=actor_of("alice"), environment=lab)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def test_the_first_registration_makes_a_host_that_waits_for_its_agent(token: RegistrationToken) -> None:
    made = agent_register(token, registration_body(labels={"zone": "a"}, agentVersion="1.2"), address="203.0.113.7")
    host = Host.all_objects.get()
    assert (host.environment, host.name, host.hostname) == (token.environment, "node-1", "node-1")
    assert host.url == f"{AGENT_SCHEME}{host.uuid}"
    assert (host.labels, host.address) == ({"zone": "a"}, "203.0.113.7")
    assert (host.engine_id, host.agent) == ("", {"version": "1.2", "simulated": False, "engineId": "engine-1"})
    assert (made.credential.host, made.credential.address) == (host, "203.0.113.7")


def test_the_address_that_is_said_wins_over_the_one_seen(token: RegistrationToken) -> None:
    agent_register(token, registration_body(address="10.0.0.5"), address="203.0.113.7")
    assert Host.all_objects.get().address == "10.0.0.5"


def test_only_a_hash_of_the_secret_is_kept(token: RegistrationToken) -> None:
    made = agent_register(token, registration_body(), address="")
    row = AgentCredential.objects.get()
    assert made.secret not in str(row.__dict__)
    assert authenticate_agent(row.access_key, made.secret) == row
    line = AuditEntry.all_objects.filter(event="host.register").latest("pk")
    assert made.secret not in str(line.__dict__)


@pytest.mark.parametrize("wrong", ["secret", "key", "nul", "empty", "swapped"])
def test_no_other_pair_opens_a_tunnel(wrong: str, token: RegistrationToken) -> None:
    made = agent_register(token, registration_body(), address="")
    key, secret = made.credential.access_key, made.secret
    pair = {
        "secret": (key, f"{secret}x"),
        "key": ("X" * 20, secret),
        "nul": ("\0", secret),
        "empty": ("", ""),
        "swapped": (secret, key),
    }[wrong]
    assert authenticate_agent(*pair) is None


def test_the_same_engine_again_is_the_same_host_with_a_new_credential(token: RegistrationToken) -> None:
    first = agent_register(token, registration_body(labels={"zone": "a", "disk": "ssd"}), address="203.0.113.7")
    second = agent_register(
        token, registration_body(key="r2", hostname="renamed", labels={"zone": "b"}), address="203.0.113.8"
    )
    host = Host.all_objects.get()
    assert first.credential.host == second.credential.host == host
    assert host.labels == {"zone": "b", "disk": "ssd"}
    assert (host.name, host.address) == ("node-1", "203.0.113.7")
    assert authenticate_agent(first.credential.access_key, first.secret) is None
    assert authenticate_agent(second.credential.access_key, second.secret) == second.credential


def test_a_try_that_was_given_up_does_not_end_the_credential_of_the_next(token: RegistrationToken) -> None:
    first = agent_register(token, registration_body(attempt=1), address="")
    third = agent_register(token, registration_body(attempt=3), address="")
    with pytest.raises(Conflict, match="later try"):
        agent_register(token, registration_body(attempt=2), address="")
    assert not is_credential_valid(first.credential.pk)
    assert is_credential_valid(third.credential.pk)
    again = agent_register(token, registration_body(attempt=3), address="")
    assert is_credential_valid(again.credential.pk), "a proxy may send a request twice"
    other = agent_register(token, registration_body(key="r2"), address="")
    assert is_credential_valid(other.credential.pk), "an agent that was started anew counts from 1"


@pytest.mark.parametrize("attempt", [0, -1, "2", 1.5, True, None, 10**10])
def test_a_try_has_a_number(attempt: Any) -> None:
    with pytest.raises(Invalid) as refused:
        AgentRegistration.parse(registration_body(attempt=attempt))
    assert refused.value.field == "attempt"


def test_a_new_address_that_is_said_is_taken_over(token: RegistrationToken) -> None:
    agent_register(token, registration_body(), address="203.0.113.7")
    agent_register(token, registration_body(address="10.0.0.9"), address="203.0.113.7")
    assert Host.all_objects.get().address == "10.0.0.9"


def test_a_host_that_was_reached_otherwise_is_reached_through_its_agent_from_now_on(
    token: RegistrationToken, host: Host
) -> None:
    agent_register(token, registration_body(engineId=host.engine_id), address="")
    row = Host.all_objects.get()
    assert (row.pk, row.url) == (host.pk, f"{AGENT_SCHEME}{host.uuid}")


def test_another_engine_is_another_host(token: RegistrationToken) -> None:
    agent_register(token, registration_body(), address="")
    agent_register(token, registration_body(engineId="engine-2"), address="")
    assert Host.all_objects.count() == 2


def test_an_engine_of_another_environment_is_refused_without_a_trace(token: RegistrationToken, actor_of: Any) -> None:
    mine = agent_register(token, registration_body(), address="").credential.host
    claim_engine(mine, "engine-1")
    other = environment_create(actor=actor_of("mallory"), name="Other")
    theirs = token_create(actor=actor_of("mallory"), environment=other)
    with pytest.raises(Invalid) as refused:
        agent_register(theirs, registration_body(), address="")
    assert (refused.value.field, refused.value.code) == ("engineId", "NotUnique")
    assert "Lab" not in refused.value.message
    assert AgentCredential.objects.count() == Host.all_objects.count() == 1


def test_a_host_that_is_going_is_no_twin(token: RegistrationToken) -> None:
    agent_register(token, registration_body(), address="")
    Host.all_objects.update(desired="removed")
    agent_register(token, registration_body(key="r2"), address="")
    assert Host.all_objects.count() == 2


def test_a_refused_claim_leaves_nothing(token: RegistrationToken) -> None:
    with pytest.raises(Invalid):
        agent_register(token, registration_body(labels=[1]), address="")
    assert not Host.all_objects.exists()


def test_what_an_agent_got_is_found_by_its_own_key_in_its_environment(token: RegistrationToken, actor_of: Any) -> None:
    made = agent_register(token, registration_body(), address="")
    other = environment_create(actor=actor_of("alice"), name="Other")
    theirs = token_create(actor=actor_of("alice"), environment=other)
    assert find_registration(token, "r1") == made.credential
    assert [find_registration(token, wrong) for wrong in ("", "r2", "\0")] == [None, None, None]
    assert find_registration(theirs, "r1") is None


def test_credentials_end_once_and_for_all(token: RegistrationToken) -> None:
    made = agent_register(token, registration_body(), address="")
    host = Host.all_objects.get()
    assert is_credential_valid(made.credential.pk)
    assert (credentials_revoke(host), credentials_revoke(host)) == (1, 0)
    assert not is_credential_valid(made.credential.pk)
    assert authenticate_agent(made.credential.access_key, made.secret) is None
    assert find_registration(token, "r1") is None


def test_a_removed_host_s_credential_counts_no_more(token: RegistrationToken) -> None:
    from django.utils import timezone

    made = agent_register(token, registration_body(), address="")
    Host.all_objects.update(removed=timezone.now())
    assert not is_credential_valid(made.credential.pk)
    assert authenticate_agent(made.credential.access_key, made.secret) is None


def test_rotating_a_token_ends_what_it_gave_out_and_no_host(token: RegistrationToken, actor_of: Any) -> None:
    old = token_value(token)
    made = agent_register(token, registration_body(), address="")
    token_rotate(token, actor=actor_of("alice"))
    reconcile_until_idle()
    token.refresh_from_db()
    assert verify_token(old) is None
    assert verify_token(token_value(token)) == token
    assert is_credential_valid(made.credential.pk)


@pytest.mark.parametrize("who", ["rita", "rex", "mallory"])
def test_who_manages_no_hosts_neither_makes_nor_changes_tokens(
    who: str, token: RegistrationToken, lab: Environment, actor_of: Any
) -> None:
    from apps.core.errors import Forbidden

    before = token.public_value
    for act in (
        lambda: token_create(actor=actor_of(who), environment=lab),
        lambda: token_rotate(token, actor=actor_of(who)),
        lambda: token_act(token, "deactivate", actor=actor_of(who)),
    ):
        with pytest.raises(Forbidden):
            act()
    token_ensure(actor=actor_of(who), environment=lab)
    assert RegistrationToken.all_objects.get().public_value == before


def test_rows_show_as_what_they_are(token: RegistrationToken) -> None:
    made = agent_register(token, registration_body(), address="")
    assert str(made.credential) == made.credential.access_key
    assert str(token) == token.public_value
    assert str(PortalKey(public="ssh-ed25519 A")) == "ssh-ed25519 A"
