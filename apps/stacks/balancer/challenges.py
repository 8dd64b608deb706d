"""Where balancers lead what certificate authorities look for at port 80: to the portal, which knows the answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from apps.core.defaults import setting
from apps.stacks.balancer.render import Challenges
from apps.vault.models import Certificate


def challenges_of(environment_id: int) -> Challenges | None:
    """Where they go in an environment; None where no certificate is ordered, or the portal's address is not set."""
    rows = Certificate.all_objects.filter(environment=environment_id, removed=None).exclude(acme={})
    return portal_address(setting("api.host")) if rows.exists() else None


def portal_address(configured: str) -> Challenges | None:
    """The address that the setting `api.host` names; pure."""
    text = configured.strip()
    url = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = url.port
    except ValueError:
        return None
    if not url.hostname:
        return None
    is_encrypted = url.scheme == "https"
    return Challenges(url.hostname, port or (443 if is_encrypted else 80), is_encrypted)
