"""The User-Agent of a browser or program in a few words."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

# The first match counts: most browsers also claim to be others.
_BROWSERS = (
    (r"Edg(?:e|A|iOS)?/(\d+)", "Edge"),
    (r"OPR/(\d+)", "Opera"),
    (r"Firefox/(\d+)", "Firefox"),
    (r"(?:Headless)?Chrom(?:e|ium)/(\d+)", "Chrome"),
    (r"Version/(\d{1,4})[.\d]{0,20} (?:Mobile/\S{1,20} )?Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def agent(text: str) -> str:
    """`Firefox 140 on Linux`; for a program that is not a browser, its first word."""
    for pattern, name in _BROWSERS:
        found = re.search(pattern, text)
        if found:
            system = next((system_name for word, system_name in _SYSTEMS if word in text), "")
            return f"{name} {found[1]}" + (_(" on %(system)s") % {"system": system} if system else "")
    return text.split(maxsplit=1)[0][:60] if text.split() else _("unknown")
