"""Values that no engine takes, of platforms, storage options and real-time scheduling, are refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.core.errors import Invalid
from apps.core.fields import map_text, mapping, text

KERNEL_PERIOD = 1_000_000  # microseconds; what Linux takes where no period is set
# The architectures of OCI for which there is Linux, and other names by which engines take them.
_ARCHITECTURES: Mapping[str, str] = {
    **{
        each: each
        for each in (
            "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le",
            "riscv64", "s390x",
        )
    },
    "aarch64": "arm64", "armel": "arm", "armhf": "arm", "i386": "386", "x86_64": "amd64",
}  # fmt: skip
# What the variants of an architecture look like, and how to name them; others have none that all engines know.
_VARIANTS: Mapping[str, tuple[str, str]] = {
    "386": (r"(?!)", "none"),
    "amd64": (r"v[1-4]", "v1 to v4"),
    "arm": (r"v?[5-8]", "v5 to v8"),
    "arm64": (r"v?[89](\.[0-9])?", "v8 or v9"),
}
_STORAGE_OPTIONS = mapping(map_text(1024))
_ENGINE_SIZE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})? ?([kmgtp]i?)?b?", re.ASCII | re.IGNORECASE)
_PLATFORM_TEXT = text(
    low=1,
    high=64,
    pattern=r"linux/[a-z0-9_]+(/[a-z0-9.]+)?",
    code="InvalidFormat",
    hint="write it as in linux/arm64 or linux/arm/v7; only Linux runs here",
)


def check_platform(name: str, value: Any) -> str:
    """Check `linux/architecture[/variant]`: an architecture that images are made for, or what engines also call it."""
    found = str(_PLATFORM_TEXT(name, value))
    _system, architecture, *variant = found.split("/")
    if architecture not in _ARCHITECTURES:
        known = ", ".join(sorted(_ARCHITECTURES))
        why = f"{found!r}: no image is made for the architecture {architecture!r}; write one of {known}."
        raise Invalid(name, "InvalidOption", why)
    known_variants = _VARIANTS.get(_ARCHITECTURES[architecture])
    if variant and known_variants is not None and not re.fullmatch(known_variants[0], variant[0]):
        why = f"{found!r}: {architecture} has no variant {variant[0]!r}; write {known_variants[1]}, or leave it out."
        raise Invalid(name, "InvalidOption", why)
    return found


def check_storage_options(name: str, value: Any) -> dict[str, str]:
    """Check the options of a container's own disk: on Linux the storage drivers of engines take its size alone."""
    found: dict[str, str] = _STORAGE_OPTIONS(name, value)
    for key, size in found.items():
        if key.lower() != "size":
            why = f"Engines have no storage option {key[:64]!r}; the only one is size, as in size: 10G."
            raise Invalid(f"{name}.{key[:64]}", "InvalidOption", why)
        if not _ENGINE_SIZE.fullmatch(size):
            why = f"{size[:64]!r} is not a size: write a number with its unit, as in 500M or 10G."
            raise Invalid(f"{name}.{key}", "InvalidFormat", why)
    return found


def check_realtime(runtime: int | None, period: int | None, at: str = "") -> None:
    """Refuse a run time above its period; both in microseconds, 0 and None say nothing. Raises `Invalid`."""
    longest = period or KERNEL_PERIOD
    if runtime and runtime > longest:
        whose = "the period" if period else "the period that Linux takes where none is set"
        why = f"The real-time run time ({runtime} µs) is above {whose} ({longest} µs): lower it, or raise the period."
        raise Invalid(f"{at}cpuRealtimeRuntime", "MaxLimitExceeded", why)
