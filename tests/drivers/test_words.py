"""What engines and agents say can be kept by every database, and is untouched otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from apps.core.texts import REPLACEMENT
from apps.drivers.docker import parsing, streams
from apps.drivers.docker.errors import error_from_response
from apps.drivers.docker.safe_json import parse_json
from apps.drivers.docker.sdk import DockerClient

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.text("\x00\\u0d8f\ud800\udc00a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(found=ANY)
def test_whatever_is_said_can_be_kept(found: Any) -> None:
    round_trip = json.dumps(parse_json(json.dumps(found).encode()), ensure_ascii=False)
    assert "\x00" not in round_trip
    assert not any(0xD800 <= ord(sign) < 0xE000 for sign in round_trip)
    round_trip.encode()


@given(
    found=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.integers())
)
def test_what_can_be_kept_is_kept_as_it_is(found: dict[str, int]) -> None:
    for ascii_only in (True, False):
        assert parse_json(json.dumps(found, ensure_ascii=ascii_only).encode()) == found


@pytest.mark.parametrize(
    ("raw_data", "meant"),
    [
        (rb'"a\u0000b"', f"a{REPLACEMENT}b"),
        (rb'"\u0000"', REPLACEMENT),
        (rb'{"\u0000k": [{"v": "\u0000"}]}', {f"{REPLACEMENT}k": [{"v": REPLACEMENT}]}),
        (rb'"\ud800"', REPLACEMENT),
        (rb'"\uDC00x"', f"{REPLACEMENT}x"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\u0000"', r"\u0000"),
        (b'"\xed\xa0\x80"', REPLACEMENT * 3),
        (b'"\xff"', REPLACEMENT),
        (b"[1, 2.5, null, true]", [1, 2.5, None, True]),
    ],
)
def test_a_mark_stands_for_what_cannot_be_kept(raw_data: bytes, meant: Any) -> None:
    assert parse_json(raw_data) == meant


@pytest.mark.parametrize("raw_data", [b"", b"{", b'"\x00"', b"[" * 100_000, b"\xfe\xff\x00\x31"])
def test_what_is_no_json_is_refused(raw_data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Invalid|nested|Extra"):
        parse_json(raw_data)


def answer(body: bytes, status: int = 200) -> requests.Response:
    found = requests.Response()
    found.status_code, found._content = status, body
    return found


def sdk() -> DockerClient:
    return DockerClient.__new__(DockerClient)


def test_an_inspection_is_clean_when_it_comes_in() -> None:
    raw = {"Id": "c1", "Name": "/we\x00b", "Config": {"Labels": {"a\x00": "\x00"}}, "State": {"Error": "no\x00"}}
    seen = parsing.parse_container(sdk()._result(answer(json.dumps(raw).encode()), True))
    assert (seen.name, seen.labels, seen.error) == (
        f"we{REPLACEMENT}b",
        {f"a{REPLACEMENT}": REPLACEMENT},
        f"no{REPLACEMENT}",
    )
    assert "\\u0000" not in json.dumps(seen.raw)


def test_an_answer_that_is_no_json_is_the_librarys_error() -> None:
    with pytest.raises(requests.JSONDecodeError):
        sdk()._result(answer(b"<html>"), True)


@pytest.mark.parametrize(("options", "found"), [({"binary": True}, b"a\x00b"), ({}, "a\x00b")])
def test_an_answer_that_is_no_json_by_agreement_is_left_alone(options: dict[str, bool], found: bytes | str) -> None:
    assert sdk()._result(answer(b"a\x00b"), **options) == found


def test_an_event_is_clean_when_it_comes_in() -> None:
    class Body:
        def lines(self) -> Iterator[bytes]:
            yield rb'{"Action": "die\u0000", "time": 1, "Actor": {"ID": "c\u0000", "Attributes": {"name": "\u0000"}}}'

    (event,) = streams.read_events(Body())  # type: ignore[arg-type]  # it has what is used
    assert (event.action, event.id, event.attributes) == (f"die{REPLACEMENT}", f"c{REPLACEMENT}", {"name": REPLACEMENT})


@pytest.mark.parametrize("text", ['{"message": "bad\\u0000 name"}', "bad\x00 name"])
def test_a_refusal_is_clean_too(text: str) -> None:
    assert str(error_from_response(500, text)) == f"bad{REPLACEMENT} name"
