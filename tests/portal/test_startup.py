"""What the all-in-one portal does once at its start."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from portal.boot.startup import prepare


@pytest.mark.django_db
def test_a_permission_that_came_without_a_migration_is_there_after_the_start() -> None:
    prepare()
    Permission.objects.filter(content_type__app_label="environments", codename="hosts").delete()
    prepare()
    granted = Permission.objects.get(content_type__app_label="environments", codename="hosts")
    assert granted.environmentgrouppermission_set.exists()
