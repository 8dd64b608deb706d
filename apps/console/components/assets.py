"""Built assets by their source names: stylesheets, scripts, the icon sprite; pages stay readable without them."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


@functools.lru_cache(maxsize=4)
def _read_manifest(folder: Any, _period: int) -> dict[str, Any]:
    try:
        return dict(json.loads((Path(folder) / "static" / "dist" / "manifest.json").read_text()))
    except OSError:
        return {}


def _manifest() -> dict[str, Any]:
    """The manifest of the build, read again every minute (every second with DEBUG); empty when nothing was built."""
    # The second argument is only there to expire the cache.
    return _read_manifest(settings.BASE_DIR, int(time.monotonic() / (1 if settings.DEBUG else 60)))


def _static(name: str) -> str:
    return f"{settings.STATIC_URL}{name}"


def asset(name: str) -> str:
    """The URL of a built file by its source name; empty when it was not built."""
    entry = _manifest().get(f"static/src/{name}")
    return _static(f"dist/{entry['file']}") if entry else ""


def head_assets() -> SafeString:
    """The stylesheets and the script of every page; a plain stylesheet when nothing was built."""
    entry = _manifest().get("static/src/main.js")
    mark = format_html('<link rel="icon" href="{}" type="image/svg+xml">', _static("src/mark.svg"))
    if not entry:
        return format_html('{}<link rel="stylesheet" href="{}">', mark, _static("src/plain.css"))
    sheets = format_html_join(
        "", '<link rel="stylesheet" href="{}">', ((_static(f"dist/{name}"),) for name in entry.get("css", []))
    )
    script = _static(f"dist/{entry['file']}")
    return format_html('{}{}<script type="module" src="{}"></script>', mark, sheets, script)


def icon(name: str, extra: str = "") -> SafeString:
    """An icon from the sprite."""
    return _render_icon(asset("icons.svg"), name, extra)


@functools.lru_cache(maxsize=512)
def _render_icon(sprite: str, name: str, extra: str) -> SafeString:
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>', extra, sprite, name)
