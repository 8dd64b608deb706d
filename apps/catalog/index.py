"""The index of a catalog: its templates and versions as rows, brought up to date with what a source holds.

Only what changed since is read: the digest of a folder says whether anything in it did. Files themselves stay in the
source; the index knows digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.catalog.layout import FoundTemplate, FoundVersion, find_templates
from apps.catalog.models import Catalog, Template, TemplateVersion
from apps.catalog.reading import TemplateConfig, read_config
from apps.catalog.source import FileSource, StoredFile
from apps.catalog.version_heads import read_head
from apps.core.texts import strip_unstorable

BATCH = 400
# Raised whenever the index has other columns or reads files otherwise: everything is read again then.
INDEX_VERSION = "1"


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index holds, and what is wrong in words: of the repository, and by the keys of templates."""

    templates: int = 0
    versions: int = 0
    faults: tuple[str, ...] = ()
    template_faults: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the catalog's status keeps it; of a great many faults the first ones."""
        return {
            "templates": self.templates,
            "versions": self.versions,
            "faults": list(self.faults[:20]),
            "templateFaults": dict(list(self.template_faults.items())[:50]),
        }


@dataclass(frozen=True, slots=True)
class _Change:
    """A template that is new or differs, with its row if there is one and the versions that are to be read."""

    found: FoundTemplate
    row: Template | None
    known: Mapping[int, TemplateVersion]

    @property
    def unread(self) -> list[FoundVersion]:
        return [each for number, each in self.found.versions.items() if self._differs(number, each)]

    def _differs(self, number: int, version: FoundVersion) -> bool:
        return number not in self.known or self.known[number].digest != version.digest


def update_index(catalog: Catalog, source: FileSource, commit: str, *, afresh: bool = False) -> IndexSummary:
    """Bring the catalog's templates to what the source holds at `commit`. Raises `SourceError`; nothing changes then.

    `afresh` reads everything again, whatever the digests say.
    """
    layout = find_templates(source.entries(commit))
    rows = {row.key: row for row in Template.objects.filter(catalog=catalog)}
    differing = [each for each in layout.templates.values() if afresh or _differs(each, rows.get(each.key))]
    changes = _with_versions(differing, rows, afresh=afresh)
    contents = dict(source.read(_small_files(changes)))
    heads = _read_heads(source, changes)
    with transaction.atomic():
        Template.objects.filter(catalog=catalog).exclude(key__in=list(layout.templates)).delete()
        _write(catalog, changes, contents, heads)
    return _summary(catalog, layout.faults)


def _differs(found: FoundTemplate, row: Template | None) -> bool:
    return row is None or row.digest != found.digest or row.folder != found.folder


def _with_versions(differing: Iterable[FoundTemplate], rows: Mapping[str, Template], *, afresh: bool) -> list[_Change]:
    listed = list(differing)
    keys = [rows[each.key].pk for each in listed if each.key in rows]
    known: dict[int, dict[int, TemplateVersion]] = {}
    if not afresh:
        for version in TemplateVersion.objects.filter(template__in=keys):
            known.setdefault(version.template_id, {})[version.number] = version
    return [_Change(each, row := rows.get(each.key), known.get(row.pk, {}) if row else {}) for each in listed]


def _small_files(changes: Iterable[_Change]) -> list[tuple[str, int]]:
    return [(each.found.config.digest, each.found.config.size) for each in changes if each.found.config is not None]


def _read_heads(source: FileSource, changes: Iterable[_Change]) -> dict[str, dict[str, str]]:
    """What the versions that are new say of themselves, by the digest of the file that says it."""
    files: list[StoredFile] = [entry for each in changes for one in each.unread if (entry := one.described_in())]
    return {digest: read_head(content) for digest, content in source.read((each.digest, each.size) for each in files)}


def _write(
    catalog: Catalog,
    changes: list[_Change],
    contents: Mapping[str, bytes],
    heads: Mapping[str, Mapping[str, str]],
) -> None:
    fresh: list[TemplateVersion] = []
    templates: list[Template] = []
    for change in changes:
        config = read_config(contents[change.found.config.digest]) if change.found.config else TemplateConfig()
        unread = [_version_row(each, heads) for each in change.unread]
        kept = [each for number, each in change.known.items() if number in change.found.versions]
        renewed = {each.number for each in unread}
        versions = [*(each for each in kept if each.number not in renewed), *unread]
        row = change.row or Template(catalog=catalog, key=change.found.key)
        _fill(row, change.found, config, versions)
        templates.append(row)
        gone = set(change.known) - {each.number for each in kept} | renewed
        if change.row is not None:
            stale = TemplateVersion.objects.filter(template=change.row)
            (stale.filter(number__in=gone) if change.known else stale).delete()
        for version in unread:
            version.template = row
        fresh += unread
    Template.objects.bulk_create([row for row in templates if row.pk is None], batch_size=BATCH)
    columns = [each.name for each in Template._meta.concrete_fields if each.name not in {"id", "catalog", "key"}]  # noqa: SLF001
    old = [row for row in templates if row.catalog_id and any(change.row is row for change in changes)]
    if old:
        Template.objects.bulk_update(old, columns, batch_size=100)
    TemplateVersion.objects.bulk_create(fresh, batch_size=BATCH)


def _version_row(found: FoundVersion, heads: Mapping[str, Mapping[str, str]]) -> TemplateVersion:
    entry = found.described_in()
    head = strip_unstorable(dict(heads.get(entry.digest, {}))) if entry else {}
    return TemplateVersion(
        number=found.number,
        version=(head.get("version") or str(found.number))[:100],
        digest=found.digest,
        upgrade_from=head.get("upgrade_from", "")[:200],
        minimum_version=head.get("minimum_rancher_version", "")[:50],
        maximum_version=head.get("maximum_rancher_version", "")[:50],
        fault=found.fault[:500],
    )


def _fill(row: Template, found: FoundTemplate, config: TemplateConfig, versions: list[TemplateVersion]) -> None:
    usable = [each for each in versions if not each.fault]
    named = [each for each in usable if config.default_version and each.version == config.default_version]
    newest = max(named or usable, key=lambda each: each.number, default=None)
    faults = [text for text in (config.fault, *found.faults) if text]
    if not versions:
        faults.append("It has no version: no folder with a number as its name.")
    elif newest is None:
        faults.append("None of its versions can be launched.")
    row.folder, row.digest = found.folder, found.digest
    row.name = config.name or found.key.rpartition("*")[2]
    row.description = config.description
    row.categories = list(config.categories)
    row.details = {
        **config.details,
        **({"readme": found.readme.digest, "readmeSize": found.readme.size} if found.readme else {}),
    }
    row.is_system = bool(found.base)
    row.icon = found.icon.path.rpartition("/")[2][:255] if found.icon else ""
    row.icon_digest = found.icon.digest if found.icon else ""
    row.newest_version = newest.version if newest else ""
    row.newest_number = newest.number if newest else None
    row.versions_count = len(versions)
    row.fault = " ".join(faults)[:500]


def _summary(catalog: Catalog, faults: list[str]) -> IndexSummary:
    rows = Template.objects.filter(catalog=catalog)
    return IndexSummary(
        templates=rows.count(),
        versions=TemplateVersion.objects.filter(template__catalog=catalog).count(),
        faults=tuple(faults),
        template_faults=dict(rows.exclude(fault="").values_list("key", "fault")),
    )
