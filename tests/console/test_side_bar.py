"""The side bar marks where one is, exactly once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.console.templatetags.console import _section
from apps.environments.models import Environment
from apps.stacks.models import Service


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/env/5/stacks/1/activity", "stacks"),
        ("/env/5/services/1/activity", "services"),
        ("/env/5/containers/3/logs", "containers"),
        ("/env/5/activity/7", "activity"),
        ("/environments/5", "members"),
        ("/environments/6", "environments"),
        ("/environments", "environments"),
        ("/admin/audit/7", "admin/audit"),
        ("/account/keys", "account"),
        ("/", ""),
    ],
)
def test_a_page_belongs_to_one_entry(path: str, section: str):
    assert _section(path, Environment(pk=5)) == section


def test_a_services_activity_marks_the_stacks_only(browser_as: Any, at: Any, web: Service):
    page = browser_as("alice").get(at("service-activity", pk=web.pk)).content.decode()
    side = page[page.index("<aside") : page.index("</aside>")]
    assert len(re.findall("aria-current", side)) == 1
    assert re.search(r'data-jump="s"\s+aria-current="page"', side)


@pytest.mark.parametrize(("theme", "shown"), [("dark", "dark"), ("", "auto"), ("pink", "auto")])
def test_a_page_that_does_not_exist_is_dressed_in_the_theme(client: Any, db: None, theme: str, shown: str):
    client.cookies["corral_theme"] = theme
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    page = answer.content.decode()
    assert f'data-theme="{shown}"' in page
    assert "This page does not exist" in page
