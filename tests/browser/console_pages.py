"""Finding the pages of the console by following its links, and what of them is too wide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Page

MANY = 250
WINDOWS = ((390, 844), (1440, 900))
# What each role may do, and what runs where: on a phone they scroll in their frame, beside the first column.
MATRIX = ".kinds, .versions"
TOO_WIDE = """(matrix) => [document.documentElement, ...document.querySelectorAll(".sheet")]
    .filter((each) => each === document.documentElement || !each.querySelector(matrix))
    .filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => `${each.className || "the page"}: ${each.scrollWidth} > ${each.clientWidth}`)"""
LINKS = """() => [...document.querySelectorAll("a[href], template")].flatMap((each) =>
    each.content ? [...each.content.querySelectorAll("a[href]")] : [each]).map((each) => each.href)"""


def page_shape(path: str) -> str:
    """The path without ids and query values: pages that differ only in these count as one."""
    parts = urlsplit(path)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&") if pair})
    return re.sub(r"/\d+", "/N", parts.path) + (f"?{','.join(names)}" if names else "")


def is_download(path: str) -> bool:
    """Whether the link leads to a file, which a browser would keep instead of showing it."""
    inside = urlsplit(path).path
    is_file = inside.endswith(("/file", "/archive", "/download")) or inside.startswith("/cli/")
    return is_file or "file=" in path or "export=" in path


def console_links(page: Page, base: str) -> list[str]:
    """The links of the page that stay in the console."""
    found = [str(link).partition("#")[0] for link in page.evaluate(LINKS)]
    inside = [link.removeprefix(base) for link in found if link.startswith(f"{base}/")]
    return [path for path in inside if not path.startswith(("/v1", "/static", "/logout"))]


def walk_console(page: Page, base: str) -> Iterator[tuple[str, int]]:
    """Every page that can be reached by links, each shape once, with its status; the page is open meanwhile."""
    todo, done = ["/"], set[str]()
    while todo and len(done) < MANY:
        path = todo.pop(0)
        if page_shape(path) in done:
            continue
        done.add(page_shape(path))
        if is_download(path):
            yield path, page.request.get(path).status
            continue
        answer = page.goto(path)
        yield path, answer.status if answer else 0
        todo += console_links(page, base)
    left = [path for path in todo if page_shape(path) not in done]
    assert left == [], f"more than {MANY} pages, these were not opened: {left[:10]}"


def too_wide(page: Page) -> list[str]:
    """What has to be scrolled sideways to be read, on a phone or at a desk."""
    found: list[str] = []
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"at {width} px {each}" for each in page.evaluate(TOO_WIDE, MATRIX)]
    return found
