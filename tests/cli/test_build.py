"""`corral build`: a folder is packed as Docker packs it, built and followed; repositories are built, too."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from apps.builds.models import ImageBuild
from apps.drivers.simulated import engine
from apps.hosts.models import Host
from corral_cli.build_context import pack_context
from corral_cli.dockerignore import IgnoreRules
from corral_cli.errors import ExitCode
from tests.catalog.repositories import Repository
from tests.cli.command_line import CommandLine

DOCKERFILE = "FROM bb:local\nARG WORD\nCOPY app /\nRUN echo $WORD\n"


@pytest.fixture
def folder(cli: CommandLine, settings: Any, tmp_path: Path) -> Path:
    """A folder that can be built, in that of the command line."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    cli.write("shop/Dockerfile", DOCKERFILE)
    cli.write("shop/app", "1")
    return cli.folder / "shop"


def test_a_folder_is_built_and_its_log_is_printed(cli: CommandLine, folder: Path, host: Host):
    cli.environ["WORD"] = "hello"
    out = cli.succeed("build", "-t", "shop:2", "--build-arg", "WORD", "shop").out.splitlines()
    assert out[0] == "Step 1/4 : FROM bb:local"
    assert "hello" in out
    assert out[-1].startswith("shop:2 is built: sha256:")
    assert engine.simulated_engine("cli").find_image("shop:2")


def test_a_build_that_fails_ends_with_the_engines_words(cli: CommandLine, folder: Path):
    cli.write("shop/Dockerfile", "FROM bb:local\nRUN exit 1\n")
    failed = cli.fail("build", "-t", "shop:2", "shop")
    assert failed.code == ExitCode.FAILED
    assert "non-zero code: 1" in failed.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nowhere",), "no folder"),
        (("shop", "-f", "Other"), "no Other"),
        (("shop", "-t", "Shop"), "lower-case"),
        (("shop", "--build-arg", "1=x"), "not the name of an ARG"),
        (("ftp://x/y",), "cannot be used"),
    ],
)
def test_what_cannot_be_built_leaves_no_build(cli: CommandLine, folder: Path, arguments: tuple[str, ...], text: str):
    assert text in cli.fail("build", "-t", "shop:2", *arguments).err
    assert not ImageBuild.all_objects.exists()


def test_a_context_that_is_refused_leaves_no_build(cli: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.builds.services.max_context", lambda: 1000)
    assert "larger than" in cli.fail("build", "-t", "shop:2", "shop").err
    cli.while_waiting()
    assert not ImageBuild.all_objects.filter(removed=None).exists()


def test_a_detached_build_prints_its_id(cli: CommandLine, folder: Path):
    out = cli.succeed("build", "-d", "-t", "shop:2", "shop").out
    assert out.strip() == f"1ib{ImageBuild.all_objects.get().pk}"


def test_a_repository_is_built_by_its_address(cli: CommandLine, folder: Path, tmp_path: Path):
    repository = Repository(tmp_path / "repository")
    repository.commit({"web/Dockerfile": "FROM bb:local\n"})
    out = cli.succeed("build", "-t", "shop:2", f"{repository.url}#:web").out
    assert "Fetched" in out
    row = ImageBuild.all_objects.get()
    assert (row.folder, row.branch, row.url) == ("web", "", repository.url)


def test_a_password_of_a_repository_is_in_no_argument(cli: CommandLine, folder: Path):
    cli.environ["CORRAL_GIT_PASSWORD"] = "t0ken"
    failed = cli.fail("build", "-t", "shop:2", "--git-user", "ann", "https://127.0.0.1/x.git")
    assert "must not reach" in failed.err
    sent = next(body for method, _path, body in failed.transport.requests if method == "POST")
    assert (sent["username"], sent["secretValue"]) == ("ann", "t0ken")


def names_in(folder: Path, dockerfile: str = "Dockerfile") -> list[str]:
    file = io.BytesIO()
    pack_context(folder, dockerfile, file)
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        assert {(entry.uid, entry.uname) for entry in tar} == {(0, "")}
        return tar.getnames()


def test_a_context_has_links_as_links_and_leaves_out_what_is_ignored(cli: CommandLine, folder: Path):
    cli.write("shop/.dockerignore", "# no\nnode_modules\n**/*.log\nDockerfile\nsecret/*\n!secret/kept\n")
    for name in ("node_modules/x/y", "a/b.log", "a/c", "secret/key", "secret/kept", "x.log"):
        cli.write(f"shop/{name}", "1")
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    assert names_in(folder) == [".dockerignore", "Dockerfile", "a", "a/c", "app", "link", "secret", "secret/kept"]


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        (["a"], "a", True),
        (["a"], "a/b", True),
        (["a"], "b/a", False),
        (["/a"], "a", True),
        (["a/"], "a/b", True),
        (["*"], "a", True),
        (["*/b"], "a/b", True),
        (["*/b"], "a/c/b", False),
        (["**/b"], "b", True),
        (["**/b"], "a/c/b", True),
        (["a/**"], "a/b/c", True),
        (["a/**"], "a", False),
        (["?"], "a", True),
        (["?"], "ab", False),
        (["[a-c]x"], "bx", True),
        (["[^a-c]x"], "bx", False),
        (["a", "!a/b"], "a/b", False),
        (["!a", "a"], "a", True),
        (["a.b"], "axb", False),
        (["  a  "], "a", True),
        (["#a"], "#a", False),
        (["."], "a", False),
        (["\\*"], "a", False),
        (["\\*"], "*", True),
        (["["], "[", True),
    ],
)
def test_ignore_rules_are_dockers(lines: list[str], path: str, *, expected: bool):
    assert IgnoreRules(lines).leaves_out(path) is expected


def test_a_dockerfile_beside_the_context_is_named_from_here(cli: CommandLine, folder: Path):
    cli.write("shop/docker/Other", "FROM bb:local\n")
    for name in ("docker/Other", "shop/docker/Other", str(folder / "docker" / "Other")):
        cli.succeed("build", "-t", "shop:2", "-f", name, "shop")
        assert ImageBuild.all_objects.order_by("-pk")[0].dockerfile == "docker/Other"
