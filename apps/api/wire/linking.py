"""JSON as HTML whose URLs are links."""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_QUOTE = "\0"  # stands for the escaped one while URLs are found; JSON texts never hold it bare
_URL = re.compile(r"https?://[^\s&<>\0]+(?:&amp;[^\s&<>\0]+)*")


def linked(data: Any) -> SafeString:
    """JSON as HTML, its URLs clickable."""
    text = str(escape(json.dumps(data, indent=2, ensure_ascii=False, default=str)))
    text = _URL.sub(
        lambda found: f'<a href="{found[0].removesuffix("&quot;")}">{found[0]}</a>', text.replace("&quot;", _QUOTE)
    )
    return mark_safe(text.replace(_QUOTE, "&quot;"))  # noqa: S308 - escaped above
