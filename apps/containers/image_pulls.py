"""Images pulled on request to the hosts of an environment, before any container waits for them there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.containers.launch.values import check_image_reference
from apps.containers.models import Container, Pull
from apps.control.services import create, request_change
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.affinity import HOST_LABEL, parse_rules
from apps.hosts.models import Host

DONE, PULLING = "Done", "Pulling"


@dataclass(frozen=True)
class PullTask:
    """An image on its way to all hosts of an environment that it was requested on; `pk` is that of any of its pulls."""

    pk: int
    pulls: tuple[Pull, ...]

    @property
    def environment_id(self) -> int:
        """Where the hosts are."""
        return self.pulls[0].environment_id

    @property
    def image(self) -> str:
        """The image."""
        return self.pulls[0].image

    @property
    def created(self) -> datetime:
        """When the image was first requested."""
        return min(each.created for each in self.pulls)

    @property
    def status(self) -> dict[str, str]:
        """How far each host is: `Done`, `Pulling`, or why it does not have the image."""
        return {str(each.host): _status_of(each) for each in self.pulls}

    @property
    def messages(self) -> list[str]:
        """What is to be said of hosts that have the image: from which mirror, or why not from it."""
        return [f"{each.host}: {each.message}" for each in self.pulls if each.message and _status_of(each) == DONE]

    @property
    def hosts_left(self) -> int:
        """How many hosts it is still on its way to."""
        return list(self.status.values()).count(PULLING)

    @property
    def display_state(self) -> str:
        """`activating` until every host has the image or cannot have it."""
        return "activating" if self.hosts_left else "active"

    @property
    def transitioning(self) -> str:
        """As of rows with a life cycle. A host that failed is in the status: the task itself has come to its end."""
        return "yes" if self.display_state == "activating" else "no"


def _status_of(pull: Pull) -> str:
    if pull.display_state == "error":
        return pull.message or "The image could not be pulled."
    return DONE if pull.display_state == "pulled" else PULLING


def find_task(environment_ids: list[int], key: int) -> PullTask | None:
    """The task that has this pull."""
    row = Pull.all_objects.filter(environment__in=environment_ids, platform="", pk=key).first()
    return _task_of(key, row.environment_id, row.image) if row is not None else None


def tasks_of(environment_ids: list[int]) -> list[PullTask]:
    """The tasks of the environments, one for each image."""
    rows = Pull.all_objects.filter(environment__in=environment_ids, platform="")
    found: dict[tuple[int, str], list[Pull]] = {}
    for row in rows.select_related("host").order_by("pk"):
        found.setdefault((row.environment_id, row.image), []).append(row)
    return [PullTask(rows[0].pk, tuple(rows)) for rows in found.values()]


def _task_of(key: int, environment_id: int, image: str) -> PullTask:
    rows = Pull.all_objects.filter(environment=environment_id, image=image, platform="")
    return PullTask(key, tuple(rows.select_related("host").order_by("pk")))


def image_pull(
    *,
    actor: Actor,
    environment: Environment,
    image: str,
    labels: Mapping[str, str],
    only_present: bool = False,
    hosts: Collection[int] | None = None,
) -> PullTask:
    """Pull an image to the active hosts where the scheduling `labels` allow it; `only_present`: where it was before.

    `hosts` are the keys of those that are meant; None for all.

    Raises `Forbidden`, and `Invalid` for a name that is no image's and when no host is left.
    """
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    image = check_image_reference("image", image.removeprefix("docker:"))
    targets = [each for each in _hosts_for(environment, labels) if hosts is None or each.pk in hosts]
    if only_present:
        present = _hosts_with(environment, image)
        targets = [each for each in targets if each.pk in present]
    if not targets:
        raise Invalid("image", "InvalidOption", "No active host of this environment is meant: nothing was pulled.")
    with transaction.atomic():
        pulls = [_request_pull(actor, environment, image, host) for host in targets]
    return _task_of(pulls[0].pk, environment.pk, image)


def _hosts_for(environment: Environment, labels: Mapping[str, str]) -> list[Host]:
    rules = [each for each in parse_rules(labels) if each.subject == HOST_LABEL and not each.soft]
    active = Host.all_objects.filter(environment=environment, removed=None, state="active").order_by("pk")
    return [host for host in active if all(rule.holds_for(host.all_labels) is rule.wanted for rule in rules)]


def _hosts_with(environment: Environment, image: str) -> set[int]:
    """The hosts that have had the image: it was pulled there, or a container was made from it."""
    pulled = Pull.all_objects.filter(environment=environment, image=image, state="pulled")
    used = Container.all_objects.filter(environment=environment, image=image, removed=None).exclude(host=None)
    return {*pulled.values_list("host_id", flat=True), *used.values_list("host_id", flat=True)}


def _request_pull(actor: Actor, environment: Environment, image: str, host: Host) -> Pull:
    details = {"image": image, "host": str(host)}
    row: Pull | None = Pull.all_objects.filter(host=host, image=image, platform="").first()
    if row is None:
        row = Pull(environment=environment, host=host, image=image, name=image[:255], desired="pulled")
        try:
            with transaction.atomic():
                create(row, actor=actor, request=details)
        except IntegrityError:  # a container's reconcile, or somebody else, requested it in the same moment
            row = Pull.all_objects.get(host=host, image=image, platform="")
    elif row.display_state in {"pulled", "error"}:
        with suppress(Conflict):  # it is on its way again already
            request_change(row, "again", actor=actor, changes={"source": None}, request=details)
    return row
