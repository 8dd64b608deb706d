"""Packages are had on a machine whose lists are missing or old, too, and a failure keeps apt's reason."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from portal.tools.apt import PackageUnavailable, download_package, install_package

Log = Path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """What a make-believe apt-get was called with; it finds packages only where it has lists."""
    log, lists = tmp_path / "calls", tmp_path / "lists"
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
shift
echo "$*" >>{shlex.quote(str(log))}
case $1 in
  update) [ "$MIRROR" = gone ] || touch {shlex.quote(str(lists))} ;;
  *) [ -e {shlex.quote(str(lists))} ] || {{ echo "W: old" >&2; echo "E: Unable to locate package" >&2; exit 100; }} ;;
esac
[ "$1" != download ] || touch "$2_1.0_amd64.deb"
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return log


def test_a_package_is_installed_after_the_lists_were_fetched(calls: Log) -> None:
    install_package("docker.io")
    install = "install -y --no-install-recommends docker.io"
    assert calls.read_text().splitlines() == [install, "update", install]


def test_lists_that_do_are_not_fetched_again(calls: Log, tmp_path: Path) -> None:
    (tmp_path / "lists").touch()
    assert download_package("busybox", tmp_path) == tmp_path / "busybox_1.0_amd64.deb"
    assert calls.read_text().splitlines() == ["download busybox"]


def test_a_package_that_nobody_has_is_refused_with_apt_s_last_words(
    calls: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR", "gone")
    with pytest.raises(PackageUnavailable, match=r"^E: Unable to locate package$"):
        download_package("busybox", tmp_path)
    assert calls.read_text().splitlines() == ["download busybox", "update", "download busybox"]
