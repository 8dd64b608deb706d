"""Where the challenges of certificate authorities are led."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.models import Setting
from apps.environments.models import Environment
from apps.stacks.balancer.challenges import challenges_of, portal_address
from apps.stacks.balancer.render import Challenges
from apps.vault.models import Certificate
from apps.vault.services import certificate_create
from tests.vault.issuing import issue


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("", None),
        ("portal.example.com", Challenges("portal.example.com", 80)),
        ("portal.example.com:8080", Challenges("portal.example.com", 8080)),
        ("https://portal.example.com/", Challenges("portal.example.com", 443, is_encrypted=True)),
        ("http://[fd00::1]:8080", Challenges("fd00::1", 8080)),
        ("http://portal:99999", None),
    ],
)
def test_the_setting_names_the_portal(setting: str, found: Challenges | None) -> None:
    assert portal_address(setting) == found


def test_only_where_certificates_are_ordered(lab: Environment, actor_of: Any) -> None:
    Setting.objects.create(name="api.host", value="10.0.0.1:8080")
    assert challenges_of(lab.pk) is None
    made = issue("a.com")
    row = certificate_create(actor=actor_of("alice"), environment=lab, name="a", cert=made.cert, key=made.key_text)
    assert challenges_of(lab.pk) is None
    Certificate.all_objects.filter(pk=row.pk).update(acme={"names": ["a.com"]})
    assert challenges_of(lab.pk) == Challenges("10.0.0.1", 8080)
