"""What a request for a container may say from which version of the Engine API on.

Older engines leave out what they do not know and say nothing, so that a container would run without it.
"""

from __future__ import annotations

from apps.drivers.base import CreateRequest, EngineRefused

Version = tuple[int, ...]

_PLATFORM_SINCE: Version = (1, 41)
# Named as they are over the API, with the verb that goes with the name; in compose files they have similar names.
_HOST_CONFIG_SINCE: dict[str, tuple[str, Version]] = {
    "CgroupnsMode": ("cgroupnsMode needs", (1, 41)),
    "Annotations": ("annotations need", (1, 43)),
}


def parse_api_version(version: str) -> Version:
    """The numbers of a version such as 1.41."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def require_known_keys(request: CreateRequest, version: str) -> None:
    """Raise `EngineRefused` for a platform or a key that an engine with this version of the API would leave out."""
    spoken = parse_api_version(version)
    if request.platform and spoken < _PLATFORM_SINCE:
        raise EngineRefused(_reason("platform needs", _PLATFORM_SINCE, version))
    host = request.body.get("HostConfig") or {}
    for key, (subject, since) in _HOST_CONFIG_SINCE.items():
        if host.get(key) and spoken < since:
            raise EngineRefused(_reason(subject, since, version))


def _reason(subject: str, since: Version, version: str) -> str:
    needed = ".".join(map(str, since))
    return (
        f"{subject} version {needed} of the Engine API, and this engine speaks {version}: "
        f"upgrade the engine, or leave {'them' if subject.endswith('need') else 'it'} out."
    )
