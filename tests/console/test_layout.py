"""The frames that pages share: what they render, and that they let no markup in."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, RequestContext, Template
from django.test import RequestFactory

from apps.console.components.listing import Listing
from apps.console.components.state_badges import badge_of


def render(source: str, **values: Any) -> str:
    """What a template with the layout tags renders, in one line."""
    request = RequestFactory().get("/list", {"q": "x", "page": "2"})
    context: Context = RequestContext(request, {"request": request, **values})
    return " ".join(Template("{% load layout %}" + source).render(context).split())


def listing(**filters: str) -> Listing:
    """A list without rows that was filtered like this."""
    return Listing([], 0, 1, 1, "", filters)


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{% page_head title note %}{% endpage_head %}", "<h1>&lt;b&gt;</h1> <p>&lt;i&gt;</p>"),
        ("{% dialog title note %}{% enddialog %}", "<h1>&lt;b&gt;</h1> <p>&lt;i&gt;</p>"),
        ('{% empty_state "box" title %}{{ note }}{% endempty_state %}', "<h2>&lt;b&gt;</h2> &lt;i&gt;"),
        ("{% fact title %}{{ note }}{% endfact %}", "<dt>&lt;b&gt;</dt> <dd>&lt;i&gt;</dd>"),
    ],
)
def test_texts_are_escaped_and_contents_are_not_escaped_twice(source: str, rendered: str):
    assert rendered in render(source, title="<b>", note="<i>").replace("<h1 >", "<h1>")


def test_a_layout_does_not_see_the_variables_of_its_page():
    head = render("{% page_head title %}{% endpage_head %}", title="A", note="of the page", badge="of the page")
    assert "of the page" not in head


def test_a_dialog_form_posts_to_its_own_page_and_shows_refusals_in_place():
    form = render('{% dialog_form "Save" %}<input name="x">{% enddialog_form %}')
    assert 'hx-post="/list"' in form
    assert 'hx-target="closest [data-frame]"' in form
    assert form.index('name="x"') < form.index("data-close") < form.index("Save")


def test_a_form_that_swaps_nothing_has_no_target():
    form = render('{% dialog_form "Delete" tone="is-danger" swap="none" %}{% enddialog_form %}')
    assert "hx-target" not in form
    assert 'class="btn is-danger"' in form


def test_a_button_with_a_reason_is_grey_and_says_why():
    buttons = render('{% dialog_buttons "Go" disabled_reason="not now" cancel_url="/back" %}')
    assert 'aria-disabled="true" title="not now"' in buttons
    assert re.search(r'<a class="btn"\s+href="/back"\s+data-close\s*>Cancel</a>', buttons)


def test_a_filter_keeps_what_was_asked_for():
    page = listing(q='"x', kind="2")
    form = render('{% filter_form "Find" %}{% filter_select "kind" "Kind" "All" kinds %}{% endfilter_form %}',
                  page=page, kinds=[(1, "one"), (2, "two"), "three"])  # fmt: skip
    assert 'value="&quot;x"' in form
    assert '<option value="1" >one</option>' in form
    assert '<option value="2" selected>two</option>' in form
    assert '<option value="three" >three</option>' in form


def test_facets_mark_the_state_shown_and_count_where_a_count_is_known():
    facets = render("{% state_facets states %}", page=listing(state="on"), states=[("on", 3), ("off", None)])
    assert 'type="hidden" name="state" value="on"' in facets
    assert 'aria-current="true">on <b>3</b>' in facets
    assert ">off</a>" in facets


@pytest.mark.parametrize(
    ("state", "kind", "shown"),
    [
        ("superseded", "", "replaced"),
        ("registering", "service", "starting"),
        ("registering", "host", "registering"),
        ("running", "container", "running"),
    ],
)
def test_facets_have_the_words_of_badges_and_filter_by_the_state(state: str, kind: str, shown: str):
    facets = render("{% state_facets states kind=kind %}", page=listing(), states=[(state, 1)], kind=kind)
    assert f'href="?q=x&amp;state={state}"' in facets
    assert f">{shown} <b>1</b></a>" in facets
    badge = badge_of(SimpleNamespace(KIND=kind, display_state=state, status={}, fault=False, message=""))
    assert badge.word == shown


@pytest.mark.parametrize(
    ("sort", "query"), [("", "q=x&amp;sort=name"), ("name", "q=x&amp;sort=-name"), ("-name", 'q=x"')]
)
def test_a_column_sorts_up_then_down_then_not_and_goes_back_to_the_first_page(sort: str, query: str):
    page = Listing([], 0, 1, 1, sort)
    column = render('{% sortable "name" "Name" "wide" %}', page=page)
    assert column.startswith('<th class="wide">')
    assert f'href="?{query}' in column
    assert "page=" not in column


def test_the_head_of_a_row_says_its_state_and_what_is_wrong_before_what_it_is():
    row = SimpleNamespace(
        name="web", message="", description="the shop", display_state="running", status={}, fault=False
    )
    assert "<p>the shop</p>" in render("{% row_head row %}{% endrow_head %}", row=row)
    row.message = "no <image>"
    head = render("{% row_head row %}{% endrow_head %}", row=row)
    assert "<p>no &lt;image&gt;</p>" in head
    assert "is-good" in head
