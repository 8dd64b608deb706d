"""Asks axe what is wrong with the accessibility of a page."""

from __future__ import annotations

import functools

from playwright.sync_api import Page

from tests.docker.portal_process import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# The dark theme is other colours and nothing else (tokens.css): what does not look at colours need not look twice.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
# A contrast is measured when nothing is on its way in or out any more.
RUN = """async (colourRules) => {
    const root = document.documentElement, before = root.dataset.theme, found = [];
    for (const [theme, part] of [["light", {}], ["dark", {runOnly: colourRules}]]) {
        root.dataset.theme = theme;
        document.getAnimations().forEach((each) => each.effect.getTiming().iterations === 1 && each.finish());
        const {violations} = await axe.run(document, {resultTypes: ["violations"], ...part});
        found.push(...violations.flatMap((rule) => rule.nodes.map((node) =>
            `${theme}: ${rule.id}: ${node.html.slice(0, 160)} (${node.failureSummary.slice(0, 260)})`)));
    }
    root.dataset.theme = before;
    return found;
}"""


@functools.cache
def axe_source() -> str:
    """The checker's script."""
    return AXE.read_text()


def violations(page: Page) -> list[str]:
    """What axe finds on the open page, in the light theme and in the dark one."""
    # A page that is still arriving has elements without the text that follows them.
    page.wait_for_load_state()
    # The debugging protocol evaluates it: the page's content security policy would refuse a script element.
    page.evaluate(axe_source())
    return [str(each) for each in page.evaluate(RUN, COLOUR_RULES)]
