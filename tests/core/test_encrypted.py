"""Encrypted columns: the database never has the clear text, and keys can be changed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.models import Container
from apps.core.encrypted import decrypt, encrypt
from apps.core.models import Setting
from apps.environments.models import Environment


def stored(table: str, column: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{table}"')  # noqa: S608 - our own names
        return [row[0] for row in cursor.fetchall()]


@given(st.text())
def test_any_text_comes_back(text: str):
    assert decrypt(encrypt(text)) == text


def test_the_same_text_never_looks_the_same():
    assert encrypt("x") != encrypt("x")


def test_text_is_not_in_the_database_in_clear(db: None):
    Setting.objects.create(name="a", value="hush-hush")
    assert Setting.objects.get(name="a").value == "hush-hush"
    assert "hush" not in stored("core_setting", "value")[0]


def test_empty_text_stays_empty(db: None):
    Setting.objects.create(name="a", value="")
    assert stored("core_setting", "value") == [""]
    assert Setting.objects.get(name="a").value == ""


def test_an_update_is_encrypted_too(db: None):
    Setting.objects.create(name="a", value="one")
    Setting.objects.filter(name="a").update(value="hush-hush")
    assert "hush" not in stored("core_setting", "value")[0]
    assert Setting.objects.get(name="a").value == "hush-hush"


def test_json_is_not_in_the_database_in_clear(lab: Environment):
    spec = {"environment": {"DB_PASSWORD": "hush-hush"}, "list": [1, None, True]}
    Container.all_objects.create(environment=lab, name="c", desired="running", spec=spec)
    assert Container.all_objects.get(name="c").spec == spec
    assert "hush" not in stored("containers_container", "spec")[0]
    assert "DB_PASSWORD" not in stored("containers_container", "spec")[0]


def test_after_a_change_of_keys_old_rows_are_read_and_new_rows_use_the_new_key(settings: Any):
    settings.FIELD_KEYS = ["old"]
    token = encrypt("hush")
    settings.FIELD_KEYS = ["new", "old"]
    assert decrypt(token) == "hush"
    fresh = encrypt("hush")
    settings.FIELD_KEYS = ["new"]
    assert decrypt(fresh) == "hush"
    with pytest.raises(InvalidToken):
        decrypt(token)


def test_a_tampered_value_is_refused():
    token = encrypt("hush")
    with pytest.raises(InvalidToken):
        decrypt(token[:-4] + "AAAA")
