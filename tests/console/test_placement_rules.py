"""Placement rules in forms: sentences instead of labels, there and back, and refused where they say nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from apps.console.containers.rules_form import RuleRow, submitted_rules, take_rules, with_rules
from apps.core.errors import Invalid
from apps.hosts.affinity import PREFIX
from apps.stacks.models import Service, Stack

WORDS = st.text("abz/._-${}", min_size=1, max_size=8)
ROWS = st.one_of(
    st.tuples(st.sampled_from(["host_label", "container_label"]), WORDS, WORDS),
    st.tuples(st.sampled_from(["service", "container"]), st.just(""), WORDS),
)
STRENGTHS = st.sampled_from(["must", "must_not", "should", "should_not"])


@pytest.mark.parametrize(
    ("row", "label", "text"),
    [
        (("must", "host_label", "disk", "ssd"), "host_label", "disk=ssd"),
        (("should_not", "host_label", "spot", "true"), "host_label_soft_ne", "spot=true"),
        (("must_not", "container_label", "app", "db"), "container_label_ne", "app=db"),
        (("should", "container", "", "shop_web_1"), "container_soft", "shop_web_1"),
        (
            ("must_not", "service", "left over", "${stack_name}/${service_name}"),
            "container_label_ne",
            "io.rancher.stack_service.name=${stack_name}/${service_name}",
        ),
    ],
)
def test_a_sentence_is_one_of_ranchers_labels(row: RuleRow, label: str, text: str):
    labels = with_rules({"a": "b"}, [row])
    assert labels == {"a": "b", f"{PREFIX}{label}": text}
    strength, subject, name, value = row
    shown = (strength, subject, "" if subject == "service" else name, value)
    assert take_rules(labels) == ([shown], {"a": "b"})


@given(st.lists(st.tuples(STRENGTHS, ROWS), max_size=6))
def test_what_is_read_back_means_the_same(rules: list[tuple[str, tuple[str, str, str]]]):
    labels = with_rules({}, [(strength, *row) for strength, row in rules])
    rows, others = take_rules(labels)
    assert with_rules(others, rows) == labels


@pytest.mark.parametrize("text", ["", "a,,b", "a=", "=b", " ", "a", "a=b,c"])
def test_a_label_that_no_sentence_can_hold_stays_a_label(text: str):
    labels = {f"{PREFIX}host_label": text}
    assert take_rules(labels) == ([], labels)
    misspelt = {f"{PREFIX}host_labels": "a=b"}
    assert take_rules(misspelt) == ([], misspelt)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("must", "host_label", "", "ssd"), "name of the label"),
        (("must", "host_label", "disk", ""), "value that the label disk has"),
        (("must", "container_label", "app", ""), "value that the label app has"),
        (("must", "host_label", "a,b", "c"), "commas"),
        (("must", "host_label", "a=b", "c"), "“=”"),
        (("perhaps", "host_label", "a", "b"), "from the list"),
        (("must", "moon", "a", "b"), "from the list"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(row: RuleRow, words: str):
    with pytest.raises(Invalid, match=words) as refused:
        with_rules({}, [row])
    assert refused.value.field == "rules"


def sent_rules(*rows: RuleRow) -> dict[str, list[str]]:
    return {
        name: [row[at] for row in rows]
        for at, name in enumerate(("ruleStrength", "ruleSubject", "ruleName", "ruleValue"))
    }


def test_a_service_is_added_with_rules_copied_with_them_and_upgraded_to_others(
    shop: Stack, at: Any, browser_as: Any, run_loop: Any
):
    bob = browser_as("bob")
    form = {"name": "api", "image": "nginx", "scale": "1", "runs": "number"}
    rules = sent_rules(("must", "host_label", "disk", "ssd"), ("must_not", "service", "", "shop/web"))
    bob.post(at("service-new", stack=shop.pk), {**form, **rules})
    row = Service.all_objects.get(name="api")
    assert dict(row.config.labels) == {
        f"{PREFIX}host_label": "disk=ssd",
        f"{PREFIX}container_label_ne": "io.rancher.stack_service.name=shop/web",
    }
    copy = bob.get(at("service-clone", pk=row.pk)).content.decode()
    assert 'value="shop/web"' in copy
    assert "affinity:container_label_ne" not in copy
    run_loop()
    changed = sent_rules(("should", "host_label", "disk", "ssd"))
    path = at("service-upgrade", pk=row.pk)
    assert 'value="disk"' in bob.get(path).content.decode()
    bob.post(path, {**form, **changed, "batchSize": "1", "interval": "2", "order": "stop-first"})
    row.refresh_from_db()
    assert dict(row.config.labels) == {f"{PREFIX}host_label_soft": "disk=ssd"}


def test_a_wrong_rule_is_shown_in_the_form_and_makes_nothing(shop: Stack, at: Any, browser_as: Any):
    form = {"name": "api", "image": "nginx", "scale": "1", **sent_rules(("must", "host_label", "", "ssd"))}
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), form)
    assert answer.status_code == 422
    assert "Enter the name of the label" in answer.content.decode()
    assert 'value="ssd"' in answer.content.decode()
    assert not Service.all_objects.filter(name="api").exists()


def test_a_label_that_is_no_rule_is_refused_at_the_labels(shop: Stack, at: Any, browser_as: Any):
    form = {"name": "api", "image": "nginx", "scale": "1", "labels": f"{PREFIX}host_label=foo"}
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), form)
    assert answer.status_code == 422
    assert "write name=value" in answer.content.decode()
    assert not Service.all_objects.filter(name="api").exists()


def test_a_rule_of_before_that_names_no_value_is_shown_as_a_label_and_can_be_corrected(
    shop: Stack, at: Any, browser_as: Any, run_loop: Any
):
    bob = browser_as("bob")
    form = {"name": "api", "image": "nginx", "scale": "1", "runs": "number"}
    bob.post(at("service-new", stack=shop.pk), form)
    run_loop()
    row = Service.all_objects.get(name="api")
    row.spec = {**row.spec, "labels": {f"{PREFIX}host_label": "ssd"}}
    row.save(update_fields=["spec"])
    path, upgrade = at("service-upgrade", pk=row.pk), {"batchSize": "1", "interval": "2", "order": "stop-first"}
    assert f"{PREFIX}host_label=ssd" in bob.get(path).content.decode()
    assert bob.post(path, {**form, **upgrade, "labels": f"{PREFIX}host_label=ssd=true"}).status_code < 400
    row.refresh_from_db()
    assert dict(row.config.labels) == {f"{PREFIX}host_label": "ssd=true"}


def test_rows_without_a_rule_are_left_out():
    form = QueryDict(mutable=True)
    for name, texts in sent_rules(("must", "host_label", "", ""), ("must", "service", "x", "")).items():
        form.setlist(name, texts)
    assert submitted_rules(form) == []
