"""The balancers' image: what is in it, without an engine or a registry."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from apps.stacks.balancer.config import CustomText
from apps.stacks.balancer.render import custom_text_of
from portal.tools import haproxy_image, package_files
from portal.tools.apt import PackageUnavailable
from portal.tools.busybox_image import ImageUnavailable
from portal.tools.package_files import PackageFiles


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that are installed here, one library each, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library = tmp_path / "libz.so.1"
    library.write_bytes(b"library")

    def programs(_self: PackageFiles, wanted: Any) -> list[Path]:
        for name, _package in wanted:
            (tmp_path / name).write_bytes(name.encode())
        return [tmp_path / name for name, _package in wanted]

    monkeypatch.setattr(PackageFiles, "programs", programs)
    monkeypatch.setattr(PackageFiles, "libraries", lambda _self, _programs: {"lib/libz.so.1": library})
    return tmp_path


def test_the_archive_is_an_image_that_engines_load(packages: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(haproxy_image.archive("corral/haproxy:x")))) as whole:
        manifest = json.load(whole.extractfile("manifest.json") or io.BytesIO())
        config = json.load(whole.extractfile("config.json") or io.BytesIO())
        layer = whole.extractfile("layer.tar")
        assert layer is not None
        with tarfile.open(fileobj=layer) as tree:
            names = set(tree.getnames())
    assert manifest[0]["RepoTags"] == ["corral/haproxy:x"]
    assert config["config"]["StopSignal"] == "SIGUSR1"
    assert {"bin/haproxy", "bin/socat", "bin/sh", "etc/haproxy/haproxy.cfg", "lib/libz.so.1"} <= names


def test_what_it_begins_with_is_no_custom_text() -> None:
    assert custom_text_of(haproxy_image._WAITING) == CustomText()


def test_it_is_made_once_and_the_same_each_time(packages: Path) -> None:
    first = haproxy_image.layer_tar()
    (packages / "libz.so.1").write_bytes(b"another")
    assert haproxy_image.layer_tar() == first


def test_without_a_package_the_reason_is_said(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_self: PackageFiles, _wanted: Any) -> list[Path]:
        raise PackageUnavailable("no network")

    monkeypatch.setattr(PackageFiles, "programs", unavailable)
    with pytest.raises(ImageUnavailable, match="no network"):
        haproxy_image.archive()


def test_libraries_that_are_missing_are_fetched_with_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depends = {"haproxy": "libone (>= 1), adduser", "libone": "libtwo:any", "libtwo": ""}
    fetched: list[str] = []

    def download(name: str, folder: Path) -> Path:
        fetched.append(name)
        return folder / f"{name}_1.deb"

    def run(command: list[str], **_environment: str) -> str:
        if command[0] == "dpkg":
            (tmp_path / "tree/usr/sbin").mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree/usr/sbin/haproxy").touch()
            return ""
        if command[0] == "dpkg-deb":
            return depends[Path(command[2]).name.partition("_")[0]]
        return "" if "libtwo" in fetched else "libtwo.so => not found"

    monkeypatch.setattr(package_files, "download_package", download)
    monkeypatch.setattr(package_files, "_run", run)
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)
    files = PackageFiles(tmp_path / "tree")
    programs = files.programs((("haproxy", "haproxy"),))
    assert files.libraries(programs) == {}
    assert fetched == ["haproxy", "libone", "libtwo"]
