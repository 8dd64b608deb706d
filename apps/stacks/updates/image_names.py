"""What an image's name says about where to look for a newer one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.errors import Invalid
from apps.vault.registries.addresses import DOCKER_HUB, domain_of_image, parse_address, title_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
MAX_REPOSITORY = 255


@dataclass(frozen=True, slots=True)
class ImageTag:
    """A tag in a registry: `domain` is the registry's one name in all its spellings, as of `domain_of_image`."""

    domain: str
    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{title_of(self.domain)}: {self.repository}:{self.tag}"


def read_image_tag(image: str) -> ImageTag | None:
    """The tag that an image's name means; None for one that names a digest or an id, or is no name of an image."""
    if "@" in image or image.startswith("sha256:"):
        return None
    domain, (repository, tag) = domain_of_image(image), _split_tag(image)
    if not _REPOSITORY.fullmatch(repository) or not _TAG.fullmatch(tag) or len(repository) > MAX_REPOSITORY:
        return None
    if not _is_address(domain):
        return None
    if domain == DOCKER_HUB and re.fullmatch(r"[0-9a-f]{12,64}", repository.removeprefix("library/")):
        return None  # an id: engines show it where a container was made from one
    return ImageTag(domain, repository, tag)


def _is_address(domain: str) -> bool:
    """Whether a registry's name may be connected to: names of images are less strict."""
    try:
        return parse_address("image", domain).domain == domain
    except Invalid:
        return domain == "localhost"


def _split_tag(image: str) -> tuple[str, str]:
    """Repository, without its registry, and tag."""
    head, colon, tag = image.rpartition(":")
    name, tag = (head, tag) if colon and "/" not in tag else (image, "latest")
    domain = domain_of_image(image)
    first, slash, rest = name.partition("/")
    if slash and (domain != DOCKER_HUB or "." in first):
        name = rest
    return (f"library/{name}" if domain == DOCKER_HUB and "/" not in name else name), tag


def is_digest(text: object) -> bool:
    """Whether a text is a digest in one of the two forms that registries have."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def without_digest(image: str) -> str:
    """The image's name without the digest that it is pinned to."""
    return image.partition("@")[0]


def digest_of(image: str) -> str:
    """The digest that an image's name is pinned to; empty without one."""
    return image.partition("@")[2]


def pinned(image: str, digest: str) -> str:
    """The image's name pinned to a digest: engines pull and start exactly that one."""
    return f"{without_digest(image)}@{digest}"


def digests_for(tag: ImageTag, repo_digests: Iterable[str]) -> tuple[str, ...]:
    """Under which digests an engine has an image of this repository, of its `repository@digest` texts."""
    found = []
    for each in repo_digests:
        name, _at, digest = each.partition("@")
        other = read_image_tag(name)
        if is_digest(digest) and other is not None and (other.domain, other.repository) == (tag.domain, tag.repository):
            found.append(digest)
    return tuple(found)


def short_digest(digest: str) -> str:
    """The beginning of a digest, for people."""
    return digest.partition(":")[2][:12]
