"""Asks axe what is wrong with the accessibility of a page."""

from __future__ import annotations

import functools

from playwright.sync_api import Page

from tests.docker.portal_process import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# A contrast is measured when nothing is on its way in or out any more.
STILL = "document.getAnimations().forEach((each) => each.effect.getTiming().iterations === 1 && each.finish())"
RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} (${node.failureSummary.slice(0, 260)})`))"""


@functools.cache
def axe_source() -> str:
    """The checker's script."""
    return AXE.read_text()


def violations(page: Page) -> list[str]:
    """What axe finds on the open page."""
    # The debugging protocol evaluates it: the page's content security policy would refuse a script element.
    page.evaluate(axe_source())
    page.evaluate(STILL)
    return [str(each) for each in page.evaluate(RUN)]
