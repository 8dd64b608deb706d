"""What shows a secret is kept by no browser and no proxy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/account/keys/new", {"name": "ci", "role": "member"}),
        ("/account/factor/new", {"code": "000000"}),
        ("/account/password", {"current": "wrong", "password": "x"}),
    ],
)
def test_no_answer_to_a_change_is_stored(people: Any, browser: Any, path: str, sent: dict[str, str]):
    answer = browser("alice").post(path, sent)
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_page_with_the_secret_of_an_authenticator_is_not_stored(people: Any, browser: Any):
    assert browser("alice").get("/account/factor/new").headers["Cache-Control"] == "no-store"


def test_a_token_is_not_stored(people: Any):
    body = json.dumps({"code": f"alice:{PASSWORD}"})
    answer = Client().post("/v1/token", body, content_type="application/json")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
