"""Which files are sent for a stack, and with which variables."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import pytest

from corral_cli.compose_files import MAX_FILE, ComposeFiles, read_files, stack_name_of
from corral_cli.errors import CliError, ExitCode

WEB = "web:\n  image: nginx:${TAG}\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".yml").write_text(text)


def read(folder: Path, *names: str, rancher: str = "", variables: str = "", **environ: str) -> ComposeFiles:
    return read_files(str(folder), names, rancher, variables, environ)


def names_in(files: ComposeFiles) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(files.body()["bundle"]))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_usual_pair_is_sent_as_two_texts(tmp_path: Path):
    write(tmp_path, docker_compose=WEB, rancher_compose="web: {scale: 2}\n")
    body = read(tmp_path, TAG="1.9", HOME="/root").body()
    assert body == {
        "dockerCompose": WEB,
        "rancherCompose": "web: {scale: 2}\n",
        "environment": {"TAG": "1.9"},
    }


def test_a_named_file_brings_its_neighbor_along(tmp_path: Path):
    write(tmp_path, deploy__docker_compose=WEB, deploy__rancher_compose="web: {scale: 3}\n", other="web: {scale: 4}\n")
    assert read(tmp_path, "deploy/docker-compose.yml").rancher == "web: {scale: 3}\n"
    assert read(tmp_path, "deploy/docker-compose.yml", rancher="other.yml").rancher == "web: {scale: 4}\n"
    assert read(tmp_path, COMPOSE_FILE="deploy/docker-compose.yml").docker == WEB


def test_what_is_not_set_now_stays_as_it_was(tmp_path: Path):
    write(tmp_path, docker_compose=WEB + "  command: $$HOME $WORD ${OTHER:-x}\n")
    files = read(tmp_path, TAG="2")
    known = {"TAG": "1", "WORD": "kept", "UNUSED": "gone"}
    assert files.body(known)["environment"] == {"TAG": "2", "WORD": "kept"}


def test_variables_come_from_a_file_unless_they_are_set(tmp_path: Path):
    write(tmp_path, docker_compose=WEB + "  command: $WORD $MORE\n")
    (tmp_path / ".env").write_text("# note\nTAG=1\nexport WORD='two words'\nMORE=\"3\"\nnothing\n")
    assert read(tmp_path, TAG="2").variables == {"TAG": "2", "WORD": "two words", "MORE": "3"}
    (tmp_path / "other.env").write_text("TAG=5\n")
    assert read(tmp_path, variables="other.env").variables == {"TAG": "5"}
    with pytest.raises(CliError, match=r"missing\.env"):
        read(tmp_path, variables="missing.env")


def test_two_files_travel_as_one_and_its_override(tmp_path: Path):
    write(tmp_path, a=WEB, b="web: {ports: [80]}\n")
    found = names_in(read(tmp_path, "a.yml", "b.yml"))
    assert found == {"docker-compose.yml": WEB, "docker-compose.override.yml": "web: {ports: [80]}\n"}
    with pytest.raises(CliError, match="At most two"):
        read(tmp_path, "a.yml", "b.yml", "a.yml")


def test_files_that_others_refer_to_travel_along(tmp_path: Path):
    write(
        tmp_path,
        docker_compose="web:\n  extends:\n    file: parts/base.yml\n    service: web\n",
        parts__base="web:\n  image: nginx\n  env_file: parts/web.env\n",
    )
    (tmp_path / "parts/web.env").write_text("COLOR=green\n")
    (tmp_path / "unused.txt").write_text("no")
    found = names_in(read(tmp_path))
    assert set(found) == {"docker-compose.yml", "parts/base.yml", "parts/web.env"}


@pytest.mark.parametrize("name", ["../secret.env", "/etc/passwd", "link.env"])
def test_no_file_outside_the_folder_is_sent(tmp_path: Path, name: str):
    folder = tmp_path / "project"
    write(folder, docker_compose=f"web:\n  image: nginx\n  env_file: {name}\n")
    (tmp_path / "secret.env").write_text("TOKEN=1\n")
    (folder / "link.env").symlink_to(tmp_path / "secret.env")
    assert not read(folder).bundle


def test_a_folder_without_a_file_says_what_is_looked_for(tmp_path: Path):
    with pytest.raises(CliError, match=r"docker-compose\.yml") as caught:
        read(tmp_path)
    assert caught.value.code is ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\xff\xfe\x00", ExitCode.INVALID), (b"a" * (MAX_FILE + 1), ExitCode.INVALID)],
    ids=["no text", "too large"],
)
def test_a_file_that_cannot_be_one_is_refused_before_it_is_sent(tmp_path: Path, content: bytes, code: ExitCode):
    (tmp_path / "docker-compose.yml").write_bytes(content)
    with pytest.raises(CliError) as caught:
        read(tmp_path)
    assert caught.value.code is code


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path):
    with pytest.raises(CliError, match="cannot be read"):
        read(tmp_path, ".")


@pytest.mark.parametrize(("folder", "name"), [("Web_Server", "webserver"), ("my-app", "my-app"), ("---", "default")])
def test_a_stack_is_called_as_its_folder(tmp_path: Path, folder: str, name: str):
    (tmp_path / folder).mkdir()
    assert stack_name_of(str(tmp_path / folder), []) == name
    assert stack_name_of(str(tmp_path), [f"{folder}/docker-compose.yml"]) == name
