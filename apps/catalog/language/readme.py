"""READMEs of templates as HTML that is safe to show: Markdown without HTML of its own, pictures or scripts; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

MAX_README = 64 * 1024
"""Characters that are shown; what comes after them is left out."""
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_OUTER = 2
"""By how much headings are lower: the page around them has the first two levels."""


class _Renderer(RendererHTML):
    """Writes tags without attributes; links lead to other sites only, and say so."""

    def renderToken(  # noqa: N802 - the library's name
        self, tokens: Sequence[Token], idx: int, options: Any, env: Any
    ) -> str:
        """One tag, without what the text wants to add to it."""
        token = tokens[idx]
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _OUTER)}"
        token.attrs = {}
        return super().renderToken(tokens, idx, options, env)


def _write_link(renderer: Any, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    """A link to another site; one that leads elsewhere is its text alone, as the repository's files are not here."""
    target = str(tokens[at].attrGet("href") or "")
    env.setdefault("links", []).append(bool(_LINK.match(target)))
    del renderer
    return f'<a href="{escape(target)}" rel="noopener noreferrer nofollow">' if env["links"][-1] else ""


def _close_link(_renderer: Any, _tokens: Sequence[Token], _at: int, _options: Any, env: Any) -> str:
    return "</a>" if env.get("links") and env["links"].pop() else ""


def _write_picture(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """What a picture is called: fetched, it would tell its server who reads this page."""
    return escape(renderer.renderInlineAsText(tokens[at].children or [], options, env))


def _leave_out(_renderer: Any, _tokens: Sequence[Token], _at: int, _options: Any, _env: Any) -> str:
    return ""


def _write_code(_renderer: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    return f"<pre><code>{escape(tokens[at].content)}</code></pre>\n"


def _build() -> MarkdownIt:
    found = MarkdownIt("commonmark", {"maxNesting": 20}, renderer_cls=_Renderer).enable("table")
    for name, rule in {
        "link_open": _write_link,
        "link_close": _close_link,
        "image": _write_picture,
        "html_block": _leave_out,
        "html_inline": _leave_out,
        "fence": _write_code,
        "code_block": _write_code,
    }.items():
        found.add_render_rule(name, rule)
    return found


_MARKDOWN = _build()


def render_readme(text: str) -> str:
    """The HTML of a README: paragraphs, headings, lists, tables, code, and links to other sites.

    HTML inside the text is left out. Never raises; a text that cannot be read is shown as it is.
    """
    shown = text[:MAX_README].replace("\0", "")
    try:
        return str(_MARKDOWN.render(shown, {}))
    except (ValueError, LookupError, RecursionError):
        return f"<pre>{escape(shown)}</pre>\n"
