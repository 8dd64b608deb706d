"""Building images on a simulated engine: enough of a Dockerfile to succeed, and to fail as engines do."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, cast

from simulated_engine.errors import EngineApiError, bad_request
from simulated_engine.images import Readable, SimulatedImages, image_id, tagged_name

_MAX_DOCKERFILE = 1024 * 1024
_INSTRUCTIONS = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"}
    | {"ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_FAILING = re.compile(r"(?:^|\s)(?:false|exit [1-9]\d*)$")


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A line of a build's answer, as engines write it; `waits` says that the step takes a moment."""

    line: Mapping[str, object]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class ParsedContext:
    """The Dockerfile in a context, and the names of everything in it."""

    dockerfile: str
    names: frozenset[str] = field(default_factory=frozenset)


def read_context(file: Readable, dockerfile: str) -> ParsedContext:
    """Read a context to its end. Raises `EngineApiError` for what is no tar archive, or has no such Dockerfile."""
    text: str | None = None
    names = set()
    try:
        with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|*") as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                names.add(name)
                if name == dockerfile and (member := tar.extractfile(entry)) is not None:
                    text = member.read(_MAX_DOCKERFILE).decode("utf-8", "replace")
    except (tarfile.TarError, EOFError, OSError):
        raise bad_request("Error processing tar file: unexpected EOF") from None
    if text is None:
        raise EngineApiError(500, f"Cannot locate specified Dockerfile: {dockerfile}")
    return ParsedContext(text, frozenset(names))


def build_steps(
    images: SimulatedImages, context: ParsedContext, name: str, arguments: Mapping[str, str]
) -> Iterator[BuildStep]:
    """Build it, line by line; the image is there when the last one comes. Raises `EngineApiError` before the first."""
    steps = [line.strip() for line in context.dockerfile.splitlines()]
    steps = [line for line in steps if line and not line.startswith("#")]
    if not steps:
        raise EngineApiError(400, "dockerfile parse error: file with no instructions")
    for number, step in enumerate(steps, 1):
        word = step.split()[0].upper()
        if word not in _INSTRUCTIONS:
            raise bad_request(f"dockerfile parse error line {number}: unknown instruction: {word}")
    return _run(images, steps, context, tagged_name(name), arguments)


def _run(
    images: SimulatedImages, steps: list[str], context: ParsedContext, name: str, arguments: Mapping[str, str]
) -> Iterator[BuildStep]:
    for number, step in enumerate(steps, 1):
        yield BuildStep({"stream": f"Step {number}/{len(steps)} : {step}\n"}, waits=step.upper().startswith("RUN"))
        if reason := _refusal(images, step, context):
            yield BuildStep({"errorDetail": {"message": reason}, "error": reason})
            return
        if step.upper().startswith("RUN ECHO "):
            said = step[9:]
            for argument, value in arguments.items():
                said = said.replace(f"${argument}", value)
            yield BuildStep({"stream": f"{said}\n"})
        yield BuildStep({"stream": f" ---> {image_id(f'{name}{number}')[7:19]}\n"})
    key = images.built(name)
    yield BuildStep({"aux": {"ID": key}})
    yield BuildStep({"stream": f"Successfully built {key[7:19]}\n"})
    yield BuildStep({"stream": f"Successfully tagged {name}\n"})


def _refusal(images: SimulatedImages, step: str, context: ParsedContext) -> str:
    """Why a step fails, in the engine's words."""
    word, _space, rest = step.partition(" ")
    first = rest.split()[0] if rest.split() else ""
    if word.upper() == "FROM" and first != "scratch" and not images.has(first):
        return f"pull access denied for {first}, repository does not exist or may require 'docker login'"
    if word.upper() in {"COPY", "ADD"} and not first.startswith(("-", "[", ".")) and first not in context.names:
        return f"{word.upper()} failed: file not found in build context or excluded by .dockerignore: stat {first}"
    if word.upper() == "RUN" and _FAILING.search(rest):
        return f"The command '/bin/sh -c {rest}' returned a non-zero code: 1"
    return ""
