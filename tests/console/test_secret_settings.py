"""Settings that are secrets, on their page: typed, kept when nothing is typed, and never shown."""

from __future__ import annotations

from typing import Any

from apps.control.models import AuditEntry
from apps.core.defaults import setting

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
HX = {"HX-Request": "true"}


def everything_recorded() -> str:
    return str([(each.request, each.response) for each in AuditEntry.all_objects.all()])


def test_the_page_never_shows_the_key_and_keeps_it_when_nothing_is_typed(browser_as: Any, people: Any):
    del people
    page, client = "/admin/settings", browser_as("root")
    sent = {"acme.eab.kid": "kid-7", "seen:acme.eab.kid": "", "acme.eab.hmac": SECRET}
    assert client.post(f"{page}/certificates", sent, headers=HX).status_code < 400
    shown = client.get(page).content.decode()
    assert SECRET not in shown
    assert 'type="password"' in shown
    client.post(f"{page}/certificates", {"acme.eab.kid": "kid-8", "seen:acme.eab.kid": "kid-7", "acme.eab.hmac": ""})
    assert (setting("acme.eab.kid"), setting("acme.eab.hmac")) == ("kid-8", SECRET)
    client.post(f"{page}/certificates", {"reset": "acme.eab.hmac"})
    assert setting("acme.eab.hmac") == ""
    assert SECRET not in everything_recorded()
