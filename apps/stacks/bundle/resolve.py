"""Makes the files of a bundle into one compose file: `extends`, `include` and `env_file` filled in. Pure."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from dotenv.parser import parse_stream

from apps.core.errors import Invalid
from apps.stacks.bundle.archive import FIELD, Files, inner_path, refusal, unpack
from apps.stacks.compose.extends import Extender, merge_services
from apps.stacks.compose.templates import REMEDY, TEMPLATE_ENDING
from apps.stacks.compose.value_formats import as_list, as_map
from apps.stacks.compose.yaml_loader import MAX_TEXT, LineMap, load_yaml, without_lines

COMPOSE_NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")
RANCHER_NAMES = ("rancher-compose.yml", "rancher-compose.yaml")
VARIABLES_NAME = ".env"
_MAX_DEPTH = 10
# What these name is beside the service that is extended, and would be missing here; libcompose refuses them, too.
_NOT_EXTENDED = ("links", "volumes_from")
_SECTIONS = ("services", "volumes", "networks", "secrets", "configs")


@dataclass(frozen=True, slots=True)
class ResolvedBundle:
    """One pair of compose files and the variables for them; `notes` name what of the bundle was not used."""

    docker_compose: str
    rancher_compose: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve_bundle(files: Files) -> ResolvedBundle:
    """One pair of files that says the same as the bundle.

    A compose file that refers to no other file is taken as it stands. Raises `Invalid` on `bundle`, naming the file.
    """
    main = next((name for name in COMPOSE_NAMES if name in files), None)
    if main is None:
        template = next(
            (f"{name}{TEMPLATE_ENDING}" for name in COMPOSE_NAMES if f"{name}{TEMPLATE_ENDING}" in files), ""
        )
        if template:
            raise refusal(f"{template} is a catalog's template: {REMEDY}.", "InvalidFormat")
        raise refusal(f"There is no compose file: one of {', '.join(COMPOSE_NAMES)} is looked for.", "MissingRequired")
    reader = _BundleReader(files)
    top = reader.resolve(main, ())
    override = _override_of(main, files)
    if override:
        _merge_override(top, reader.resolve(override, ()))
    rancher = next((name for name in RANCHER_NAMES if name in files), None)
    is_written_anew = bool(reader.is_changed or override)
    docker_compose = _dump(top) if is_written_anew else reader.text(main)
    rancher_compose = reader.text(rancher) if rancher else ""
    variables = reader.variables(VARIABLES_NAME, required=False)
    return ResolvedBundle(
        docker_compose,
        rancher_compose,
        {name: value for name, value in variables.items() if value is not None},
        # In a file that is taken as it stands the import sees them itself.
        (*_notes(main, override, sorted(set(files) - reader.used)), *(reader.duplicates if is_written_anew else ())),
    )


def read_bundle(data: bytes) -> ResolvedBundle:
    """The pair of files that an uploaded archive stands for. Raises `Invalid` on `bundle`."""
    return resolve_bundle(unpack(data))


def parse_variables(text: str, path: str = "", field: str = FIELD) -> dict[str, str | None]:
    """NAME=value lines as compose reads them in `.env` and `env_file`: quotes, comments, `export`; None without `=`.

    Raises `Invalid` on `field` with the line, and the `path` if there is one, that is none of these.
    """
    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text.replace("\r\n", "\n"))):
        if binding.error:
            where = f"{path}: line" if path else "Line"
            message = f"{where} {binding.original.line}: write NAME=value, a comment or nothing."
            raise Invalid(field, "InvalidFormat", message)
        if binding.key is not None:
            found[binding.key] = binding.value
    return found


def measure(value: Any, limit: int) -> int:
    """How many characters a value takes, as soon as it is known to be more than `limit`: `Invalid`.

    Many services may extend a large one: what they are together is refused before it is written out.
    """
    if isinstance(value, Mapping):
        size = 2
        for name, each in value.items():
            size += len(name) + 4 + measure(each, limit - size)
            _require_within(size, limit)
        return size
    if isinstance(value, list):
        size = 2
        for each in value:
            size += 4 + measure(each, limit - size)
            _require_within(size, limit)
        return size
    size = len(str(value))
    _require_within(size, limit)
    return size


def _require_within(size: int, limit: int) -> None:
    if size > limit:
        raise refusal("With everything filled in, the compose file is larger than 1 MB.", "MaxLengthExceeded")


def services_of(top: LineMap) -> LineMap:
    """The services of a file; in its first form they stand at the top level. What is no map has none."""
    found = top.get("services") if "services" in top or isinstance(top.get("version"), str) else top
    return found if isinstance(found, LineMap) else LineMap()


def _override_of(main: str, files: Files) -> str | None:
    stem, _dot, ending = main.rpartition(".")
    name = f"{stem}.override.{ending}"
    return name if name in files else None


def _notes(main: str, override: str | None, unused: list[str]) -> Iterator[str]:
    if override:
        yield f"{override} was merged into {main}."
    yield from (f"{name} is in the bundle and was not used." for name in unused)


def _merge_override(top: LineMap, override: LineMap) -> None:
    for section in _SECTIONS:
        above = override.get(section)
        if not isinstance(above, LineMap):
            continue
        below = top.setdefault(section, LineMap())
        for name, body in above.items():
            base = below.get(name)
            both = isinstance(base, LineMap) and isinstance(body, LineMap)
            below[name] = merge_services(base, body) if both else body


def _dump(top: LineMap) -> str:
    text: str = yaml.safe_dump(without_lines(top), sort_keys=False, allow_unicode=True, width=120)
    return text


class _BundleReader:
    """Reads files of a bundle, and knows which were used and whether anything had to be filled in."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.used: set[str] = set()
        self.is_changed = False
        self.duplicates: list[str] = []
        self._resolved: dict[str, LineMap] = {}
        self._merged: dict[str, LineMap] = {}
        self._room = MAX_TEXT

    def text(self, path: str) -> str:
        """The text of a file. Raises `Invalid` when it is not there or not UTF-8."""
        if path not in self._files:
            raise refusal(f"{path[:120]!r} is not in the bundle.", "InvalidReference")
        self.used.add(path)
        try:
            return self._files[path].decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise refusal(f"{path} is not valid UTF-8 text.") from None

    def variables(self, path: str, *, required: bool) -> dict[str, str | None]:
        """The NAME=value lines of a file; none when it is missing and need not be there."""
        return parse_variables(self.text(path), path) if required or path in self._files else {}

    def resolve(self, path: str, chain: tuple[str, ...]) -> LineMap:
        """A compose file with what it takes from others filled in; read once, however many services name it."""
        if path in chain or len(chain) >= _MAX_DEPTH:
            way = " -> ".join((*chain, path))[:300]
            raise refusal(f"{way}: the files lead in a circle or too far.", "InvalidReference")
        if path not in self._resolved:
            self._resolved[path] = self._fill_in(path, (*chain, path))
        return self._resolved[path]

    def _fill_in(self, path: str, chain: tuple[str, ...]) -> LineMap:
        try:
            twice: list[str] = []
            top = load_yaml(self.text(path), FIELD, duplicates=twice, only_labels=True)
            self.duplicates += [f"{path}, {text}" for text in twice]
        except Invalid as problem:
            raise (
                problem if path in problem.message else refusal(f"{path}: {problem.message}", problem.code)
            ) from None
        folder, services = posixpath.dirname(path), services_of(top)
        for name, body in services.items():
            if isinstance(body, LineMap):
                services[name] = self._resolve_service(f"{path}: {name}", body, folder, chain)
        if "include" in top and not isinstance(top["include"], Mapping):
            self._include(top, folder, chain)
        return top

    def _service_of(self, path: str, name: str, where: str, chain: tuple[str, ...]) -> LineMap:
        """A service of another file, with what it extends there."""
        services = services_of(self.resolve(path, chain))
        if not isinstance(services.get(name), LineMap):
            raise refusal(f"{where}: `extends`: there is no service {name[:80]!r} in {path}.", "InvalidReference")
        if path not in self._merged:
            self._merged[path] = Extender(services, FIELD).merge_all()
        found: LineMap = self._merged[path][name]
        for key in _NOT_EXTENDED:
            if found.get(key):
                raise refusal(f"{where}: `extends`: {name} of {path} has `{key}`: such a service cannot be extended.")
        return found

    def _resolve_service(self, where: str, body: LineMap, folder: str, chain: tuple[str, ...]) -> LineMap:
        if body.get("env_file") is not None:
            body = self._with_env_file(where, body, folder)
        given = body.get("extends")
        if not isinstance(given, Mapping) or not given.get("file"):
            return body
        self.is_changed = True
        path, name = inner_path(str(given["file"]), folder), str(given.get("service") or "")
        found = merge_services(self._service_of(path, name, where, chain), body)
        self._room -= measure(found, self._room)
        return found

    def _with_env_file(self, where: str, body: LineMap, folder: str) -> LineMap:
        """The service with the variables of its files under `environment`; its own are stronger."""
        self.is_changed = True
        found: dict[str, str | None] = {}
        for each in as_list(body["env_file"]):
            name, required = (each.get("path"), each.get("required")) if isinstance(each, Mapping) else (each, True)
            if not isinstance(name, str):
                raise refusal(f"{where}: `env_file` must name files of the bundle.")
            path = inner_path(name, folder)
            found |= self.variables(path, required=str(required).lower() != "false")
        own = body.get("environment") or {}
        known = as_map(own, "=") if isinstance(own, list) and all(isinstance(each, str) for each in own) else own
        if not isinstance(known, Mapping):
            return body  # the reader of `environment` says what is wrong with it
        # A dollar of an env_file is a dollar; in the compose file it would begin a variable.
        escaped = {name: None if value is None else value.replace("$", "$$") for name, value in found.items()}
        filled = LineMap()
        for key, value in body.items():
            if key != "env_file":
                filled[key], filled.lines[key] = value, body.line(key)
        filled["environment"] = {**escaped, **known}
        return filled

    def _include(self, top: LineMap, folder: str, chain: tuple[str, ...]) -> None:
        self.is_changed = True
        for each in as_list(top.pop("include")):
            given = each if isinstance(each, Mapping) else {"path": each}
            more = sorted(set(given) - {"path"})
            if more or not given.get("path"):
                what = f"`{more[0]}`" if more else "an entry without `path`"
                raise refusal(f"{chain[-1]}: `include` with {what} is not supported; write the path of the file alone.")
            for name in as_list(given["path"]):
                path = inner_path(str(name), folder)
                self._take_in(top, self.resolve(path, chain), path)

    def _take_in(self, top: LineMap, other: LineMap, path: str) -> None:
        for section in _SECTIONS:
            found = other.get(section)
            if not isinstance(found, LineMap):
                continue
            mine = top.setdefault(section, LineMap())
            for name, body in found.items():
                if name in mine and without_lines(mine[name]) != without_lines(body):
                    raise refusal(f"{path}: `{section}.{name}` is declared in the including file, too.", "NotUnique")
                mine[name] = body
