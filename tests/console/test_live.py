"""Pages carry the data that the browser needs to keep them current."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.kinds import KINDS
from apps.hosts.models import Host
from apps.stacks.models import Service

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates" / "console").rglob("*.html"))


def kinds_of(page: str) -> set[str]:
    """The kinds of rows whose changes refresh a page."""
    found = re.search(r'<main[^>]*data-live="([^"]*)"', page, re.DOTALL)
    assert found is not None
    return set(found[1].split())


def test_pages_say_which_changes_concern_them(browser_as: Any, at: Any, web: Service, container: Container, host: Host):
    client = browser_as("rita")
    expected = {
        at("stacks"): {"stack", "service", "container"},
        at("service", pk=web.pk): {"service", "container", "host", "deployWebhook"},
        at("container", pk=container.pk): {"container", "host"},
        at("host", pk=host.pk): {"host", "container"},
        at("keys"): {"apiKey"},
    }
    for path, kinds in expected.items():
        assert kinds_of(client.get(path).content.decode()) == kinds


def test_every_kind_a_page_waits_for_is_published():
    for path in TEMPLATES:
        for words in re.findall(r"{% block live %}(.*?){% endblock %}", path.read_text()):
            assert set(words.split()) <= {*KINDS}, path.name


def test_forms_do_not_refresh_under_the_typing_hand(browser_as: Any, at: Any, web: Service):
    client = browser_as("alice")
    for path in (at("stack-new"), at("service-new", stack=web.stack_id), at("container-new"), at("host-new")):
        assert kinds_of(client.get(path).content.decode()) == set()


def test_charts_logs_and_terminals_are_left_alone_by_a_refresh(
    browser_as: Any, at: Any, container: Container, host: Host
):
    client = browser_as("alice")
    for path, mark in (
        (at("container", pk=container.pk), f'data-source="container={container.pk}"'),
        (at("host", pk=host.pk), f'data-source="host={host.pk}"'),
        (at("container-logs", pk=container.pk), "data-logs"),
        (at("container-shell", pk=container.pk), f'data-shell="{container.pk}"'),
    ):
        tag = next(tag for tag in re.findall(r"<[^>]*>", client.get(path).content.decode()) if mark in tag)
        assert "data-keep" in tag
    page = client.get(at("container-logs", pk=container.pk)).content.decode()
    kept = page[page.index("data-logs") :].partition("</section>")[0]
    assert f'data-source="{container.pk}"' in kept


def test_a_page_whose_thing_is_gone_knows_where_to_go(browser_as: Any, at: Any, container: Container, web: Service):
    page = browser_as("rita").get(at("container", pk=container.pk)).content.decode()
    found = re.search(r'data-parent="([^"]*)"', page)
    assert found is not None
    assert found[1].strip() == at("service", pk=web.pk)


def test_rows_keep_their_identity_between_refreshes(browser_as: Any, at: Any, container: Container):
    assert f'id="container-{container.pk}"' in browser_as("rita").get(at("containers")).content.decode()


def test_what_was_seen_says_when(browser_as: Any, at: Any, container: Container):
    page = browser_as("rita").get(at("container", pk=container.pk)).content.decode()
    assert re.search(r"as of\s*<time datetime=\"[^\"]+\" data-ago", page)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_a_script_a_style_or_a_handler(path: Path):
    text = path.read_text()
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|hx-on|hx-vals=.js:|javascript:", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_words_for_people_are_marked_for_translation(path: Path):
    text = re.sub(
        r"{% block (?:live|parent) %}.*?{% endblock %}|{#.*?#}|{% blocktranslate.*?%}.*?{% endblocktranslate %}",
        "",
        path.read_text(),
        flags=re.DOTALL,
    )
    text = re.sub(r"{%.*?%}|{{.*?}}", "", text, flags=re.DOTALL)
    bare = re.sub(r"""<(?:"[^"]*"|[^>"])*>""", " ", text)
    known = {
        "Corral", "TLS", "tcp", "udp", "yml", "docker", "compose", "rancher", "stdout", "stderr", "json", "file",
        "local", "journald", "syslog", "none", "Ctrl", "thinsp", "nbsp", "stack", "environment", "GitHub", "SSH", "UTC",
        "PEM", "HTTP", "HTTPS", "TCP", "insert", "rewrite", "prefix", "global", "defaults",
    }  # fmt: skip
    assert {word for word in re.findall(r"[A-Za-z]{3,}", bare) if word not in known} == set()


def test_every_icon_that_is_used_is_in_the_sprite():
    listed = set((ROOT / "static" / "src" / "icons.txt").read_text().split("\n"))
    texts = [path.read_text() for path in [*TEMPLATES, *sorted((ROOT / "apps" / "console").rglob("*.py"))]]
    used = {
        name
        for text in texts
        for name in re.findall(r"{% icon \"([^\"{]+)\"|icon\(\"([^\"]+)\"", text)
        for name in name
        if name
    }
    assert used <= listed
