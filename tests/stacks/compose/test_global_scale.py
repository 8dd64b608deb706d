"""Services of files that run on each host: a scale beside that says nothing, a label that says neither yes nor no."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, parse

LABEL = "labels: {io.rancher.scheduler.global: 'true'}"


def web(keys: str, rancher: str = "") -> ComposeService:
    (found,) = parse(f"web: {{image: a, {keys}}}", f"web: {{{rancher}}}" if rancher else "").services
    return found


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ("deploy: {mode: global, replicas: 3}", "`deploy.replicas`"),
        ("deploy: {mode: global, replicas: 0}", "`deploy.replicas`"),
        (f"scale: 2, {LABEL}", "`scale`"),
    ],
)
def test_a_scale_in_the_compose_file_is_refused_with_its_line(keys: str, where: str):
    with pytest.raises(Invalid, match="line 1") as refused:
        web(keys)
    assert where in refused.value.message
    assert "one container on each host" in refused.value.message


@pytest.mark.parametrize("keys", ["deploy: {mode: global, replicas: 1}", f"scale: 1, {LABEL}", LABEL])
def test_a_scale_of_one_is_taken(keys: str):
    found = web(keys)
    assert (found.scale, found.has_scale, found.warnings) == (1, False, ())


def test_the_scale_of_a_file_for_rancher_which_did_not_look_at_it_is_a_warning():
    found = web(LABEL, "scale: 3")
    assert (found.scale, found.has_scale) == (1, False)
    assert found.warnings == ("web: `scale` is not used: it has one container on each host.",)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("io.rancher.scheduler.global", "maybe"),
        ("io.rancher.container.start_once", "sometimes"),
        ("io.rancher.container.pull_image", "daily"),
    ],
)
def test_a_label_that_says_neither_yes_nor_no_is_left_out_as_rancher_did_not_follow_it(label: str, value: str):
    found = web(f"labels: {{{label}: {value}}}")
    assert found.config.labels == {}
    assert [label in text and repr(value) in text for text in found.warnings] == [True]


@pytest.mark.parametrize(
    "value", ["'true'", "'TRUE '", "'yes'", "'on'", "'1'", "'false'", "'no'", "'off'", "'0'", "''"]
)
def test_words_for_yes_and_no_are_kept(value: str):
    found = web(f"labels: {{io.rancher.scheduler.global: {value}}}")
    assert (len(found.config.labels), found.warnings) == (1, ())
    assert found.has_scale is False


def test_a_limit_that_no_engine_takes_is_refused_at_its_key():
    with pytest.raises(Invalid, match=r"`mem_limit`: The memory limit is 4\.0 MB") as refused:
        web("mem_limit: 4m")
    assert refused.value.code == "MinLimitExceeded"
    with pytest.raises(Invalid, match="`deploy`: The reserved memory"):
        web("deploy: {resources: {limits: {memory: 16m}, reservations: {memory: 32m}}}")
