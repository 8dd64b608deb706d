"""Settings that are secrets: written by administrators, shown to nobody, and not in the audit log."""

from __future__ import annotations

from typing import Any

from apps.control.models import AuditEntry
from apps.core.defaults import setting

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def everything_recorded() -> str:
    return str([(each.request, each.response) for each in AuditEntry.all_objects.all()])


def test_the_key_is_written_by_the_api_and_never_read(api_of: Any):
    api = api_of("root")
    for value, status in ((SECRET, 200), ("short", 422), ("not base64 at all!", 422)):
        answer = api.put("settings/acme.eab.hmac", {"value": value})
        assert answer.status == status
        assert value not in str(answer.body)
    assert (setting("acme.eab.hmac"), api.get("settings/acme.eab.hmac")["value"]) == (SECRET, None)
    assert api.get("settings/acme.eab.hmac")["inDb"] is True
    assert api.post("settings", {"name": "acme.eab.hmac", "value": SECRET}).status < 300
    assert SECRET not in str(api.get("settings").body) + everything_recorded()
    assert "not base64 at all!" not in everything_recorded()
    assert "acme.eab.hmac" in everything_recorded()
