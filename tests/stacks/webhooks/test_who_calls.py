"""Who may have a webhook's task done: signatures, times, copies of a call, and the account that it acts as."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.services import account_act
from apps.control.models import AuditEntry, Operation
from apps.core.errors import Conflict, Forbidden, Locked, Problem, TooManyRequests, Unauthorized
from apps.environments.models import Environment
from apps.environments.services import environment_key_create, key_act, members_set
from apps.stacks.locks import lock_set
from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall
from apps.stacks.webhooks.receiving import CALLS_A_MINUTE, RECORD_EVERY, deploy_webhook_call, find_called
from apps.stacks.webhooks.retention import KEPT, webhook_calls_delete_expired
from apps.stacks.webhooks.services import deploy_webhook_act, deploy_webhook_renew_secret
from apps.stacks.webhooks.signature import parse_signature
from tests.stacks.webhooks.deploying import ADDRESS, body_of, call, headers_of

Make = Callable[..., Any]


def test_a_wrong_signature_and_an_unknown_webhook_are_answered_alike(webhook: Make):
    made = webhook()
    with pytest.raises(Unauthorized) as wrong:
        call(made, {"tag": "2"}, secret="guessed")
    signature = parse_signature(*headers_of("guessed"))
    with pytest.raises(Unauthorized) as unknown:
        find_called("4c2d3f3e-0000-4000-8000-000000000000", signature, b"")
    with pytest.raises(Unauthorized) as garbled:
        find_called("nonsense", signature, b"")
    assert str(wrong.value) == str(unknown.value) == str(garbled.value)
    assert not DeployWebhookCall.objects.exists()


@pytest.mark.parametrize("seconds", [-301, -3600, 302])
def test_a_call_with_an_old_or_future_time_is_refused(webhook: Make, seconds: int):
    made = webhook()
    with pytest.raises(Unauthorized, match=r"X-Corral-Timestamp is .* the portal's clock") as refused:
        call(made, {"tag": "2"}, at=time.time() + seconds)
    assert refused.value.field == "X-Corral-Timestamp"
    made.row.refresh_from_db()
    assert made.row.refusals == 1


@pytest.mark.parametrize(
    ("timestamp", "signature", "field"),
    [
        ("", "", "X-Corral-Timestamp"),
        ("1e9", "", "X-Corral-Timestamp"),
        ("-5", "", "X-Corral-Timestamp"),
        ("١٢٣", "", "X-Corral-Timestamp"),
        ("1", "", "X-Corral-Signature"),
        ("1", "sha1=aa", "X-Corral-Signature"),
        ("1", "sha256=" + "A" * 64, "X-Corral-Signature"),
        ("1", "sha256=" + "é" * 64, "X-Corral-Signature"),
    ],
)
def test_malformed_headers_are_named(timestamp: str, signature: str, field: str):
    with pytest.raises(Unauthorized) as refused:
        parse_signature(timestamp, signature)
    assert refused.value.field == field


def test_the_same_call_counts_once(web: Service, webhook: Make):
    made, at = webhook("scale", max_scale=9), time.time()
    call(made, {"direction": "up"}, at=at)
    with pytest.raises(Conflict, match="received already"):
        call(made, {"direction": "up"}, at=at)
    web.refresh_from_db()
    made.row.refresh_from_db()
    assert (web.scale, made.row.refusals) == (3, 1)


def test_a_refused_call_is_used_up_as_well(web: Service, webhook: Make, actor_of: Any):
    made, at = webhook("scale", max_scale=9), time.time()
    lock = lock_set(web, "release", actor=actor_of("alice"))
    with pytest.raises(Locked, match="has been locked by"):
        call(made, {"scale": 4}, at=at)
    lock.delete()
    with pytest.raises(Conflict):
        call(made, {"scale": 4}, at=at)
    web.refresh_from_db()
    assert web.scale == 2


def test_a_deactivated_webhook_does_nothing(web: Service, webhook: Make, actor_of: Any, run_loop: Any):
    made = webhook()
    deploy_webhook_act(made.row, "deactivate", actor=actor_of("rex"))
    run_loop()
    with pytest.raises(Problem, match="deactivated"):
        call(made, {"tag": "2"})
    deploy_webhook_act(DeployWebhook.all_objects.get(), "activate", actor=actor_of("rex"))
    assert call(made, {"tag": "2"}, at=time.time() - 1).result.service.image == "bb:2"


def test_a_removed_webhook_is_unknown(webhook: Make, actor_of: Any, run_loop: Any):
    made = webhook()
    deploy_webhook_act(made.row, "remove", actor=actor_of("bob"))
    with pytest.raises(Unauthorized):
        call(made, {"tag": "2"})
    run_loop()
    with pytest.raises(Unauthorized):
        call(made, {"tag": "2"}, secret="")
    made.row.refresh_from_db()
    assert (made.row.state, made.row.secret) == ("removed", "")


def test_a_creator_who_may_no_longer_operate_is_refused(
    web: Service, webhook: Make, lab: Environment, people: Any, actor_of: Any
):
    made = webhook()
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    members_set(
        lab, [owner, {**owner, "externalId": f"1a{people.bob.pk}", "role": "readonly"}], actor=actor_of("alice")
    )
    with pytest.raises(Forbidden, match="may not operate here any more"):
        call(made, {"tag": "2"})
    entry = AuditEntry.all_objects.filter(event="deployWebhook.call").get()
    assert (entry.via, entry.address, entry.target_name, entry.code) == ("webhook", ADDRESS, "upgrade", "403")
    renewed = deploy_webhook_renew_secret(DeployWebhook.all_objects.get(), actor=actor_of("alice"))
    operation = call(renewed, {"tag": "2"}).result.operation
    assert operation is not None
    assert operation.account == people.alice


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_a_creator_who_is_gone_is_refused(webhook: Make, people: Any, actor_of: Any, run_loop: Any, action: str):
    made = webhook()
    if action == "delete":
        DeployWebhook.all_objects.update(account=None)
    else:
        account_act(people.bob, "deactivate", actor=actor_of("root"))
        run_loop()
    with pytest.raises(Forbidden, match=r"is gone|is not active any more"):
        call(made, {"tag": "2"})
    assert AuditEntry.all_objects.filter(event="deployWebhook.call", code="403").count() == 1


def test_a_webhook_made_with_a_key_ends_with_the_key(
    web: Service, webhook: Make, lab: Environment, actor_of: Any, run_loop: Any
):
    from apps.environments.actor import actor_of_key

    key = environment_key_create(actor=actor_of("bob"), environment=lab, name="ci", addresses=["192.0.2.0/24"]).key
    run_loop()
    key.refresh_from_db()
    made = webhook("scale", by=actor_of_key(key, "api", address=ADDRESS), max_scale=9)
    assert call(made, {"scale": 3}).result.service.scale == 3
    signature = parse_signature(*headers_of(made.secret, {"scale": 4}))
    row = find_called(str(made.row.uuid), signature, body_of({"scale": 4}))
    with pytest.raises(Forbidden, match=r"may not be used from 198\.51\.100\.1"):
        deploy_webhook_call(row, signature, body_of({"scale": 4}), address="198.51.100.1")
    key_act(key, "deactivate", actor=actor_of("bob"), environment=lab)
    with pytest.raises(Forbidden, match="is not active"):
        call(made, {"scale": 5})


def test_calls_in_quick_succession_are_refused_without_being_used_up(web: Service, webhook: Make):
    made, now = webhook("scale", max_scale=9), time.time()
    for number in range(CALLS_A_MINUTE):
        call(made, {"scale": 2}, at=now - number)
    with pytest.raises(TooManyRequests):
        call(made, {"scale": 5}, at=now)
    DeployWebhookCall.objects.update(at=timezone.now() - timedelta(minutes=2))
    assert call(made, {"scale": 5}, at=now).result.service.scale == 5


def test_wrong_calls_are_counted_and_recorded_together(webhook: Make):
    made = webhook()

    def send(times: int) -> None:
        for _each in range(times):
            with pytest.raises(Unauthorized):
                call(made, {"tag": "2"}, secret="guessed")

    send(3)
    DeployWebhook.all_objects.update(recorded_at=timezone.now() - RECORD_EVERY)
    send(2)
    entries = AuditEntry.all_objects.filter(event="deployWebhook.wrongcalls").order_by("pk")
    assert [each.request for each in entries] == [
        {"reason": "wrong signature", "calls": 1},
        {"reason": "wrong signature", "calls": 3},
    ]
    assert {each.address for each in entries} == {ADDRESS}
    assert DeployWebhook.all_objects.get().refusals == 5


def test_audit_entries_say_by_which_webhook_and_nothing_of_its_secret(webhook: Make):
    made = webhook(name="ci")
    call(made, {"tag": "2"})
    found = {each.event: each for each in AuditEntry.all_objects.filter(via="webhook")}
    assert set(found) == {"deployWebhook.call", "service.upgrade"}
    entry = found["deployWebhook.call"]
    assert (entry.target_name, entry.target, entry.address) == ("ci", made.row.pk, ADDRESS)
    assert entry.request == {"task": "upgrade", "service": "web", "tag": "2"}
    assert {each.code for each in found.values()} == {"202"}
    for each in AuditEntry.all_objects.all():
        assert made.secret not in f"{each.request} {each.response}"
    for operation in Operation.all_objects.all():
        assert made.secret not in f"{operation.input}"


def test_old_calls_are_forgotten_once_their_signatures_have_expired(webhook: Make):
    made, now = webhook("scale", max_scale=9), timezone.now()
    rows = [
        DeployWebhookCall(webhook=made.row, signature=f"sha256={number}", expires=now + timedelta(seconds=300))
        for number in range(KEPT + 5)
    ]
    DeployWebhookCall.objects.bulk_create(rows)
    assert webhook_calls_delete_expired(now) == 0
    assert webhook_calls_delete_expired(now + timedelta(seconds=301)) == 5
    assert DeployWebhookCall.objects.count() == KEPT


def test_a_secret_is_stored_encrypted(webhook: Make):
    from django.db import connection

    made = webhook()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM stacks_deploywebhook")
        (stored,) = cursor.fetchone()
    assert made.secret not in stored
    assert DeployWebhook.all_objects.get().secret == made.secret
    assert len(made.secret) >= 43
