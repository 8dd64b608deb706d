"""The body of a call, and the number of containers that it leads to; and signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid, Unauthorized
from apps.stacks.webhooks.call_body import CallRequest, ScaleLimits, next_scale, parse_call
from apps.stacks.webhooks.lifecycle import DEPLOY_WEBHOOK, REDEPLOY, SCALE, UPGRADE
from apps.stacks.webhooks.signature import MAX_SKEW, CallSignature, parse_signature, sign

LIMITS = ScaleLimits(2, 10, 3)


def parse(task: str, sent: Any) -> CallRequest:
    return parse_call(task, json.dumps(sent).encode(), tag_patterns=["2*"], limits=LIMITS)


def test_each_task_takes_a_body_of_its_own():
    assert parse(UPGRADE, {"tag": "2.1"}) == CallRequest(tag="2.1")
    assert parse(SCALE, {"scale": 4}) == CallRequest(scale=4)
    assert parse(SCALE, {"direction": "up"}) == CallRequest(direction="up")
    assert parse(REDEPLOY, {}) == CallRequest()
    assert parse_call(REDEPLOY, b" ", tag_patterns=(), limits=LIMITS) == CallRequest()


@pytest.mark.parametrize(
    ("task", "sent"), [(REDEPLOY, {"tag": "2"}), (UPGRADE, {"tag": "2", "image": "evil/app"}), (SCALE, {"tag": "2"})]
)
def test_what_the_task_does_not_take_is_refused(task: str, sent: dict[str, Any]):
    with pytest.raises(Invalid, match="There is no"):
        parse(task, sent)


def test_what_was_asked_for_is_described_without_what_was_not():
    assert parse(SCALE, {"scale": 4}).describe() == {"scale": 4}
    assert CallRequest(scale=0).describe() == {"scale": 0}
    assert CallRequest().describe() == {}


@pytest.mark.parametrize(
    ("direction", "current", "expected"),
    [("up", 2, 5), ("up", 8, 10), ("up", 0, 3), ("down", 9, 6), ("down", 3, 2), ("down", 30, 10), ("up", 9, 10)],
)
def test_a_step_ends_at_the_limits(direction: str, current: int, expected: int):
    assert next_scale(CallRequest(direction=direction), current, LIMITS) == expected


@pytest.mark.parametrize(("direction", "current"), [("up", 10), ("up", 11), ("down", 2), ("down", 0)])
def test_a_step_beyond_a_limit_is_refused(direction: str, current: int):
    with pytest.raises(Invalid) as refused:
        next_scale(CallRequest(direction=direction), current, LIMITS)
    assert refused.value.field == "direction"


@given(st.binary(max_size=200))
def test_no_body_ends_in_anything_but_a_request_or_a_refusal(raw: bytes):
    for task in (UPGRADE, SCALE, REDEPLOY):
        with suppress(Invalid):
            assert isinstance(parse_call(task, raw, tag_patterns=(), limits=LIMITS), CallRequest)


@given(st.binary(max_size=100), st.integers(0, 10**12 - 1), st.text(min_size=1, max_size=50))
def test_a_signature_is_of_one_body_time_and_secret(body: bytes, timestamp: int, secret: str):
    secret = secret.encode(errors="replace").decode()
    made = parse_signature(str(timestamp), sign(secret, str(timestamp), body))
    assert made.is_made_with(secret, body)
    assert not made.is_made_with(secret + "x", body)
    assert not made.is_made_with(secret, body + b"x")
    assert not CallSignature(str(timestamp + 1), made.text).is_made_with(secret, body)


def test_the_signature_is_that_of_the_time_a_dot_and_the_body():
    expected = hmac.new(b"secret", b'1700000000.{"tag": "2"}', hashlib.sha256).hexdigest()
    assert sign("secret", "1700000000", b'{"tag": "2"}') == f"sha256={expected}"


def test_a_signature_expires_when_its_time_is_too_old():
    made = CallSignature("1700000000", "sha256=")
    assert made.expires == 1700000000 + MAX_SKEW
    assert (made.skew(1700000060.9), made.skew(1699999990.0)) == (60, -10)
    with pytest.raises(Unauthorized):
        parse_signature("1700000000 ", "sha256=" + "a" * 64)


def test_a_secret_that_was_renewed_is_not_brought_back_by_cancelling():
    assert {"renewsecret", "remove"} <= DEPLOY_WEBHOOK.not_undone
    assert DEPLOY_WEBHOOK.allows("remove", "active"), "nobody has to deactivate it first"
    assert not DEPLOY_WEBHOOK.allows("activate", "removed")
