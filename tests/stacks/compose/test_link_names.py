"""Links of compose files: what they may be called, one name for one service, aliases that lead to themselves."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import export, parse

ALIAS = "image: rancher/dns-service"
SELECTOR = "io.rancher.service.selector.link"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("w: {image: a, links: ['db:a/b']}\ndb: {image: a}", "InvalidCharacters", "'a/b' is no name for a link"),
        ("w: {image: a, links: ['db:x', 'c:X']}\ndb: {image: a}\nc: {image: a}", "NotUnique", "called 'X'"),
        ("w: {image: a, links: ['db:x'], external_links: ['o/db:x']}\ndb: {image: a}", "NotUnique", "called 'x'"),
        ("w: {image: a, external_links: ['o/a:x', 'o/b:x']}", "NotUnique", "called 'x'"),
        (f"w: {{{ALIAS}, links: [w]}}", "InvalidReference", "lead to itself (w → w)"),
        (f"w: {{{ALIAS}, links: [v]}}\nv: {{{ALIAS}, links: ['w:x']}}", "InvalidReference", "(w → v → w)"),
        (
            f"w: {{{ALIAS}, links: [v], labels: {{a: b}}}}\nv: {{{ALIAS}, labels: {{{SELECTOR}: a=b}}}}",
            "InvalidReference",
            "(w → v → w)",
        ),
        (
            f"w: {{{ALIAS}, labels: {{a: b, {SELECTOR}: a=c}}}}\nv: {{{ALIAS}, labels: {{a: c, {SELECTOR}: a=b}}}}",
            "InvalidReference",
            "`labels`: This alias would lead to itself (w → v → w)",
        ),
    ],
)
def test_a_link_that_leads_nowhere_or_to_two_is_refused_with_its_line(text: str, code: str, words: str):
    with pytest.raises(Invalid, match="line 1") as refused:
        parse(text)
    assert (refused.value.code, words in refused.value.message) == (code, True), refused.value.message


def test_links_to_services_of_one_name_in_different_stacks_have_the_stack_in_their_names():
    text = "w: {image: a, links: [db], external_links: ['one/db', 'two/db', 'two/db:x']}\ndb: {image: a}"
    found = parse(text).services[0]
    assert found.links == (("db", "db"),)
    assert found.external_links == (("one/db", "db.one"), ("two/db", "db.two"), ("two/db", "x"))


def test_targets_of_one_name_in_other_stacks_have_a_rule_each():
    rules = "w: {lb_config: {port_rules: [{source_port: 80, service: one/web}, {source_port: 81, service: two/web}]}}"
    (found,) = parse("w: {image: rancher/lb-service-haproxy, ports: ['80', '81']}", rules).services
    assert found.external_links == (("one/web", "web"), ("two/web", "web.two"))
    assert {alias: len(each) for alias, each in found.rules.items()} == {"web": 1, "web.two": 1}
    assert parse(*export([found])).services == (found,)
