"""How a stack says which version of which template it is: `catalog://<catalog>:<template>:<number>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = "catalog://"
_ID = re.compile(r"(?P<catalog>[^:/]{1,255}):(?P<template>[^:/]{1,160}):(?P<number>[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class VersionId:
    """A version of a template by names, as clients of Rancher write it."""

    catalog: str
    template: str
    number: int

    def __str__(self) -> str:
        return f"{self.catalog}:{self.template}:{self.number}"

    @property
    def external_id(self) -> str:
        """What a stack keeps."""
        return f"{SCHEME}{self}"


def parse_version_id(text: str) -> VersionId | None:
    """Read `<catalog>:<template>:<number>`; None for anything else."""
    found = _ID.fullmatch(text)
    return VersionId(found["catalog"], found["template"], int(found["number"])) if found else None


def parse_external_id(text: str) -> VersionId | None:
    """Read what a stack keeps; None when it is not of a catalog."""
    return parse_version_id(text.removeprefix(SCHEME)) if text.startswith(SCHEME) else None
