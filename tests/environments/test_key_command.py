"""`manage.py api_key` makes keys with the limits that the API knows."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import ApiKey
from apps.accounts.selectors import find_usable_key
from apps.environments.models import Environment


def made(**options: Any) -> dict[str, str]:
    out = StringIO()
    call_command("api_key", stdout=out, **options)
    found: dict[str, str] = json.loads(out.getvalue())
    return found


def test_a_key_of_an_account_works_at_once(people: Any):
    pair = made(login="BOB")
    key = find_usable_key(pair["accessKey"], pair["secretKey"])
    assert key is not None
    assert (key.account, key.role, key.expires, key.addresses) == (people.bob, "", None, [])


@pytest.mark.parametrize("inside", [True, False])
def test_limits_are_taken(people: Any, lab: Environment, *, inside: bool):
    limits = {"role": "readonly", "expires": "2099-01-01", "address": ["10.0.0.0/8", "::1"]}
    pair = made(login="bob", environment=lab.pk if inside else None, **limits)
    key = ApiKey.objects.get(public_value=pair["accessKey"])
    assert (key.scope.role if inside else key.role) == "readonly"
    assert (f"{key.expires:%Y-%m-%d}", key.addresses) == ("2099-01-01", ["10.0.0.0/8", "::1/128"])
    assert ("environment" in pair) is inside


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"login": "nobody"}, "no account"),
        ({"login": "bob", "environment": 99999}, "no environment"),
        ({"login": "bob", "role": "king"}, "no role"),
        ({"login": "bob", "expires": "soon"}, "is not a valid time"),
        ({"login": "bob", "expires": "2001-01-01"}, "in the past"),
        ({"login": "bob", "address": ["here"]}, "not an address or network"),
    ],
)
def test_what_cannot_be_is_refused_in_words(people: Any, options: Any, words: str):
    with pytest.raises(CommandError, match=words):
        made(**options)
    assert not ApiKey.objects.exists()
