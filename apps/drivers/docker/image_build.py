"""Building an image: the request to the engine with its context, and what the engine says meanwhile."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from apps.core import read_budgets
from apps.drivers.base import Endpoint, EngineDown, EngineError
from apps.drivers.docker.errors import error_from_response
from apps.drivers.docker.image_archive import ArchiveUpload
from apps.drivers.docker.streams import read_json_lines
from apps.drivers.image_builds import BuildOutput, BuildRequest

STEP_TIMEOUT = 1800.0  # a compiler may say nothing for long
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")


def build_query(request: BuildRequest) -> str:
    """The query of /build: the portal sends these parameters and no others, and agents let no others through."""
    query = {
        "version": "1",
        "t": request.name,
        "dockerfile": request.dockerfile,
        "rm": "1",
        "forcerm": "1",
        "buildargs": json.dumps(dict(request.arguments)) if request.arguments else "",
        "labels": json.dumps(dict(request.labels)) if request.labels else "",
        "target": request.target,
        "nocache": "1" if request.no_cache else "",
        "pull": "1" if request.pull else "",
    }
    return urlencode({name: value for name, value in query.items() if value})


def build_headers(request: BuildRequest) -> dict[str, str]:
    """The accounts at registries, by their addresses, as base64 of JSON in a header."""
    if not request.logins:
        return {}
    logins = {str(each["serveraddress"]): dict(each) for each in request.logins}
    return {"X-Registry-Config": base64.urlsafe_b64encode(json.dumps(logins).encode()).decode()}


class DockerBuild:
    """A build on an engine: it begins with the iteration, and ends with its connection."""

    def __init__(self, endpoint: Endpoint, path: str, request: BuildRequest, context: Iterable[bytes]) -> None:
        self._upload = ArchiveUpload(endpoint, f"{path}?{build_query(request)}", build_headers(request))
        self._context = context

    def __iter__(self) -> Iterator[BuildOutput]:
        try:
            response = self._upload.send(self._context, read_budgets.ENGINE_BUILD, STEP_TIMEOUT)
            with response.as_engine_errors():
                yield from read_output(read_json_lines(response))
        finally:
            self._upload.close()

    def close(self) -> None:
        """End the build, whichever thread it is in: engines stop when nobody listens."""
        self._upload.close()


def read_output(lines: Iterable[Mapping[str, Any]]) -> Iterator[BuildOutput]:
    """The engine's lines as text, and at the end the image. Raises the `EngineError` that a line reports."""
    image_id = ""
    for found in lines:
        if found.get("error") or found.get("errorDetail"):
            detail = found.get("errorDetail") or {}
            message = str(detail.get("message") or found.get("error") or "The engine gave no reason.")
            raise EngineError(str(error_from_response(500, message)))
        aux = found.get("aux")
        if isinstance(aux, Mapping) and _IMAGE_ID.fullmatch(str(aux.get("ID"))):
            image_id = str(aux["ID"])
        text = _text(found)
        if built := _BUILT.search(text):
            image_id = image_id or built[1]
        if text:
            yield BuildOutput(text)
    if not image_id:
        raise EngineDown("The engine stopped in the middle of the build.")
    yield BuildOutput("", image_id)


def _text(found: Mapping[str, Any]) -> str:
    """What a line says; the progress of a pull, which comes many times a second, is left out."""
    if found.get("stream"):
        return str(found["stream"])
    if not found.get("status") or found.get("progressDetail"):
        return ""
    layer = f"{found['id']}: " if found.get("id") else ""
    return f"{layer}{found['status']}\n"
