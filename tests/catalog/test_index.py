"""The index of a catalog, and the files behind it, over a folder: what changes, what stays, what is said of faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.index import update_index
from apps.catalog.layout import MAX_FILES, find_templates
from apps.catalog.library_row import library_ensure
from apps.catalog.models import Catalog, Template, TemplateVersion
from apps.catalog.reading import read_config, read_version
from apps.catalog.source import FolderSource, SourceError, StoredFile
from apps.catalog.storage import _FileCache, library_source, template_readme, version_files
from tests.catalog.repositories import template_files

pytestmark = pytest.mark.django_db


class Folder:
    """A folder of templates that is read anew each time, as a refresh does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: list[str] = []

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)

    def update(self, row: Catalog, *, afresh: bool = False) -> Any:
        source = FolderSource(self.path)
        original = source.read
        self.read = []

        def read(files: Any) -> Any:
            for digest, content in original(files):
                self.read.append(digest)
                yield digest, content

        source.read = read  # type: ignore[method-assign]
        return update_index(row, source, source.state(), afresh=afresh)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "templates-of-tests")
    found.write(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1"}))
    found.write(template_files("templates/counter", "Counter", {0: "0.1"}))
    return found


@pytest.fixture
def catalog() -> Catalog:
    return library_ensure()


def test_everything_is_read_once(folder: Folder, catalog: Catalog):
    summary = folder.update(catalog)
    assert (summary.templates, summary.versions) == (2, 3)
    assert len(folder.read) == 5  # two configurations, three descriptions
    folder.update(catalog)
    assert folder.read == []


def test_only_what_changed_is_read_again(folder: Folder, catalog: Catalog):
    folder.update(catalog)
    kept = TemplateVersion.objects.get(template__key="greeter", number=0)
    folder.write({"templates/greeter/2/docker-compose.yml": "web:\n  image: x\n"})
    folder.update(catalog)
    assert len(folder.read) == 2  # the template's configuration, and the new version
    assert TemplateVersion.objects.get(template__key="greeter", number=0).pk == kept.pk
    assert Template.objects.get(key="greeter").versions_count == 3


def test_a_version_without_a_description_is_called_by_its_number(folder: Folder, catalog: Catalog):
    folder.write({"templates/greeter/7/docker-compose.yml": "web:\n  image: x\n"})
    folder.update(catalog)
    assert TemplateVersion.objects.get(template__key="greeter", number=7).version == "7"


def test_afresh_reads_all_of_it(folder: Folder, catalog: Catalog):
    folder.update(catalog)
    Template.objects.update(name="Stale")
    TemplateVersion.objects.update(version="stale")
    summary = folder.update(catalog, afresh=True)
    assert (summary.templates, summary.versions) == (2, 3)
    assert set(Template.objects.values_list("name", flat=True)) == {"Greeter", "Counter"}
    assert set(TemplateVersion.objects.values_list("version", flat=True)) == {"1.0", "1.1", "0.1"}


def test_rows_of_other_catalogs_are_left_alone(folder: Folder, catalog: Catalog):
    other = Catalog(name="other", url="https://host/x", desired="active")
    other.save()
    folder.update(other)
    folder.update(catalog)
    (folder.path / "templates" / "counter" / "config.yml").unlink()
    for path in sorted((folder.path / "templates" / "counter").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder.path / "templates" / "counter").rmdir()
    folder.update(catalog)
    assert Template.objects.filter(catalog=catalog).count() == 1
    assert Template.objects.filter(catalog=other).count() == 2


def test_a_source_that_fails_changes_nothing(folder: Folder, catalog: Catalog):
    folder.update(catalog)
    folder.write({"templates/greeter/5/docker-compose.yml": "web:\n  image: x\n"})

    class Broken(FolderSource):
        def read(self, files: Any) -> Any:
            raise SourceError("The store is broken.")

    source = Broken(folder.path)
    with pytest.raises(SourceError):
        update_index(catalog, source, source.state())
    assert TemplateVersion.objects.filter(template__key="greeter").count() == 2


def test_the_folder_has_a_state_that_changes_with_its_files(folder: Folder):
    before = FolderSource(folder.path).state()
    assert FolderSource(folder.path).state() == before
    folder.write({"templates/greeter/0/notes.txt": "x"})
    assert FolderSource(folder.path).state() != before


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path):
    assert FolderSource(tmp_path / "nothing").entries("") == []


def test_a_file_that_went_missing_is_said_so(folder: Folder):
    source = FolderSource(folder.path)
    with pytest.raises(SourceError):
        list(source.read([("0" * 40, 5)]))


def test_the_library_of_the_program_is_read_whole(catalog: Catalog):
    source = library_source()
    summary = update_index(catalog, source, source.state())
    assert summary.templates >= 20
    assert not summary.faults
    assert not summary.template_faults
    for row in Template.objects.all():
        row.catalog = catalog
        assert row.icon_digest, row.key
        assert row.description, row.key
        assert row.categories, row.key
        assert row.newest_version, row.key
        assert template_readme(row).startswith("#"), row.key
    for version in TemplateVersion.objects.select_related("template__catalog"):
        assert any(name.startswith("docker-compose") for name in version_files(version)), str(version)


@pytest.mark.parametrize(
    ("text", "name", "categories", "version"),
    [
        ("name: A\nversion: 1.0\ncategory: Web\n", "A", ("Web",), "1.0"),
        ("name: A\ncategories: [Web, Tools]\n", "A", ("Web", "Tools"), ""),
        ("name: A\ncategories: [Web]\ncategory: Tools\n", "A", ("Web", "Tools"), ""),
        ("name: A\ncategory: Web\ncategories: [Web]\n", "A", ("Web",), ""),
        ("name: [list]\ncategory: {a: b}\n", "", (), ""),
        ("", "", (), ""),
    ],
)
def test_a_configuration_is_read(text: str, name: str, categories: tuple[str, ...], version: str):
    found = read_config(text.encode())
    assert (found.name, found.categories, found.default_version, found.fault) == (name, categories, version, "")


def test_a_configuration_says_more(folder: Folder, catalog: Catalog):
    text = (
        "name: Greeter\nmaintainer: A team\nlicense: MIT\nprojectURL: https://example.org\n"
        "labels:\n  io.rancher.certified: partner\n  nothing:\n"
    )
    folder.write({"templates/greeter/config.yml": text})
    folder.update(catalog)
    details = Template.objects.get(key="greeter").details
    assert (details["maintainer"], details["license"]) == ("A team", "MIT")
    assert details["project_url"] == "https://example.org"
    assert details["labels"] == {"io.rancher.certified": "partner", "nothing": ""}


@pytest.mark.parametrize("text", ["- a\n- b\n", "name: [\n", "\tname: x\n", "name: &a\n  - *a\n"])
def test_a_configuration_that_cannot_be_read_is_a_fault(text: str):
    assert read_config(text.encode()).fault.startswith("config.yml: ")


def test_a_version_that_refers_to_itself_has_a_fault_and_no_questions():
    text = ".catalog: &a\n  version: 1\n  questions: [*a]\n"
    found = read_version({"rancher-compose.yml": text.encode(), "docker-compose.yml": b"web:\n  image: x\n"})
    assert found.questions == ()
    assert found.faults


@given(st.binary(max_size=300))
def test_any_configuration_is_read_or_a_fault(content: bytes):
    found = read_config(content)
    assert isinstance(found.name, str)
    assert "\0" not in found.name


def listed(*paths: str) -> list[StoredFile]:
    """Files with their folders, as a repository lists them."""
    folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    found = [StoredFile(each, f"tree-{each}", 0, is_folder=True) for each in sorted(folders)]
    return found + [StoredFile(path, f"blob-{path}", 10) for path in paths]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("templates/web/0/docker-compose.yml", "web"),
        ("templates/web/0/docker-compose.yaml", "web"),
        ("templates/web/0/docker-compose.yml.tpl", "web"),
        ("infra-templates/ipsec/3/docker-compose.yml", "infra*ipsec"),
        ("kubernetes-templates/dashboard/0/docker-compose.yml", "kubernetes*dashboard"),
    ],
)
def test_templates_are_found_by_their_folders(path: str, key: str):
    found = find_templates(listed(path))
    assert list(found.templates) == [key]
    (version,) = found.templates[key].versions.values()
    assert version.fault == ""
    assert version.digest == "tree-" + path.rpartition("/")[0]


@pytest.mark.parametrize(
    "path",
    [
        "web/0/docker-compose.yml",
        "other/web/0/docker-compose.yml",
        "docs/templates/web/0/docker-compose.yml",
        "templates",
        "templates/README.md",
        "my templates/web/0/docker-compose.yml",
    ],
)
def test_what_stands_elsewhere_is_no_template(path: str):
    assert not find_templates(listed(path)).templates


def test_files_of_a_template_are_distinguished():
    found = find_templates(
        listed(
            "templates/web/config.yml",
            "templates/web/catalogIcon-web.png",
            "templates/web/README.md",
            "templates/web/notes.txt",
            "templates/web/2/rancher-compose.yml",
            "templates/web/2/docker-compose.yml",
            "templates/web/2/more/nested.txt",
        )
    ).templates["web"]
    assert found.config is not None
    assert found.config.path.endswith("config.yml")
    assert found.icon is not None
    assert found.icon.path.endswith(".png")
    assert found.readme is not None
    version = found.versions[2]
    assert sorted(version.files) == ["docker-compose.yml", "more/nested.txt", "rancher-compose.yml"]
    described = version.described_in()
    assert described is not None
    assert described.path.endswith("rancher-compose.yml")


@pytest.mark.parametrize("name", ["icon.png", "catalogIcon-web.exe", "catalogIcon-web.svg.sh", "CatalogIcon.svg"])
def test_other_pictures_are_no_icons(name: str):
    found = find_templates(listed(f"templates/web/{name}", "templates/web/0/docker-compose.yml"))
    assert found.templates["web"].icon is None


def test_a_version_of_very_many_files_is_a_fault():
    paths = [f"templates/web/0/{number}.txt" for number in range(MAX_FILES + 1)]
    found = find_templates(listed("templates/web/0/docker-compose.yml", *paths))
    assert found.templates["web"].versions[0].fault == f"It has more than {MAX_FILES} files."


def test_files_are_remembered_up_to_a_size():
    cache = _FileCache(1000)
    for number in range(10):
        cache.put((1, str(number)), {"a": b"x" * 200})
    found = [number for number in range(10) if cache.get((1, str(number))) is not None]
    assert found == [5, 6, 7, 8, 9]
    cache.get((1, "5"))
    cache.put((1, "new"), {"a": b"x" * 200})
    assert cache.get((1, "5")) is not None  # used last
    assert cache.get((1, "6")) is None
    cache.put((1, "large"), {"a": b"x" * 900})
    assert cache.get((1, "large")) is None  # one alone must not push out all others
    cache.clear()
    assert cache.get((1, "5")) is None


def test_files_of_one_catalog_are_not_anothers():
    cache = _FileCache(1000)
    cache.put((1, "digest"), {"a": b"ours"})
    assert cache.get((2, "digest")) is None
