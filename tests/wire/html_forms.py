"""A browser's headers, and the forms of the pages that it is sent."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "Mozilla/5.0 (X11; Linux)"}


class Forms(HTMLParser):
    """Every form of a page by its id or action: action, method and the values of its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, Any]] = {}
        self.links: list[str] = []
        self._form: dict[str, Any] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if tag == "form":
            self._form = {"action": has["action"], "method": has["method"], "values": {}}
            self.found[has.get("id") or has["action"].rpartition("=")[2]] = self._form  # type: ignore[union-attr]
        if tag in {"input", "textarea", "select"}:
            self._form["values"][has["name"]] = has.get("value") or ""
        if tag == "a" and has.get("href"):
            self.links.append(str(has["href"]))
