"""What runs where: the services of all environments that an actor sees, side by side by stack and service name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from django.db.models import F

from apps.core.csv_rows import csv_row
from apps.core.ids import wire_id
from apps.environments.actor import Actor
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.selectors import observed_health

Difference = Literal["", "version", "image"]
CONTENT_TYPES = {"csv": "text/csv", "json": "application/json"}
CSV_COLUMNS = (
    "application", "stack", "service", "environment", "image", "tag", "digest", "imageId", "revision",
    "stackRevision", "state", "health", "deployedBy", "deployedAt", "note", "difference",
)  # fmt: skip
_SERVICE_COLUMNS = (
    "pk", "name", "image", "desired", "status", "fault", "display_state", "revision", "environment_id",
    "stack_id", "stack__name", "stack__revision",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service in one environment: what it runs, in which state, who deployed it when and why.

    `tag` and `digest` are those of the image's name, `image_id` is what the tag meant on the hosts once it ran; each is
    empty where it is not known. `difference` is how it differs from the reference: `version` by the image's name,
    `image` where the same name means another image.
    """

    service_id: int
    environment_id: int
    environment: str
    stack_id: int
    stack: str
    service: str
    image: str
    tag: str
    digest: str
    image_id: str
    revision: int
    stack_revision: int
    state: str
    health: str
    is_faulty: bool = False
    deployed_by: str = ""
    deployed_at: datetime | None = None
    note: str = ""
    difference: Difference = ""

    @property
    def application(self) -> str:
        """What is compared: `stack/service`."""
        return f"{self.stack}/{self.service}"

    @property
    def version(self) -> str:
        """What people call the version: the tag, else the beginning of the digest, else the whole name."""
        return self.tag or self.digest[:19] or self.image


@dataclass(frozen=True, slots=True)
class Application:
    """One row of the matrix: a service of a stack, with its deployments by environment."""

    stack: str
    service: str
    cells: tuple[Deployment | None, ...]

    @property
    def name(self) -> str:
        """`stack/service`."""
        return f"{self.stack}/{self.service}"

    @property
    def differs(self) -> bool:
        """Whether any environment has another version than the reference."""
        return any(each is not None and each.difference for each in self.cells)


@dataclass(frozen=True, slots=True)
class MatrixFilters:
    """What of the matrix is wanted.

    `text` is looked for in stack, service and image; `reference` is the environment (its key) that the others are
    compared with, None for the version that most of them have.
    """

    text: str = ""
    environments: tuple[int, ...] = ()
    reference: int | None = None
    only_differences: bool = False


def split_image(image: str) -> tuple[str, str, str]:
    """The name of an image as repository, tag and digest; the tag that is meant where none is written is `latest`."""
    name, _at, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "" if digest else "latest", digest
    return repository, tag, digest


def deployments_of(actor: Actor, keys: Collection[int]) -> list[Deployment]:
    """What runs in these environments, as far as the actor may see them: in three queries, however many there are."""
    actor.prefetch_permissions(keys)
    seen = [key for key in keys if "view" in actor.permissions(key)]
    services = Service.objects.within(seen).filter(removed=None).exclude(image="").exclude(desired="removed")
    rows = services.values_list(*_SERVICE_COLUMNS, "environment__name")
    current = ServiceRevision.objects.filter(
        service__environment__in=seen, service__removed=None, number=F("service__revision")
    )
    columns = ("service_id", "image_id", "account__name", "account__login", "created", "note")
    made = {each[0]: each[1:] for each in current.values_list(*columns)}
    return [_deployment(dict(zip((*_SERVICE_COLUMNS, "environment"), each, strict=True)), made) for each in rows]


def _deployment(row: dict[str, Any], made: dict[int, tuple[Any, ...]]) -> Deployment:
    image_id, name, login, created, note = made.get(row["pk"], ("", "", "", None, ""))
    _repository, tag, digest = split_image(row["image"])
    return Deployment(
        row["pk"],
        row["environment_id"],
        row["environment"],
        row["stack_id"],
        row["stack__name"],
        row["name"],
        row["image"],
        tag,
        digest,
        image_id,
        row["revision"],
        row["stack__revision"],
        row["display_state"],
        observed_health(row["desired"], row["status"] or {}, is_faulty=row["fault"]),
        bool(row["fault"]),
        name or login or "",
        created,
        note,
    )


def matrix_of(
    deployments: Iterable[Deployment], environments: Sequence[int], filters: MatrixFilters
) -> list[Application]:
    """The rows of the matrix in the order of their names, with a cell for each of these environments."""
    shown = {key: at for at, key in enumerate(environments)}
    found: dict[tuple[str, str], list[Deployment | None]] = {}
    for each in deployments:
        if each.environment_id in shown:
            key = (each.stack.lower(), each.service.lower())
            found.setdefault(key, [None] * len(shown))[shown[each.environment_id]] = each
    text = filters.text.lower()
    rows = [
        _application(cells, filters.reference)
        for _key, cells in sorted(found.items())
        if any(each is not None and text in f"{each.application} {each.image}".lower() for each in cells)
    ]
    return [row for row in rows if row.differs or not filters.only_differences]


def _application(cells: Sequence[Deployment | None], reference: int | None) -> Application:
    there = [each for each in cells if each is not None]
    chosen = next((each for each in there if each.environment_id == reference), None)
    expected = chosen if reference is not None else _most_frequent(there)
    compared = tuple(each and replace(each, difference=_difference(each, expected)) for each in cells)
    return Application(there[0].stack, there[0].service, compared)


def _most_frequent(cells: Sequence[Deployment]) -> Deployment:
    """One of those with the version that most have; of several such versions the one that was deployed last."""
    counts = Counter((each.image, each.image_id) for each in cells)

    def rank(each: Deployment) -> tuple[int, float]:
        return counts[each.image, each.image_id], each.deployed_at.timestamp() if each.deployed_at else 0.0

    return max(cells, key=rank)


def _difference(cell: Deployment, expected: Deployment | None) -> Difference:
    if expected is None or cell is expected:
        return ""
    if cell.image != expected.image:
        return "version"
    # Which image a tag meant is known only of what has run.
    return "image" if cell.image_id and expected.image_id and cell.image_id != expected.image_id else ""


def export_matrix(rows: Iterable[Application], kind: str) -> Iterator[str]:
    """The cells of the matrix as a file: CSV with a line for each, or one JSON list."""
    cells = [each for row in rows for each in row.cells if each is not None]
    if kind == "json":
        yield json.dumps([describe_deployment(each) for each in cells], indent=1, default=_moment) + "\n"
        return
    yield csv_row(CSV_COLUMNS)
    for each in cells:
        described = describe_deployment(each)
        yield csv_row([_cell(described[name]) for name in CSV_COLUMNS])


def describe_deployment(each: Deployment) -> dict[str, Any]:
    """One cell by the names of the API."""
    return {
        "application": each.application,
        "stack": each.stack,
        "service": each.service,
        "environment": each.environment,
        "image": each.image,
        "tag": each.tag or None,
        "digest": each.digest or None,
        "imageId": each.image_id or None,
        "revision": each.revision,
        "stackRevision": each.stack_revision or None,
        "state": each.state,
        "health": each.health,
        "deployedBy": each.deployed_by or None,
        "deployedAt": each.deployed_at,
        "note": each.note or None,
        "difference": each.difference or None,
        "projectId": wire_id("a", each.environment_id),
        "environmentId": wire_id("e", each.stack_id),
        "serviceId": wire_id("s", each.service_id),
    }


def _moment(value: datetime) -> str:
    return value.isoformat(timespec="seconds")


def _cell(value: Any) -> str:
    return "" if value is None else _moment(value) if isinstance(value, datetime) else str(value)
