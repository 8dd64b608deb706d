"""Settings out of the environment: blank is not set, and what cannot be meant stops the start with words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.boot.startup import base_url
from portal.settings.database import database
from portal.settings.env import (
    env,
    env_bool,
    env_list,
    env_path,
    env_port,
    env_rate,
)

NAME = "CORRAL_TEST_VARIABLE"


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_value(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv(NAME, raising=False)
        else:
            monkeypatch.setenv(NAME, value)

    return set_value


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, "usual"), ("", "usual"), ("   ", "usual"), ("\t\n", "usual"), ("x", "x"), ("  x y ", "x y"), ("0", "0")],
)
def test_a_blank_variable_is_none(set_variable: Any, value: str | None, found: str) -> None:
    set_variable(value)
    assert env(NAME, "usual") == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *((word, True) for word in ("1", "true", "TRUE", " yes ", "On")),
        *((word, False) for word in ("0", "false", "No", "off", "", "  ")),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_a_switch_is_on_or_off(set_variable: Any, value: str, *, found: bool, default: bool) -> None:
    set_variable(value)
    assert env_bool(NAME, default=default) is found


@pytest.mark.parametrize("default", [True, False])
def test_a_switch_that_nobody_touched_is_as_usual(set_variable: Any, *, default: bool) -> None:
    set_variable(None)
    assert env_bool(NAME, default=default) is default


@pytest.mark.parametrize("value", ["2", "maybe", "tru", "1 0", "enabled"])
def test_a_switch_that_says_nothing_clear_stops_the_start(set_variable: Any, value: str) -> None:
    set_variable(value)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}='{value}': use 1 or 0"):
        env_bool(NAME, default=False)


@pytest.mark.parametrize(
    ("value", "port"), [(None, 0), ("", 0), (" ", 0), ("0", 0), (" 8443 ", 8443), ("65535", 65535)]
)
def test_a_port_is_a_number_or_none(set_variable: Any, value: str | None, port: int) -> None:
    set_variable(value)
    assert env_port(NAME) == port


@pytest.mark.parametrize("value", ["65536", "-1", "http", "80.0", "0x50", "8 0", "²", "1e3"])
def test_a_port_that_is_none_stops_the_start(set_variable: Any, value: str) -> None:
    set_variable(value)
    with pytest.raises(ImproperlyConfigured, match="use a port number"):
        env_port(NAME)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, []),
        ("", []),
        (",, ,", []),
        ("a", ["a"]),
        (" a , b,", ["a", "b"]),
        ("10.0.0.0/8,::1", ["10.0.0.0/8", "::1"]),
    ],
)
def test_a_list_has_no_empty_parts(set_variable: Any, value: str | None, found: list[str]) -> None:
    set_variable(value)
    assert env_list(NAME) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, "/usual"), ("", "/usual"), ("/a/../b", "/b"), ("~/c", "/home/me/c"), ("d", "/here/d")],
)
def test_a_path_is_absolute(
    set_variable: Any, value: str | None, found: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    set_variable(value)
    assert env_path(NAME, Path("/usual")) == Path(found.replace("/here", str(tmp_path.resolve())))


@pytest.mark.parametrize(
    ("port", "url"), [("", "http://localhost:8080"), ("  ", "http://localhost:8080"), ("9", "http://localhost:9")]
)
def test_the_set_up_link_leads_to_the_port_that_is_listened_on(
    monkeypatch: pytest.MonkeyPatch, port: str, url: str
) -> None:
    monkeypatch.setenv("PORT", port)
    assert base_url() == url


def test_without_a_url_the_database_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    found = database("", tmp_path)
    assert found["ENGINE"] == "portal.pooled_sqlite3"
    assert found["NAME"] == str(tmp_path / "corral.sqlite3")
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    found["OPTIONS"].clear()
    assert database("", tmp_path)["OPTIONS"], "nobody changes another's options"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgres://corral:secret@db:5432/corral", ("corral", "corral", "secret", "db", "5432")),
        ("postgresql://corral@db/corral", ("corral", "corral", "", "db", "")),
        ("postgres://u%40x:p%3A%2F%40@db/my%20base", ("my base", "u@x", "p:/@", "db", "")),
        ("postgres://u:p@[::1]:6000/x", ("x", "u", "p", "::1", "6000")),
        ("postgres:///local", ("local", "", "", "", "")),
    ],
)
def test_a_url_names_a_postgresql(url: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    found = database(url, tmp_path)
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert tuple(found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == parts
    assert found["OPTIONS"]["pool"]["max_size"] > found["OPTIONS"]["pool"]["min_size"]


def test_what_the_url_asks_of_the_connection_is_not_dropped(tmp_path: Path) -> None:
    options = database("postgres://u@db/x?sslmode=verify-full&sslrootcert=%2Fca.pem&pool=no", tmp_path)["OPTIONS"]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert isinstance(options["pool"], dict), "the pool is ours to choose"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:p@db/x", "mysql:// is not supported; use postgres://"),
        ("sqlite:///x", "sqlite:// is not supported"),
        ("db.sqlite3", "is not supported"),
        ("postgres://u:precious@db:http/x", "port is not a number"),
        ("postgres://u:precious@db:70000/x", "port is not a number"),
    ],
)
def test_a_url_that_cannot_be_meant_stops_the_start_without_its_password(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as error:
        database(url, tmp_path)
    assert "precious" not in str(error.value)


@pytest.mark.parametrize(("word", "expected"), [("", "600/min"), ("20/s", "20/s"), ("OFF", None), (" 5/Day ", "5/day")])
def test_a_rate_is_read(monkeypatch: pytest.MonkeyPatch, word: str, expected: str | None):
    monkeypatch.setenv("SOME_RATE", word)
    assert env_rate("SOME_RATE", "600/min") == expected


@pytest.mark.parametrize("word", ["0/min", "600", "many/min", "5/week", "-1/s"])
def test_a_bad_rate_stops_the_start(monkeypatch: pytest.MonkeyPatch, word: str):
    monkeypatch.setenv("SOME_RATE", word)
    with pytest.raises(ImproperlyConfigured, match="SOME_RATE"):
        env_rate("SOME_RATE", "600/min")
