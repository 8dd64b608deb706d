"""Secrets are blanked by the field they stand in and by what they are."""

from __future__ import annotations

import base64
import html
import json
import time
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import redact as redact_module
from apps.core.redact import BLANK, MAX_TEXTS_LENGTH, redact

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "name", ["password", "Password", "secretValue", "token", "tlsKey", "oldSecret", "code", "codes"]
)
def test_a_secret_field_is_blanked_at_any_depth(name: str):
    assert redact({"a": [{name: "hush", "user": "u"}]}) == {"a": [{name: BLANK, "user": "u"}]}


def test_an_empty_secret_shows_that_it_is_empty():
    assert redact({"password": ""}) == {"password": ""}


def test_the_values_of_environment_variables_are_blanked_and_their_names_stay():
    assert redact({"environment": {"DB": "hush", "MODE": "x"}}) == {"environment": {"DB": BLANK, "MODE": BLANK}}


@pytest.mark.parametrize("name", ["dockerCompose", "rancherCompose"])
def test_compose_files_are_not_written_down_for_they_hold_passwords(name: str):
    assert redact({name: "web:\n  environment:\n    DB: hush"}) == {name: BLANK}


def test_an_environment_given_as_a_list_of_lines_keeps_only_the_names():
    assert redact({"environment": ["DB=hush", "MODE"]}) == {"environment": [f"DB={BLANK}", "MODE"]}


def test_a_wire_reference_called_environment_stays():
    assert redact({"environment": "1e5", "environmentId": "1e5"}) == {"environment": "1e5", "environmentId": "1e5"}


def test_a_known_secret_is_blanked_wherever_it_stands():
    assert redact({"cmd": ["run --with=hush9"], "x": "hush9"}, ["hush9"]) == {
        "cmd": [f"run --with={BLANK}"],
        "x": BLANK,
    }


def test_an_empty_secret_blanks_nothing():
    assert redact({"x": "abc"}, [""]) == {"x": "abc"}


@given(json_values, st.text(alphabet="abcdefgh", min_size=4, max_size=8))
def test_a_known_secret_is_never_left_in_a_value(value: object, secret: str):
    redacted = redact({"v": value, "w": [f"x{secret}y"]}, [secret])
    assert secret not in json.dumps(values_of(redacted))


SECRET = 'hush/9+"ä &<x'


@pytest.mark.parametrize(
    "disguise",
    [
        lambda s: s,
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
        lambda s: base64.b64encode(f"a{s}z".encode()).decode(),
        lambda s: base64.b64encode(f"ab{s}yz".encode()).decode(),
        quote,
        lambda s: quote(s, safe=""),
        quote_plus,
        lambda s: (
            quote(s, safe="")
            .replace("%2F", "%2f")
            .replace("%C3%A4", "%c3%a4")
            .replace("%2B", "%2b")
            .replace("%3C", "%3c")
        ),
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        html.escape,
    ],
)
def test_a_known_secret_is_blanked_in_every_disguise(disguise: Any):
    redacted = redact({"text": f"before {disguise(SECRET)} behind"}, [SECRET])["text"]
    assert BLANK in redacted
    assert "hush" not in redacted
    assert base64.b64encode(SECRET.encode()).decode()[4:12] not in redacted
    assert redacted.startswith("before ")


@given(st.binary(max_size=9), st.text(min_size=6, max_size=20), st.binary(max_size=9))
def test_no_neighbours_hide_a_secret_in_base64(before: bytes, secret: str, behind: bytes):
    whole = base64.b64encode(before + secret.encode() + behind).decode()
    assert BLANK in redact({"t": whole}, [secret])["t"]


def test_what_stands_in_a_secret_field_is_blanked_elsewhere_too():
    redacted = redact({"password": "hush-hush", "command": ["login", "hush-hush"], "url": "http://h/?p=hush-hush"})
    assert "hush-hush" not in json.dumps(redacted)
    assert redacted["command"][0] == "login"


def test_a_variable_that_is_called_a_secret_is_blanked_elsewhere_and_others_are_not():
    redacted = redact(
        {"environment": {"DB_PASSWORD": "s3cr3t", "USER": "postgres"}, "image": "postgres:9", "x": "s3cr3t"}
    )
    assert (redacted["image"], redacted["x"]) == ("postgres:9", BLANK)
    assert redacted["environment"] == {"DB_PASSWORD": BLANK, "USER": BLANK}


def test_a_very_short_value_of_a_secret_field_is_blanked_there_alone():
    assert redact({"password": "a", "name": "banana"}) == {"password": BLANK, "name": "banana"}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mysql --password=hush -u x", f"mysql --password={BLANK} -u x"),
        ("DB_PASSWORD=hush", f"DB_PASSWORD={BLANK}"),
        ("api-key: hush", f"api-key: {BLANK}"),
        ('token="hush hush" more', f"token={BLANK} more"),
        ("postgres://me:hush@db/x", f"postgres://me:{BLANK}@db/x"),
        ("Authorization: Basic aGVsbG86d29ybGQ=", f"Authorization: Basic {BLANK}"),
        ("Bearer abcdefghijkl.mnop", f"Bearer {BLANK}"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
            f"-----BEGIN RSA PRIVATE KEY-----{BLANK}",
        ),
        ("http://host:8080/path", "http://host:8080/path"),
        ("a passage about tokens and keys", "a passage about tokens and keys"),
        ("nginx:1.25", "nginx:1.25"),
    ],
)
def test_a_secret_that_shows_by_its_shape_is_blanked(text: str, redacted: str):
    assert redact({"command": text}) == {"command": redacted}


@pytest.mark.parametrize(
    "name",
    [
        "serviceAccountPassword",
        "bind_password",
        "clientSecret",
        "X-Api-Key",
        "refreshToken",
        "private_key",
        "Authorization",
        "recoveryCodes",
        "rancherComposeConfig",
    ],
)
def test_a_name_that_ends_as_a_secrets_does_is_one(name: str):
    assert redact({name: "hush"}) == {name: BLANK}


@pytest.mark.parametrize(
    "name", ["publicValue", "passwordAge", "keyName", "tokenCount", "accessKeyId", "monkey", "codec"]
)
def test_a_name_that_only_resembles_one_is_none(name: str):
    assert redact({name: "plain"}) == {name: "plain"}


def test_environment_pasted_as_a_text_keeps_only_the_names():
    assert redact({"env": "A=1\nB=2=3\n# note"}) == {"env": f"A={BLANK}\nB={BLANK}\n# note"}


@pytest.mark.parametrize("letter", ["x", "-", "0", "a-", ":", "/", "=", " "])
def test_a_long_text_takes_no_long_time(letter: str):
    started = time.process_time()
    redact({"text": letter * 16_000, "longer": letter * 1_000_000})
    assert time.process_time() - started < 2


def test_a_very_long_text_is_replaced_by_its_length():
    assert redact({"text": "x" * 20_000}) == {"text": "[20000 characters]"}


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets that are encoded to be searched for."""
    encoded: list[str] = []

    def note(secret: str) -> tuple[str, ...]:
        encoded.append(secret)
        return (secret,)

    monkeypatch.setattr(redact_module, "encoded_forms", note)
    return encoded


def test_many_secrets_are_not_each_looked_for_in_every_text(monkeypatch: pytest.MonkeyPatch):
    encoded = noted(monkeypatch)
    fields = {f"f{number}password": f"secret-{number:08}" for number in range(6000)}
    redacted = redact({**fields, **{f"text{number}": "x" * 16_000 for number in range(40)}})
    assert encoded == []
    assert {redacted[name] for name in fields} == {BLANK}
    assert {redacted[f"text{number}"] for number in range(40)} == {"[16000 characters]"}


def test_with_more_secrets_than_are_looked_for_no_text_is_kept():
    fields = {f"f{number}password": f"secret-{number:08}" for number in range(101)}
    assert redact({**fields, "command": "login secret-00000100"})["command"] == "[21 characters]"
    del fields["f100password"]
    assert redact({**fields, "command": "login secret-00000099"})["command"] == f"login {BLANK}"


def test_only_so_many_characters_of_texts_are_searched():
    redacted = redact({"longer": "x" * 100_000, "texts": ["y" * 16_384] * 100, "last": "z"})
    assert sum(len(each) for each in redacted["texts"] if each.startswith("y")) == MAX_TEXTS_LENGTH
    assert redacted["last"] == "[1 characters]"


def test_a_secret_that_fits_into_no_text_is_not_looked_for(monkeypatch: pytest.MonkeyPatch):
    encoded = noted(monkeypatch)
    assert redact({"password": "p" * 100_000, "x": "y"}) == {"password": BLANK, "x": "y"}
    assert encoded == []


def test_what_is_nested_without_end_is_cut():
    value: object = 1
    for _ in range(200):
        value = {"a": [value]}
    assert "nested too deep" in json.dumps(redact(value))


def values_of(thing: object) -> list[object]:
    """Every leaf, names of fields not included."""
    if isinstance(thing, dict):
        return [leaf for value in thing.values() for leaf in values_of(value)]
    if isinstance(thing, list):
        return [leaf for value in thing for leaf in values_of(value)]
    return [thing]


@given(json_values)
def test_what_was_given_is_not_changed(value: object):
    before = json.dumps(value, sort_keys=True)
    redact(value, ["a"])
    assert json.dumps(value, sort_keys=True) == before
