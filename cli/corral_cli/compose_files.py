"""The compose files of a stack, as the portal takes them: it reads and checks YAML itself, so nothing here does.

Files that others refer to (`env_file`, `extends`, `include`) and a second -f travel beside them, in one zip.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json

NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")
RANCHER_NAMES = ("rancher-compose.yml", "rancher-compose.yaml")
MAX_FILE = 1024 * 1024
_MAX_BESIDE = 150
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*))")
_REFERENCE = re.compile(r"^[ \t-]*(?:env_file|extends|include|file)[ \t]*:", re.MULTILINE)
_WORD = re.compile(r"[^\s'\"\[\]{},]+")
_PLACE = re.compile(r"(dockerCompose|rancherCompose): line (\d+)(?:, column (\d+))?: ")
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)")


@dataclass(frozen=True)
class ComposeFiles:
    """What is sent: one pair of texts, or the zip that takes their place; and the variables that they name.

    `names` are the compose files that were read, `rancher_name` and `variables_name` the files beside them, if any.
    """

    docker: str
    rancher: str
    names: tuple[str, ...]
    bundle: bytes = b""
    variables: Mapping[str, str] = field(default_factory=dict)
    referenced: frozenset[str] = frozenset()
    rancher_name: str = ""
    variables_name: str = ""

    def locate(self, text: str) -> str:
        """A refusal of the portal with the file that it is about: `docker-compose.yml:3:5: ...`."""
        found = _PLACE.match(text)
        name = (
            {"dockerCompose": self.names[:1], "rancherCompose": (self.rancher_name,)}.get(found[1]) if found else None
        )
        if found is None or not name or not name[0] or self.bundle:
            return text
        column = f":{found[3]}" if found[3] else ""
        return f"{name[0]}:{found[2]}{column}: {text[found.end() :]}"

    def body(self, known: Mapping[str, str] | None = None) -> Json:
        """The fields of a request; a variable that is not set here keeps the value that the stack has (`known`)."""
        kept = {name: value for name, value in (known or {}).items() if name in self.referenced}
        found: Json = {"environment": {**kept, **self.variables}}
        if self.bundle:
            return {**found, "bundle": base64.b64encode(self.bundle).decode()}
        return {**found, "dockerCompose": self.docker, "rancherCompose": self.rancher}


def read_files(
    folder: str, names: Sequence[str], rancher_name: str, variables_name: str, environ: Mapping[str, str]
) -> ComposeFiles:
    """The files of a stack: those named, else the usual ones of the folder. Raises `CliError`."""
    paths = _compose_paths(Path(folder), names, environ)
    if len(paths) > 2:
        raise CliError("At most two compose files can be given: the second overrides the first.", ExitCode.USAGE)
    texts = [_read(path) for path in paths]
    if not any(text.strip() for text in texts):
        raise CliError(f"{paths[0]} is empty: there is no service in it.", ExitCode.INVALID)
    rancher_path = Path(folder, rancher_name) if rancher_name else _first(paths[0].parent, RANCHER_NAMES)
    rancher = _read(rancher_path) if rancher_path else ""
    whole = "\n".join([*texts, rancher])
    beside = _files_beside(paths[0].parent, whole) if _REFERENCE.search(whole) else {}
    named = {**dict(zip(("docker-compose.yml", "docker-compose.override.yml"), texts))}
    if rancher:
        named["rancher-compose.yml"] = rancher
    is_bundle = len(paths) > 1 or bool(beside)
    referenced = frozenset(a or b for text in [whole, *beside.values()] for a, b in _VARIABLE.findall(text))
    variables_path = Path(folder, variables_name) if variables_name else paths[0].parent / ".env"
    read = read_variables(variables_path) if variables_name or variables_path.is_file() else {}
    values = {**read, **environ}
    return ComposeFiles(
        docker=texts[0],
        rancher=rancher,
        names=tuple(map(str, paths)),
        bundle=_zip({**beside, **named}) if is_bundle else b"",
        variables={name: values[name] for name in sorted(referenced) if name in values},
        referenced=referenced,
        rancher_name=str(rancher_path.resolve()) if rancher_path else "",
        variables_name=str(variables_path) if read else "",
    )


def stack_name_of(folder: str, files: Sequence[str]) -> str:
    """The name of a stack that is not named: its folder's, as compose does it."""
    first = Path(folder, files[0]).parent if files else Path(folder)
    name = re.sub(r"[^a-z0-9-]", "", first.resolve().name.lower()).strip("-")
    return name or "default"


def _compose_paths(folder: Path, names: Sequence[str], environ: Mapping[str, str]) -> list[Path]:
    given = list(names) or [each for each in environ.get("COMPOSE_FILE", "").split(os.pathsep) if each]
    if given:
        return [folder / name for name in given]
    found = _first(folder, NAMES)
    if found is None:
        where = folder.resolve()
        raise CliError(f"There is no docker-compose.yml in {where}: say which file with -f.", ExitCode.NOT_FOUND)
    return [found]


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(path: Path) -> str:
    """The text of a file. Raises `CliError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise CliError(f"There is no file {path}.", ExitCode.NOT_FOUND) from None
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror or error}.", ExitCode.NOT_FOUND) from None
    if len(data) > MAX_FILE:
        raise CliError(f"{path} is larger than {MAX_FILE >> 20} MB: is it a compose file?", ExitCode.INVALID)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise CliError(f"{path} is no valid UTF-8 text.", ExitCode.INVALID) from None


def _files_beside(folder: Path, text: str) -> dict[str, str]:
    """The files in or below the folder whose names stand in the text, and those named in them.

    A word that happens to be a file's name brings one file too many along, which the portal only mentions.
    """
    found: dict[str, str] = {}
    texts = [text]
    while texts:
        for word in dict.fromkeys(_WORD.findall(texts.pop())):
            path = _inner_file(folder, word)
            if path is None or word in found or len(found) >= _MAX_BESIDE:
                continue
            found[word] = _read(path)
            if word.endswith((".yml", ".yaml")):
                texts.append(_read(path))
    return found


def _inner_file(folder: Path, word: str) -> Path | None:
    if len(word) > 255 or word.startswith("/") or word in {".", ".."}:
        return None
    try:
        path = folder / word
        is_inside = folder.resolve() in path.resolve().parents
        return path if is_inside and path.is_file() else None
    except (OSError, ValueError):
        return None


def read_variables(path: Path) -> dict[str, str]:
    """The NAME=value lines of a file. Raises `CliError`."""
    found = {}
    for line in _read(path).splitlines():
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match:
            value = match[2].strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[match[1]] = value[1:-1] if quoted else value
    return found


def _zip(files: Mapping[str, str]) -> bytes:
    from zipfile import ZIP_DEFLATED, ZipFile

    data = io.BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()
