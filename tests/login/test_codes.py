"""One-time codes, against the RFC's own numbers, and which codes are accepted."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.login import codes

RFC = base64.b32encode(b"12345678901234567890").decode()
MOMENTS = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}


@pytest.mark.parametrize(("moment", "code"), MOMENTS.items())
def test_the_codes_are_those_of_rfc_6238(moment: int, code: str):
    assert codes.matching_time_step(RFC, code, after=0, now=moment) == moment // 30


@pytest.mark.parametrize(("drift", "counts"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_clock_may_be_half_a_minute_off(drift: int, counts: bool):
    now = 1_900_000_015
    code = pyotp.TOTP(RFC).at(now + drift)
    assert (codes.matching_time_step(RFC, code, after=0, now=now) is not None) == counts


def test_a_code_counts_once():
    now = 1_900_000_015
    code = pyotp.TOTP(RFC).at(now)
    step = codes.matching_time_step(RFC, code, after=0, now=now)
    assert step is not None
    assert codes.matching_time_step(RFC, code, after=step, now=now) is None
    assert codes.matching_time_step(RFC, code, after=step, now=now + 29) is None
    assert codes.matching_time_step(RFC, pyotp.TOTP(RFC).at(now + 30), after=step, now=now + 30) == step + 1


def test_the_code_before_the_one_that_was_used_does_not_count_either():
    now = 1_900_000_015
    step = now // 30
    assert codes.matching_time_step(RFC, pyotp.TOTP(RFC).at(now - 30), after=step, now=now) is None


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "²²²²²²", "-12345", " 12345", "12 345", "\0" * 6])
def test_what_is_no_code_is_refused(text: str):
    assert codes.matching_time_step(RFC, text, after=0, now=59) is None


@given(st.text(max_size=12))
def test_no_text_makes_trouble(text: str):
    assert codes.matching_time_step(RFC, codes.normalize_code(text), after=0, now=59) in {None, 0, 1, 2}


def test_blanks_in_a_typed_code_do_not_count():
    assert codes.normalize_code(" 287 082\n") == "287082"


def test_secrets_are_long_and_new():
    made = {codes.secret_make() for _ in range(20)}
    assert len(made) == 20
    assert {len(base64.b32decode(each)) for each in made} == {20}


def test_the_uri_tells_an_authenticator_what_it_needs():
    parts = urlsplit(codes.totp_uri(RFC, "ann@example"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Corral:ann%40example")
    assert parse_qs(parts.query) == {"secret": [RFC], "issuer": ["Corral"]}


def test_recovery_codes_are_ten_and_different():
    made = codes.recovery_codes_make()
    assert len(set(made)) == 10
    assert {len(each) for each in made} == {19}
    assert not set("".join(made)) - set(codes._LETTERS + "-")


@given(st.integers(min_value=0, max_value=9))
def test_a_recovery_code_is_taken_however_it_is_typed(number: int):
    code = codes.recovery_codes_make()[number]
    for typed in (code, code.upper(), code.replace("-", ""), code.replace("-", " "), f" {code}\n"):
        assert codes.recovery_digest(typed) == codes.recovery_digest(code)
    assert codes.recovery_digest(code[:-1]) != codes.recovery_digest(code)


def test_what_is_kept_of_a_recovery_code_does_not_hold_it():
    code = codes.recovery_codes_make()[0]
    assert code.replace("-", "") not in codes.recovery_digest(code)
