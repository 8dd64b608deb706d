"""The host agent's image as an archive that engines load: how the portal brings its system container to hosts."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from portal.tools import agent_image
from portal.tools.busybox_image import ImageUnavailable

MACHINE = platform.machine()
"""The kind of processor that the image is made for, as engines name it."""
_PIECE = 1024 * 1024
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_build_lock = threading.Lock()


@functools.cache
def tag() -> str:
    """The image's name: another one whenever the agent is another version of itself."""
    return f"corral/agent:system-{agent_image.recipe_digest()}"


def archive(image: str) -> Iterator[bytes]:
    """The image as an archive, in pieces; it is never in memory as a whole. Raises `ImageUnavailable`."""
    with _build_lock:
        path = _kept(image)
    return _pieces(path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _kept(image: str) -> Path:
    """The archive's file: made once, then kept in the user's cache folder, in place of those of other versions."""
    folder = _cache()
    path = folder / f"corral-agent-{MACHINE}-{image.rpartition(':')[2]}.tar"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="corral-agent-archive-") as work:
            _write(Path(work), image).replace(path)
    except OSError as error:
        raise ImageUnavailable(f"The agent's image cannot be made in {folder}: {error.strerror or error}.") from error
    for old in folder.glob(f"corral-agent-{MACHINE}-system-*.tar"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()
    return path


def _write(work: Path, image: str) -> Path:
    layer, whole = work / "layer.tar", work / "image.tar"
    with layer.open("wb") as out:
        agent_image.write_tree(out)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (work / "config.json").write_text(json.dumps(_config(digest)))
    (work / "manifest.json").write_text(
        json.dumps([{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}])
    )
    with tarfile.open(whole, "w") as tar:
        for name in ("config.json", "layer.tar", "manifest.json"):
            tar.add(work / name, arcname=name)
    return whole


def _config(layer_digest: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(MACHINE, MACHINE),
        "os": "linux",
        "config": {"Entrypoint": agent_image.ENTRYPOINT, "Env": agent_image.ENVIRONMENT},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".cache") / "corral"
