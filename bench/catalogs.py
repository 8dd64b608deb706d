"""`python -m bench.catalogs`: a catalog of 130 templates with 9,360 versions, from its address to its pages."""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.catalog.repositories import Repository, template_files, version_files
from tests.docker.portal_process import DEFAULT_ENVIRONMENT, PASSWORD, PortalProcess, wait_until

TEMPLATES, VERSIONS = 130, 72
FIRST_SECONDS, AGAIN_SECONDS, PAGE_SECONDS, MEMORY_RATIO = 5.0, 1.0, 0.2, 1.5
_REST, _LOADS = 60.0, 10


def main() -> int:
    """Print the figures; the exit code says whether the limits hold."""
    with tempfile.TemporaryDirectory(prefix="corral-bench-") as folder:
        repository = Repository(Path(folder) / "repository")
        versions = {number: f"1.{number}" for number in range(VERSIONS)}
        for number in range(TEMPLATES):
            repository.write(template_files(f"templates/app{number}", f"App {number}", versions))
        repository.commit()
        portal = PortalProcess(
            Path(folder) / "portal", "unix:///nonexistent.sock", DJANGO_SETTINGS_MODULE="bench.local_catalogs"
        )
        portal.data_dir.mkdir()
        portal.start()
        try:
            return 0 if _measure(portal, repository) else 1
        finally:
            portal.end(signal.SIGKILL)


def _measure(portal: PortalProcess, repository: Repository) -> bool:
    api, browser = portal.api(), _log_in(portal)
    list_page = f"{portal.base}/env/{DEFAULT_ENVIRONMENT}/catalog"
    _middle_seconds(lambda: browser.get(list_page, timeout=30))
    time.sleep(10)
    memory = portal.memory()
    began = time.monotonic()
    catalog = api.create("catalogs", name="big", url=repository.url)
    _until_versions(portal, TEMPLATES * VERSIONS)
    passed = _report("a new catalog, from its address to 9,360 versions", time.monotonic() - began, "s", FIRST_SECONDS)
    api.until_state(catalog, "active")
    repository.commit({f"templates/app7/72/{path}": text for path, text in version_files("App 7", "2.0").items()})
    began = time.monotonic()
    api.act(api.reload(catalog), "refresh")
    _until_versions(portal, TEMPLATES * VERSIONS + 1)
    passed &= _report("one version more, from the refresh on", time.monotonic() - began, "s", AGAIN_SECONDS)
    ((template,),) = portal.rows("SELECT id FROM catalog_template WHERE name = 'App 7'")
    for what, load in (
        ("the console's list of templates, median of 10", lambda: browser.get(list_page, timeout=30)),
        ("a template's page", lambda: browser.get(f"{list_page}/{template}", timeout=30)),
        ("the form that launches it", lambda: browser.get(f"{list_page}/{template}/launch", timeout=30)),
        ("the list as old clients read it", lambda: api.request("GET", f"{portal.base}/v1-catalog/templates")),
    ):
        passed &= _report(what, _middle_seconds(load), "s", PAGE_SECONDS)
    time.sleep(_REST)
    return passed & _report("memory (PSS) a minute later, of what it was", portal.memory() / memory, "x", MEMORY_RATIO)


def _until_versions(portal: PortalProcess, count: int) -> None:
    query = "SELECT sum(versions_count) FROM catalog_template WHERE key LIKE 'app%'"
    wait_until(lambda: portal.rows(query)[0][0] == count, seconds=120, what=f"{count} versions")


def _log_in(portal: PortalProcess) -> requests.Session:
    browser = requests.Session()
    browser.get(f"{portal.base}/login", timeout=30)
    form = {"login": "root", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["corral_csrf"]}
    browser.post(f"{portal.base}/login", form, timeout=30).raise_for_status()
    return browser


def _middle_seconds(load: Callable[[], Any]) -> float:
    """The median time of what is loaded again and again; an error ends the run."""
    times = []
    for _ in range(_LOADS):
        began = time.monotonic()
        answer = load()
        times.append(time.monotonic() - began)
        if isinstance(answer, requests.Response):
            answer.raise_for_status()
            assert not answer.history, answer.url
    return statistics.median(times)


def _report(what: str, figure: float, unit: str, limit: float) -> bool:
    print(f"  {what:<58} {figure:8.2f} {unit}   <= {limit:g} {unit}", flush=True)
    return figure <= limit


if __name__ == "__main__":
    sys.exit(main())
