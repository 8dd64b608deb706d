"""Refusals of engines and registries in words: real messages of Docker 20 to 27 and of common registries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.pull_failures import OTHER, classify_pull_failure

LINES = (Path(__file__).parent / "pull_messages.txt").read_text().splitlines()
MESSAGES = [tuple(line.split(" | ", 1)) for line in LINES]


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_what_a_message_means(kind: str, message: str):
    found = classify_pull_failure(f"app:1 could not be pulled: {message}")
    assert found.kind == kind


@given(st.text(max_size=300))
def test_every_message_has_a_cause_and_a_remedy(message: str):
    found = classify_pull_failure(message)
    assert found.cause.endswith(".")
    assert found.remedy.endswith(".")
    assert found.summary(message) == f"Image pull failed: {message if found is OTHER else found.cause}"


def test_a_huge_message_is_cut_before_it_is_searched():
    assert classify_pull_failure("x" * 10_000_000 + "no such host") is OTHER


@pytest.mark.parametrize("image", ["acme/timeout-429:denied", "x509.example:401/404/certificate"])
def test_the_words_of_the_image_s_name_do_not_count(image: str):
    assert classify_pull_failure(f"{image} could not be pulled: something new", image) is OTHER
    assert classify_pull_failure(f"{image} could not be pulled: no such host", image).kind == "no such host"
