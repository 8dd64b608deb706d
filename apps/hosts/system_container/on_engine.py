"""The system container on an engine: made, replaced, started, and removed with everything that it made. All blocks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings

from apps.drivers.base import (
    CreateRequest,
    Driver,
    EngineConflict,
    EngineContainer,
    EngineError,
    EngineNotFound,
    EngineRefused,
    ExecSession,
)
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.system_container.container import (
    NAME,
    PORTAL_LABEL,
    create_body,
    is_as_wanted,
    is_system_container,
    portal_print,
)
from apps.hosts.tunnels.keys import get_portal_key

log = logging.getLogger(__name__)

_LEAVE_TIMEOUT = 40.0
_OTHERS = "Another Corral portal keeps its system container here: switch it off there, or remove the container {name}."
_TAKEN = "The engine has another container named {name}: remove or rename it."
_ARCHITECTURE = (
    "The engine's processor is {theirs}, the portal's {ours}, and the image is made for the latter:"
    " install the agent there instead."
)


def body_for(host: Host) -> dict[str, Any]:
    """The body of this host's system container, as it is to be now."""
    return create_body(
        image=_image_builder().tag(),
        host=str(host.uuid),
        portal_key=get_portal_key().public,
        url=host.url,
    )


def _image_builder() -> ModuleType:
    """What knows the image: the project around the apps has the program's files."""
    return import_module(settings.SYSTEM_IMAGE_BUILDER)


def ensure_container(host: Host) -> EngineContainer:
    """The host's system container, running and of this portal's version. Raises `EngineError`."""
    engine, body = driver_of(host), body_for(host)
    found = _find(engine)
    if found is not None and not is_as_wanted(found, body):
        _require_ours(found)
        log.info("the system container of host %s is replaced", host.pk)
        engine.remove(found.id)
        _remove_image(engine, found.image_id)
        found = None
    key = found.id if found is not None else _create(engine, body)
    if found is None or found.state != "running":
        engine.start(key)
    return engine.inspect(key)


def _find(engine: Driver) -> EngineContainer | None:
    try:
        return engine.inspect(NAME)
    except EngineNotFound:
        return None


def _require_ours(found: EngineContainer) -> None:
    if not is_system_container(found):
        raise EngineConflict(_TAKEN.format(name=NAME))
    if not _is_ours(found):
        raise EngineConflict(_OTHERS.format(name=NAME))


def _is_ours(found: EngineContainer) -> bool:
    return found.labels.get(PORTAL_LABEL) == portal_print(get_portal_key().public)


def _create(engine: Driver, body: dict[str, Any]) -> str:
    """Make the container from the image as it is sent just now.

    One that the engine has by that name already may have come from anywhere: a pull gives it, and this container has
    rights on the host.
    """
    _send_image(engine, body["Image"])
    return engine.create(CreateRequest(NAME, body))


def _send_image(engine: Driver, image: str) -> None:
    builder, theirs = _image_builder(), engine.info().architecture
    if theirs and theirs != builder.MACHINE:
        raise EngineRefused(_ARCHITECTURE.format(theirs=theirs, ours=builder.MACHINE))
    engine.load(builder.archive(image))


def open_session(host: Host, container: EngineContainer, module: str) -> ExecSession:
    """Run one of the program's modules in the container, with the interpreter that runs the program itself."""
    entrypoint: Sequence[str] = (container.raw.get("Config") or {}).get("Entrypoint") or ()
    if len(entrypoint) < 2:
        raise EngineRefused(f"The container {NAME} has another entry point than the agent's image.")
    return driver_of(host).exec(container.id, [*entrypoint[:-1], module], tty=False)


def set_apart(host: Host, seen: Sequence[EngineContainer]) -> list[EngineContainer]:
    """The containers without the system container, which is nobody's business; one that is not wanted is removed."""
    ours = [each for each in seen if is_system_container(each)]
    if not host.system_container and (ours or host.system_report):
        try:
            remove_container(host)
            Host.all_objects.filter(pk=host.pk, system_container=False).update(system_report={})
        except EngineError as error:  # it is tried again at the next scan
            log.warning("the system container of host %s is not removed: %s", host.pk, error)
    return [each for each in seen if each not in ours]


def remove_container(host: Host) -> None:
    """Remove the host's system container, its image, and what it made on the host. Raises `EngineError`.

    Where somebody else has just removed it, it is made once more: nobody but its program can take away what it made.
    """
    engine = driver_of(host)
    found = _find(engine) or (ensure_container(host) if host.system_report and not host.has_agent else None)
    if found is None or not is_system_container(found) or not _is_ours(found):
        return
    if not host.has_agent:  # else the agent goes on with the same network
        _leave(host, engine, found)
    engine.remove(found.id)
    _remove_image(engine, found.image_id)


def _leave(host: Host, engine: Driver, found: EngineContainer) -> None:
    """Have the program take its devices and filters away. What it cannot is no reason to keep the container."""
    try:
        if found.state != "running":
            engine.start(found.id)
        session = open_session(host, found, "corral_agent.leave")
    except EngineError as error:
        log.warning("the system container of host %s does not leave: %s", host.pk, error)
        return
    timer = threading.Timer(_LEAVE_TIMEOUT, session.close)
    timer.start()
    try:
        output = b"".join(iter(session.read, b""))[:1000]
        if output:
            log.warning(
                "the system container of host %s left something: %s", host.pk, output.decode("utf-8", "replace")
            )
    except EngineError as error:
        log.warning("the system container of host %s does not leave: %s", host.pk, error)
    finally:
        timer.cancel()
        session.close()


def _remove_image(engine: Driver, image: str) -> None:
    try:
        if image:
            engine.remove_image(image)
    except EngineError as error:
        log.info("the image of a system container stays: %s", error)
