"""READMEs of templates from anywhere: what they may look like on a page, and what they can never do to it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.readme import MAX_README, render_readme
from tests.catalog.library_files import FOLDER, TEMPLATES

TAGS = {
    "p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "a", "em", "strong", "code", "pre", "blockquote", "hr", "br",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


class Seen(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_decl(self, decl: str) -> None:
        self.tags.append(decl)

    def handle_comment(self, data: str) -> None:
        self.tags.append(data)


def require_safe(html: str) -> None:
    seen = Seen(html)
    assert set(seen.tags) <= TAGS
    for name, value in seen.attributes:
        assert name in {"href", "rel"}
        if name == "href":
            assert str(value).lower().startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (
            "# Shop\n\nSells *things* & **more**.",
            "<h3>Shop</h3>\n<p>Sells <em>things</em> &amp; <strong>more</strong>.</p>\n",
        ),
        ("###### deep", "<h6>deep</h6>\n"),
        ("* a\n* b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", "<ol>\n<li>a</li>\n</ol>\n"),
        ("```sh\nls <x>\n```", "<pre><code>ls &lt;x&gt;\n</code></pre>\n"),
        ("    ls", "<pre><code>ls\n</code></pre>\n"),
        (
            "[site](https://a.example/?b=1&c=2)",
            '<p><a href="https://a.example/?b=1&amp;c=2" rel="noopener noreferrer nofollow">site</a></p>\n',
        ),
        ("[file](docs/x.md) and [part](#x)", "<p>file and part</p>\n"),
        ("![a picture](https://a.example/x.png 'title')", "<p>a picture</p>\n"),
        ("a <b>bold</b> word<!-- hidden -->", "<p>a bold word</p>\n"),
        ("", ""),
    ],
)
def test_markdown_becomes_plain_html(text: str, html: str) -> None:
    assert render_readme(text) == html


def test_a_table_is_one_without_styles() -> None:
    html = render_readme("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert "<th>a</th>" in html
    assert "<td>2</td>" in html
    require_safe(html)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "[a](//evil.example)",
    "[a](\\javascript:alert(1))",
    "[a](java&#115;cript:alert(1))",
    '[a](https://x.example/"onmouseover=alert(1)//)',
    "<javascript:alert(1)>",
    "![a](javascript:alert(1))",
    "![<script>](x)",
    "[<img src=x onerror=alert(1)>](https://x.example)",
    '```"><script>alert(1)</script>\nx\n```',
    "``` <img src=x onerror=alert(1)>\nx\n```",
    "[a]: javascript:alert(1)\n\n[a]",
    "<a href='javascript:alert(1)'>x</a>",
    "# <iframe src=//evil.example></iframe>",
    "| <script>alert(1)</script> | b |\n|---|---|\n| <style>*{}</style> | 2 |",
    "<!doctype html><html>",
    "<![CDATA[x]]>",
    "<?php x ?>",
    "[a](https://x.example 'title\" onclick=\"alert(1)')",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_runs_gets_onto_the_page(text: str) -> None:
    require_safe(render_readme(text))


@pytest.mark.parametrize(
    "text", ["[" * 5000, "*a " * 5000, "> " * 5000 + "a", "- " * 2000 + "a", "`" * 9999, "![[" * 5000, "<" * 9999]
)
def test_a_text_that_is_made_to_be_slow_is_shown_all_the_same(text: str) -> None:
    require_safe(render_readme(text))


def test_a_long_text_is_cut() -> None:
    html = render_readme("word " * MAX_README)
    assert MAX_README - 10 <= len(html) <= MAX_README + 10


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_readmes_of_the_library_are_shown_whole(name: str) -> None:
    html = render_readme((FOLDER / name / "README.md").read_text())
    require_safe(html)
    assert html.startswith("<h3>")


PIECES = st.sampled_from([
    "[", "](", ")", "!", "<", ">", "a", "javascript:", "https://x", "`", "*", "\n", "|", "-", "&#", '"', "'", "#", " ",
    "\\", "<script>", "\n    ",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_becomes_safe_html(text: str) -> None:
    require_safe(render_readme(text))
