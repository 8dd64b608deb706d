"""Images of a service that are held to a digest: what its containers are made from, and what becomes of it. Pure.

The name stays as people wrote it. Containers are made from the name with the digest, so that every host gets the same
image, whatever the tag means by then, and a rollback gets the one of before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_always_pulled
from apps.stacks.updates.image_names import pinned


def with_pin(config: LaunchConfig, pins: Mapping[str, str]) -> LaunchConfig:
    """What a container is made from: the configuration with its image held to the digest, if there is one."""
    digest = pins.get(config.image)
    if not digest or config.image_uuid is None:
        return config
    return replace(config, image_uuid=pinned(config.image_uuid, digest))


def kept_pins(pins: Mapping[str, str], configs: Iterable[LaunchConfig]) -> dict[str, str]:
    """What is still held when a service gets other configurations: the images that stay.

    Whoever has an image pulled for each new container wants whatever its tag means then.
    """
    staying = {each.image for each in configs if not is_always_pulled(each)}
    return {image: digest for image, digest in pins.items() if image in staying}
