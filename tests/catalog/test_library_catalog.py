"""The built-in library read as a catalog: every version asks, is previewed, and has its files."""

from __future__ import annotations

import pytest

from apps.catalog.launching import described, preview_files, readable_files
from apps.catalog.library_row import library_ensure
from apps.catalog.models import Template, TemplateVersion
from apps.catalog.selectors import site_templates
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def library() -> None:
    """The library of the program, read."""
    library_ensure()
    reconcile_until_idle()


def test_each_has_questions_and_a_preview_without_passwords(lab: Environment, library: None):
    versions = TemplateVersion.objects.filter(template__in=site_templates()).select_related("template__catalog")
    assert versions.count() >= 20
    for version in versions:
        info = described(version)
        assert not info.faults, str(version.template)
        shown = preview_files(version, {}, stack_name="preview")
        assert "docker-compose.yml" in shown.texts
        secrets = [each.variable for each in info.questions if each.type == "password"]
        for name in secrets:
            assert shown.files.variables[name] in {"", "********"}


def test_its_files_can_be_read_by_whoever_sees_it(library: None):
    for template in Template.objects.select_related("catalog"):
        assert template.newest_number is not None
        version = TemplateVersion.objects.get(template=template, number=template.newest_number)
        version.template = template
        files = readable_files(version)
        assert any(name.startswith("docker-compose") for name in files)
        assert all("\0" not in text for text in files.values())
