"""Repositories that mean harm: nothing in them runs, nothing leads out, and what is too large is left out in words."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from apps.catalog import icons
from apps.catalog.git import GitCredential, GitError, GitStore, run_bounded
from apps.catalog.git_url import parse_git_url
from apps.catalog.layout import MAX_FILE, MAX_ICON, find_templates
from apps.catalog.models import Template, TemplateVersion
from apps.catalog.source import StoredFile
from apps.catalog.storage import git_store, version_files
from tests.catalog.loop import AddCatalog
from tests.catalog.repositories import Repository, git, template_files

pytestmark = pytest.mark.django_db
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def test_links_are_not_followed(add_catalog: AddCatalog, repository: Repository):
    folder = repository.folder / "templates" / "greeter" / "0"
    (folder / "passwd.yml").symlink_to("/etc/passwd")
    (folder / "up.yml").symlink_to("../../../../../../etc/hostname")
    (repository.folder / "templates" / "out").symlink_to("/etc")
    repository.commit()
    row = add_catalog()
    assert row.status["templates"] == 2
    version = TemplateVersion.objects.get(template__key="greeter", number=0)
    assert sorted(version_files(version)) == ["docker-compose.yml", "rancher-compose.yml"]


def test_a_compose_file_that_is_a_link_is_a_fault(add_catalog: AddCatalog, repository: Repository):
    folder = repository.folder / "templates" / "greeter" / "0"
    (folder / "docker-compose.yml").unlink()
    (folder / "docker-compose.yml").symlink_to("/etc/passwd")
    repository.commit()
    add_catalog()
    faults = dict(TemplateVersion.objects.filter(template__key="greeter").values_list("number", "fault"))
    assert faults == {0: "It has no docker-compose.yml.", 1: "", 2: ""}


def test_submodules_are_not_fetched(add_catalog: AddCatalog, repository: Repository, tmp_path: Path):
    other = Repository(tmp_path / "other")
    commit = other.commit({"docker-compose.yml": "web:\n  image: evil\n"})
    repository.write({".gitmodules": f'[submodule "x"]\n  path = templates/x/0\n  url = {other.url}\n'})
    git(repository.folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},templates/x/0")
    git(repository.folder, "add", ".gitmodules")
    git(repository.folder, "commit", "--quiet", "--message", "A submodule")
    row = add_catalog()
    assert (row.state, row.status["versions"]) == ("active", 4)
    assert not git_store(row).has(commit)


def test_hooks_do_not_run(add_catalog: AddCatalog, repository: Repository, tmp_path: Path):
    mark = tmp_path / "ran"
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-update", "update"):
        hook = repository.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    row = add_catalog()
    assert row.state == "active"
    assert not mark.exists()
    assert not (git_store(row).folder / "hooks").exists()


def test_a_huge_icon_is_left_out_and_the_template_is_still_there(add_catalog: AddCatalog, repository: Repository):
    repository.commit({"templates/greeter/catalogIcon-greeter.svg": "<svg>" + "x" * MAX_ICON})
    row = add_catalog()
    greeter = Template.objects.get(key="greeter")
    assert (greeter.icon_digest, greeter.newest_version) == ("", "2.0")
    assert "larger than 256 KB" in greeter.fault
    assert list(row.status["templateFaults"]) == ["greeter"]


def test_a_huge_file_is_a_fault_of_its_version(add_catalog: AddCatalog, repository: Repository):
    repository.commit({"templates/greeter/1/docker-compose.yml": "web:\n  image: x\n" + "#" * (MAX_FILE + 1)})
    add_catalog()
    version = TemplateVersion.objects.get(template__key="greeter", number=1)
    assert "larger than 1 MB" in version.fault
    assert Template.objects.get(key="greeter").newest_number == 2


def test_a_bad_template_leaves_the_others_alone(add_catalog: AddCatalog, repository: Repository):
    files = {
        "templates/broken/config.yml": "name: [unclosed\n",
        "templates/broken/0/docker-compose.yml": "web:\n  image: x\n",
        "templates/empty/config.yml": "name: Empty\n",
        "templates/bomb/config.yml": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\nname: Bomb\n",
        "templates/-rf/config.yml": "name: Minus\n",
    }
    repository.commit(files)
    row = add_catalog()
    assert row.state == "active"
    faults = dict(Template.objects.exclude(fault="").values_list("key", "fault"))
    assert {"broken", "empty"} <= set(faults)
    assert "config.yml" in faults["broken"]
    assert "has no version" in faults["empty"]
    assert any("-rf" in text for text in row.status["faults"])
    assert Template.objects.get(key="greeter").fault == ""


def test_a_repository_without_templates_is_empty_not_broken(add_catalog: AddCatalog, tmp_path: Path):
    other = Repository(tmp_path / "plain")
    other.commit({"README.md": "Nothing here.\n"})
    row = add_catalog(url=other.url)
    assert (row.state, row.status["templates"]) == ("active", 0)


def test_a_branch_that_is_not_there_is_said_so(add_catalog: AddCatalog):
    row = add_catalog(branch="nothing")
    assert (row.state, row.message) == ("error", "The repository has no such branch.")


def test_numbers_that_are_none_are_no_versions(add_catalog: AddCatalog, repository: Repository):
    text = "web:\n  image: x\n"
    repository.commit({f"templates/greeter/{name}/docker-compose.yml": text for name in ("01", "1e3", "x", "-1")})
    add_catalog()
    assert TemplateVersion.objects.filter(template__key="greeter").count() == 3


def test_infrastructure_templates_have_a_prefix(add_catalog: AddCatalog, repository: Repository):
    repository.commit(template_files("infra-templates/dns", "DNS", {4: "0.4"}))
    add_catalog()
    found = Template.objects.get(key="infra*dns")
    assert (found.is_system, found.newest_number) == (True, 4)


def test_a_program_that_hangs_is_ended_with_its_group(tmp_path: Path):
    mark = tmp_path / "still-there"
    command = ["sh", "-c", f"(sleep 3; touch {mark}) & sleep 30"]
    begun = time.monotonic()
    with pytest.raises(GitError) as failed:
        run_bounded(command, ENVIRONMENT, sent=b"", seconds=0.5, limit=1000)
    assert time.monotonic() - begun < 3
    assert "did not answer" in str(failed.value)
    time.sleep(3.2)
    assert not mark.exists()


def test_endless_output_is_cut_off():
    with pytest.raises(GitError) as failed:
        run_bounded(["yes"], ENVIRONMENT, sent=b"", seconds=20, limit=100_000)
    assert "too large" in str(failed.value)


def test_a_missing_program_is_said_so():
    with pytest.raises(GitError) as failed:
        run_bounded(["no-such-git"], ENVIRONMENT, sent=b"", seconds=2, limit=100)
    assert "not installed" in str(failed.value)


def test_credentials_are_in_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    def run(command: Any, environment: Any, **_more: Any) -> bytes:
        seen.append((list(command), dict(environment)))
        return b"0" * 40

    monkeypatch.setattr("apps.catalog.git.run_bounded", run)
    store = GitStore(tmp_path / "store.git")
    store.fetch(
        parse_git_url("url", "https://git.example.org/x"),
        "main",
        credential=GitCredential("bob", "s3cret-w0rd"),
        address="93.184.216.34",
    )
    fetched = next(each for each in seen if each[0][1] == "fetch")
    assert "s3cret-w0rd" not in str([command for command, _environment in seen])
    environment = fetched[1]
    assert environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert (environment["HOME"], environment["GIT_TERMINAL_PROMPT"]) == ("/nonexistent", "0")
    assert "git.example.org:443:93.184.216.34" in environment.values()  # where it leads is checked once, and kept
    assert "http.https://git.example.org:443/.extraHeader" in environment.values()
    position = fetched[0].index("--")
    assert fetched[0][position + 1 :] == ["https://git.example.org/x", "refs/heads/main:refs/corral/incoming"]


def test_a_private_key_is_in_a_file_for_as_long_as_the_fetch_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, Any] = {}

    def run(command: Any, environment: Any, **_more: Any) -> bytes:
        if command[1] == "fetch":
            config = Path(environment["GIT_SSH_COMMAND"].split("'")[1])
            seen["config"] = config.read_text()
            key = config.with_name("key")
            seen["key"], seen["mode"], seen["path"] = key.read_text(), key.stat().st_mode & 0o777, key
        return b"0" * 40

    monkeypatch.setattr("apps.catalog.git.run_bounded", run)
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    url = parse_git_url("url", "git@git.example.org:team/x.git")
    GitStore(tmp_path / "store.git").fetch(url, "", credential=GitCredential("git", key), address="93.184.216.34")
    assert (seen["key"], seen["mode"]) == (f"{key}\n", 0o600)
    assert "Hostname 93.184.216.34" in seen["config"]
    assert "HostKeyAlias git.example.org" in seen["config"]
    assert not seen["path"].exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"<svg xmlns='x'/>", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made by hand -->\n<svg>", "image/svg+xml"),
        (b"<html><svg></svg></html>", ""),
        (b"<script>alert(1)</script>", ""),
        (b"", ""),
        (b"plain", ""),
    ],
)
def test_pictures_are_known_by_what_they_are(content: bytes, kind: str):
    assert icons.picture_type(content) == kind


def test_far_too_many_templates_are_cut_off_in_words():
    entries = [StoredFile(f"templates/t{number}", "d", 0, is_folder=True) for number in range(2005)]
    found = find_templates(entries)
    assert len(found.templates) == 2000
    assert found.faults == ["Only the first 2000 templates are listed."]
