"""The files behind the index: which source a catalog has on this machine, and files of versions, remembered a while."""

from __future__ import annotations

import functools
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from django.conf import settings

from apps.catalog.egress import Unreachable, permitted_address
from apps.catalog.git import GitCredential, GitStore
from apps.catalog.git_url import parse_git_url
from apps.catalog.layout import MAX_FILE, MAX_FILES, MAX_ICON
from apps.catalog.models import LIBRARY, Catalog, Template, TemplateVersion
from apps.catalog.source import FileSource, FolderSource, SourceError
from apps.core.defaults import setting
from apps.core.errors import Invalid

LIBRARY_FOLDER = Path(__file__).parent / "library"
_REMEMBERED = 16 * 2**20  # bytes of files in this process

Files = dict[str, bytes]


@functools.cache
def library_source() -> FolderSource:
    """The templates that come with the program; they do not change while it runs."""
    return FolderSource(LIBRARY_FOLDER)


def git_store(catalog: Catalog) -> GitStore:
    """Where the catalog's repository is kept on this machine."""
    return GitStore(Path(settings.DATA_DIR) / "catalogs" / f"{catalog.uuid}.git")


def fetch(catalog: Catalog) -> tuple[FileSource, str]:
    """Fetch the catalog's branch: the source and the state that it has now. Raises `SourceError`."""
    if catalog.source == LIBRARY:
        return library_source(), library_source().state()
    try:
        url = parse_git_url("url", catalog.url, allow_local=settings.CATALOG_LOCAL_REPOSITORIES)
        networks = setting("catalog.private.networks").split()
        is_trusted = catalog.environment_id is None
        address = url.host and permitted_address(url.host, url.port, is_trusted=is_trusted, networks=networks)
    except (Unreachable, Invalid) as problem:
        raise SourceError(str(problem)) from None
    store = git_store(catalog)
    credential = GitCredential(catalog.username or url.user, catalog.secret)
    return store, store.fetch(url, catalog.branch, credential=credential, address=address)


def _open(catalog: Catalog) -> FileSource:
    """The source at the state that the index holds; a machine that has it not yet fetches it. Raises `SourceError`."""
    if catalog.source == LIBRARY:
        return library_source()
    store = git_store(catalog)
    if not store.has(catalog.commit):
        _source, commit = fetch(catalog)
        store.keep(commit)
        if commit != catalog.commit and not store.has(catalog.commit):
            raise SourceError("The repository has moved on, and the catalog is being refreshed: try again in a moment.")
    return store


class _FileCache:
    """Files by catalog and digest; those used last stay, up to a size in all."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._found: OrderedDict[tuple[int, str], Files] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, str]) -> Files | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: tuple[int, str], files: Files) -> None:
        size = sum(map(len, files.values()))
        if size > self._limit // 4:
            return
        with self._lock:
            if key not in self._found:
                self._found[key] = files
                self._size += size
            while self._size > self._limit:
                _key, old = self._found.popitem(last=False)
                self._size -= sum(map(len, old.values()))

    def clear(self) -> None:
        with self._lock:
            self._found.clear()
            self._size = 0


FILES = _FileCache(_REMEMBERED)


def version_files(version: TemplateVersion) -> Files:
    """The files of a version by their paths within its folder. Raises `SourceError`."""
    catalog = version.template.catalog
    key = (catalog.pk, version.digest)
    found = FILES.get(key)
    if found is None:
        found = _read_folder(catalog, f"{version.template.folder}/{version.number}", version.digest)
        FILES.put(key, found)
    return found


def _read_folder(catalog: Catalog, folder: str, digest: str) -> Files:
    source = _open(catalog)
    if isinstance(source, GitStore):
        entries = [each for each in source.entries(digest) if not each.is_folder]
    else:
        start = f"{folder}/"
        entries = [
            each for each in source.entries(catalog.commit) if each.path.startswith(start) and not each.is_folder
        ]
    small = [each for each in entries if each.size <= MAX_FILE][:MAX_FILES]
    contents = dict(source.read((each.digest, each.size) for each in small))
    cut = 0 if isinstance(source, GitStore) else len(folder) + 1
    return {each.path[cut:]: contents[each.digest] for each in small}


def _read_one(template: Template, digest: str, size: int) -> bytes:
    key = (template.catalog_id, digest)
    found = FILES.get(key)
    if found is None:
        found = dict(_open(template.catalog).read([(digest, size)]))
        FILES.put(key, found)
    return found.get(digest, b"")


def template_icon(template: Template) -> bytes:
    """The bytes of the template's icon; empty when it has none. Raises `SourceError`."""
    return _read_one(template, template.icon_digest, MAX_ICON) if template.icon_digest else b""


def template_readme(template: Template) -> str:
    """The text of the template's README; empty when it has none. Raises `SourceError`."""
    digest = template.details.get("readme", "")
    if not digest:
        return ""
    return _read_one(template, digest, int(template.details.get("readmeSize", 0))).decode("utf-8", "replace")
