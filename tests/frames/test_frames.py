"""The frames of sockets: log lines, statistics, v1 events, and their target rows."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from apps.accounts.models import ApiKey, Session
from apps.containers.models import Container
from apps.core.defaults import OPEN_MODE
from apps.core.models import Setting
from apps.drivers.base import LogLine, StatsSample
from apps.environments.models import Environment, SocketTicket
from apps.environments.roles import ROLES
from apps.environments.services import account_key_create, ticket_issue
from apps.environments.socket_credentials import SocketCredentials
from apps.hosts.models import Host
from apps.realtime import authentication, targets
from apps.realtime.authentication import (
    authenticate,
    cached_permissions,
    load_permissions,
)
from apps.realtime.base_socket import SocketRejected
from apps.realtime.logs import LogsSocket, V1LogsSocket
from apps.realtime.subscribe import v1_event
from apps.realtime.v1_stats import serialize_sample

SAMPLE = StatsSample(1000.5, 9 * 10**9, 4, 64, 256, 500, 600, 7, 8)
LINES = [LogLine("stdout", "T1", "one"), LogLine("stderr", "T2", ""), LogLine("tty", "T3", "é\x1b[1m")]


def ticket(kind: str = "container", target: int = 7, **details: Any) -> SocketTicket:
    return SocketTicket(kind=kind, target=target, details=details)


def logs(query: str = "", details: Any = None, kind: type[LogsSocket] = LogsSocket) -> LogsSocket:
    """A logs socket with this query, or with a ticket when there are details."""
    made = kind()
    made.scope = {"query": QueryDict(query)}
    made.credentials = SocketCredentials(ticket=ticket(**details) if details is not None else None)
    return made


@pytest.mark.parametrize(
    ("query", "details", "found"),
    [
        pytest.param("", None, (500, "", True), id="nothing said"),
        pytest.param("tail=10&since=T", None, (10, "T", True), id="the query's word"),
        pytest.param("tail=0", None, (0, "", True), id="no old lines"),
        pytest.param("tail=all", None, (500, "", True), id="no number"),
        pytest.param("tail=-1", None, (500, "", True), id="a negative number"),
        pytest.param("tail=1.5", None, (500, "", True), id="no whole number"),
        pytest.param("tail=123456789", None, (500, "", True), id="too long a number"),
        pytest.param("tail=²", None, (500, "", True), id="a digit that is not a number"),
        pytest.param("follow=false", None, (500, "", True), id="only tickets end"),
        pytest.param("tail=10", {"tail": 20}, (20, "", True), id="the ticket wins"),
        pytest.param("since=T", {"since": "U"}, (500, "U", True), id="also about the time"),
        pytest.param("", {"follow": False}, (500, "", False), id="a download"),
        pytest.param("", {"follow": None}, (500, "", True), id="only false is false"),
    ],
)
def test_which_lines_are_asked_for(query: str, details: Any, found: tuple[int, str, bool]) -> None:
    options = logs(query, details).options()
    assert (options["tail"], options["since"], options["follow"]) == found


def test_v1_clients_get_a_hundred_old_lines() -> None:
    assert logs(kind=V1LogsSocket).options()["tail"] == 100


def sent(socket: LogsSocket, skipped: int, lines: list[LogLine], reason: str) -> list[Any]:
    """The frames of a batch and of the end."""
    found: list[Any] = []

    async def send_json(message: Any) -> None:
        found.append(message)

    async def put(*, text_data: str) -> None:
        found.append(text_data)

    socket.send_json, socket.put = send_json, put  # type: ignore[method-assign, assignment]

    async def scenario() -> None:
        await socket.send_lines(skipped, lines)
        await socket.send_end(reason)

    asyncio.run(scenario())
    return found


def test_the_console_gets_batches_and_the_reason_of_the_end() -> None:
    assert sent(logs(), 0, LINES[:2], "gone") == [
        {"type": "lines", "lines": [("stdout", "T1", "one"), ("stderr", "T2", "")]},
        {"type": "end", "reason": "gone"},
    ]


def test_what_was_skipped_stands_before_what_follows() -> None:
    rows = sent(logs(), 7, LINES[:1], "")[0]["lines"]
    assert rows == [("note", "", "… 7 lines skipped"), ("stdout", "T1", "one")]


def test_v1_clients_get_a_frame_a_line_and_no_words_at_the_end() -> None:
    found = sent(logs(kind=V1LogsSocket), 0, LINES, "gone")
    assert found == ["01 T1 one", "02 T2 ", "00 T3 é\x1b[1m"]
    assert sent(logs(kind=V1LogsSocket), 3, [], "") == ["00 … 3 lines skipped"]


@pytest.mark.parametrize(("row", "name", "kind"), [(Host(pk=3), "1h3", "host"), (Container(pk=4), "1i4", "container")])
def test_a_sample_says_whose_it_is(row: Any, name: str, kind: str) -> None:
    found = serialize_sample(row, SAMPLE)
    assert (found["id"], found["resourceType"]) == (name, kind)
    json.dumps(found)


def test_a_sample_is_cumulative_in_v1_s_words() -> None:
    found = serialize_sample(Host(pk=3), SAMPLE)
    assert found["timestamp"] == "1970-01-01T00:16:40.500000Z"
    assert (found["memLimit"], found["memory"]) == (256, {"usage": 64})
    assert found["diskio"]["io_service_bytes"][0]["stats"] == {"Read": 7, "Write": 8, "Total": 15}
    (card,) = found["network"]["interfaces"]
    assert (card["rx_bytes"], card["tx_bytes"], card["rx_errors"]) == (500, 600, 0)
    assert {name: found["network"][name] for name in card} == card


@pytest.mark.parametrize(("cpus", "each"), [(4, 2_250_000_000), (1, 9 * 10**9), (0, 9 * 10**9)])
def test_the_processors_are_counted_by_their_list(cpus: int, each: int) -> None:
    sample = StatsSample(1.0, 9 * 10**9, cpus, 0, 0, 0, 0, 0, 0)
    usage = serialize_sample(Host(pk=3), sample)["cpu"]["usage"]
    assert usage["per_cpu_usage"] == [each] * max(cpus, 1)
    assert usage["total"] == usage["user"] == 9 * 10**9


def test_an_event_names_its_resource_or_none() -> None:
    of, ping = v1_event("resource.change", {"id": "1h3", "type": "host", "name": "h"}), v1_event("ping", None)
    assert (of["resourceId"], of["resourceType"], of["data"]["resource"]["name"]) == ("1h3", "host", "h")
    assert (ping["resourceId"], ping["resourceType"], ping["data"]) == (None, None, {})
    assert of["id"] != ping["id"]
    assert abs(of["time"] / 1000 - datetime.now(UTC).timestamp()) < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [("", None), ("7", 7), ("1i7", 7), ("1h7", 7), ("007", 7), ("9" * 18, int("9" * 18))],
)
def test_a_number_is_plain_or_a_wire_id(text: str, found: int | None) -> None:
    query = QueryDict(mutable=True)
    query["container"] = text
    assert targets.row_id_from_query(query, "container") == found


@pytest.mark.parametrize("text", ["x", "-7", "7.0", "1i", "i7", "1i!name", "9" * 19, "1i" + "9" * 19, " 7", "²"])
def test_what_is_no_number_is_nothing_that_is_there(text: str) -> None:
    query = QueryDict(mutable=True)
    query["container"] = text
    with pytest.raises(SocketRejected) as refused:
        targets.row_id_from_query(query, "container")
    assert refused.value.code == 4404


@pytest.mark.parametrize(
    ("query", "ticket_info", "found"),
    [
        pytest.param("container=7", None, ("container", 7), id="the query"),
        pytest.param("host=3", None, ("host", 3), id="another kind"),
        pytest.param("container=7&host=3", None, ("container", 7), id="the first kind wins"),
        pytest.param("", ticket(), ("container", 7), id="the ticket"),
        pytest.param("container=1i7", ticket(), ("container", 7), id="both agree"),
    ],
)
def test_a_socket_is_for_one_thing(query: str, ticket_info: Any, found: tuple[str, int]) -> None:
    assert (
        targets.requested_target(SocketCredentials(ticket=ticket_info), QueryDict(query), "container", "host") == found
    )


@pytest.mark.parametrize(
    ("query", "ticket_info"),
    [
        pytest.param("", None, id="nothing said"),
        pytest.param("stack=1", None, id="another kind of thing"),
        pytest.param("container=8", ticket(), id="not the ticket's thing"),
        pytest.param("host=7", ticket(), id="not the ticket's kind"),
        pytest.param("", ticket("service"), id="a ticket for another kind"),
    ],
)
def test_a_socket_for_nothing_or_something_else_is_refused(query: str, ticket_info: Any) -> None:
    with pytest.raises(SocketRejected) as refused:
        targets.requested_target(SocketCredentials(ticket=ticket_info), QueryDict(query), "container", "host")
    assert refused.value.code == 4404


@pytest.mark.parametrize(("who", "there"), [("rita", True), ("root", True), ("mallory", False)])
def test_rows_are_there_for_members_only(who: str, there: bool, host: Host, actor_of: Any) -> None:
    box = Container.all_objects.create(environment=host.environment, host=host, name="web", desired="running")
    for find, row in ((targets.get_host, host), (targets.get_container, box)):
        if there:
            assert find(actor_of(who), row.pk) == row
            continue
        with pytest.raises(SocketRejected) as foreign:
            find(actor_of(who), row.pk)
        with pytest.raises(SocketRejected) as missing:
            find(actor_of(who), 10**9)
        assert str(foreign.value) == str(missing.value)


def shake(query: str = "", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"query": QueryDict(query), "headers": named, "client": ("203.0.113.7", 1)}


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_key_opens_and_is_noted(people: Any, actor_of: Any) -> None:
    made = account_key_create(actor=actor_of("bob"))
    found = authenticate(shake(authorization=basic(f"{made.key.public_value}:{made.secret}")), "logs")
    assert found is not None
    assert (found.key, found.address) == (made.key.pk, "203.0.113.7")
    assert ApiKey.objects.get(pk=made.key.pk).last_used is not None


@pytest.mark.parametrize(
    "authorization",
    ["Bearer x", "Basic", "Basic !", "Basic /w==", basic("a:b"), basic("no colon"), basic(""), basic("\0:\0")],
)
def test_another_authorization_is_rejected(authorization: str, db: None) -> None:
    assert authenticate(shake(authorization=authorization), "logs") is None


def test_a_ticket_is_taken_once_and_for_its_verb(people: Any, lab: Environment, actor_of: Any) -> None:
    ticket_fields: dict[str, Any] = {"environment_id": lab.pk, "verb": "logs", "kind": "container", "target": 7}
    token = ticket_issue(actor=actor_of("bob"), **ticket_fields)
    assert authenticate(shake(f"ticket={token}"), "exec") is None
    found = authenticate(shake(f"ticket={token}"), "logs")
    assert found is not None
    assert (found.account, found.key, found.ticket and found.ticket.target) == (people.bob.pk, None, 7)
    assert authenticate(shake(f"ticket={token}"), "logs") is None


def test_a_bad_ticket_is_not_helped_by_a_good_key(people: Any, actor_of: Any) -> None:
    made = account_key_create(actor=actor_of("bob"))
    good = basic(f"{made.key.public_value}:{made.secret}")
    assert authenticate(shake("token=nonsense", authorization=good), "logs") is None


@pytest.mark.parametrize("cookie", ["corral_session=x", "corral_session=", "=;=", "a=b; corral_session=\x7f", ""])
def test_an_unknown_session_is_rejected(cookie: str, db: None) -> None:
    assert authenticate(shake(cookie=cookie, origin="http://portal.test"), "logs") is None


@pytest.mark.parametrize(("enforce", "there"), [("", True), ("false", True), ("TRUE", False), ("true", False)])
def test_in_open_mode_an_anonymous_caller_has_an_account_unless_a_login_is_required(
    enforce: str, there: bool, people: Any
) -> None:
    Setting.objects.create(name=OPEN_MODE, value="false")
    found = authenticate(shake(x_enforce_authentication=enforce, host="192.0.2.7:8080"), "logs")
    assert (found is not None) is there
    if found is not None:
        actor = found.actor()
        assert (found.via_open_mode, actor and actor.is_anonymous) == (True, True)
        Setting.objects.update(value="true")
        assert found.actor() is None


@pytest.mark.parametrize("host", [{}, {"host": ""}, {"host": "rebound.example"}, {"host": "192.0.2.7.example:8080"}])
def test_open_mode_is_closed_where_the_host_proves_nothing(host: dict[str, str], people: Any) -> None:
    Setting.objects.create(name=OPEN_MODE, value="false")
    assert authenticate(shake(**host), "logs") is None


def test_an_account_counts_while_it_is_active(people: Any) -> None:
    credentials = SocketCredentials(account=people.bob.pk)
    assert credentials.actor() is not None
    type(people.bob).all_objects.filter(pk=people.bob.pk).update(desired="inactive")
    assert credentials.actor() is None
    assert SocketCredentials(account=10**9).actor() is None
    assert SocketCredentials().actor() is None


def test_what_a_session_lent_ends_with_it(people: Any) -> None:
    row = Session.objects.create(digest="d", account=people.bob, data="", expires=timezone.now() + timedelta(hours=1))
    credentials = SocketCredentials(account=people.bob.pk, login_session=row.pk)
    assert credentials.actor() is not None
    Session.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert credentials.actor() is None


def test_a_key_counts_where_and_while_it_may(people: Any, actor_of: Any) -> None:
    key = account_key_create(actor=actor_of("bob")).key
    assert SocketCredentials(key=key.pk).actor() is not None
    ApiKey.objects.filter(pk=key.pk).update(addresses=["10.0.0.0/8"])
    assert SocketCredentials(key=key.pk, address="10.1.2.3").actor() is not None
    assert SocketCredentials(key=key.pk, address="203.0.113.7").actor() is None
    ApiKey.objects.filter(pk=key.pk).update(addresses=[], desired="inactive")
    assert SocketCredentials(key=key.pk).actor() is None


def test_rights_are_remembered_for_a_moment(people: Any, lab: Environment, monkeypatch: Any) -> None:
    monkeypatch.setattr(authentication, "_cache", {})
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(authentication, "time", clock)
    credentials = SocketCredentials(account=people.bob.pk)
    assert cached_permissions(credentials, lab.pk) is None
    found = load_permissions(credentials, lab.pk)
    assert found.permissions == ROLES["member"]
    clock.now += 0.9
    assert cached_permissions(credentials, lab.pk) == found
    assert cached_permissions(credentials, lab.pk, 0.5) is None
    assert cached_permissions(SocketCredentials(account=people.rita.pk), lab.pk) is None
    clock.now += 0.2
    assert cached_permissions(credentials, lab.pk) is None


@pytest.mark.parametrize(("who", "permissions"), [("root", {"admin"}), ("alice", set())])
def test_the_installation_is_for_administrators(who: str, permissions: Any, people: Any) -> None:
    assert load_permissions(SocketCredentials(account=getattr(people, who).pk), None).permissions == permissions
    assert load_permissions(SocketCredentials(account=10**9), None).permissions is None


def test_what_is_remembered_is_bounded(people: Any, lab: Environment, monkeypatch: Any) -> None:
    monkeypatch.setattr(authentication, "_cache", {})
    monkeypatch.setattr(authentication, "_MAX_CACHED", 3)
    for number in range(10):
        load_permissions(SocketCredentials(account=10**9 + number), lab.pk)
    assert len(authentication._cache) <= 4
