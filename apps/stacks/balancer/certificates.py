"""The certificates that a balancer shows to its clients: that they are there, and which balancers have one."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from threading import Lock
from uuid import UUID

from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.stacks.balancer.settings import MAX_CERTIFICATES, BalancerSettings
from apps.stacks.compose import ComposeService, ComposeStack
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER
from apps.vault.models import Certificate

_BATCH, _MAX_CACHED = 500, 4096
_SettingsKey = tuple[UUID, int]  # numbers of rows are given again after a database was restored
_numbers_cache: OrderedDict[_SettingsKey, frozenset[int]] = OrderedDict()
_numbers_lock = Lock()


def check_certificates(environment_id: int | None, settings: BalancerSettings) -> None:
    """Raise `Invalid` for certificates that are not in the environment."""
    wanted = _numbers(settings)
    if len(wanted) > MAX_CERTIFICATES + 1:
        why = f"A balancer has at most {MAX_CERTIFICATES} certificates besides its default one."
        raise Invalid("certificateIds", "MaxLimitExceeded", why)
    if not wanted:
        return
    known = certificate_names(environment_id, settings)
    missing = next((key for key in wanted if key not in known), None)
    if missing is not None:
        field = "defaultCertificateId" if missing == settings.default_certificate else "certificateIds"
        why = f"There is no certificate {wire_id('c', missing)} in this environment; add it there first."
        raise Invalid(field, "InvalidReference", why)


def _numbers(settings: BalancerSettings) -> tuple[int, ...]:
    default = () if settings.default_certificate is None else (settings.default_certificate,)
    return (*default, *settings.certificates)


def certificate_names(environment_id: int | None, settings: BalancerSettings) -> dict[int, str]:
    """The names of the certificates of a balancer that are there, by number."""
    wanted = _numbers(settings)
    if not wanted:
        return {}
    rows = Certificate.all_objects.filter(environment=environment_id, pk__in=wanted, removed=None)
    return dict(rows.exclude(desired="removed").values_list("pk", "name"))


def with_certificates(environment_id: int | None, parsed: ComposeStack) -> ComposeStack:
    """The services of a file with the certificates that its balancers name. Raises `Invalid` for a missing one."""
    wanted = {name for each in parsed.services for name in (each.default_certificate, *each.certificates) if name}
    if not wanted:
        return parsed
    rows = Certificate.all_objects.filter(environment=environment_id, name__in=wanted, removed=None)
    known = dict(rows.exclude(desired="removed").values_list("name", "pk"))
    return replace(parsed, services=tuple(_with_named(each, known) for each in parsed.services))


def _with_named(service: ComposeService, known: Mapping[str, int]) -> ComposeService:
    names = (service.default_certificate, *service.certificates)
    missing = next((name for name in names if name and name not in known), None)
    if missing is not None:
        why = f"{service.name}: there is no certificate {missing[:60]!r} in this environment; add it there first."
        raise Invalid("rancherCompose", "InvalidReference", why)
    settings = service.options.balancer
    if settings is None:
        return service
    found = replace(
        settings,
        default_certificate=known.get(service.default_certificate),
        certificates=tuple(known[name] for name in service.certificates),
    )
    return replace(service, options=replace(service.options, balancer=found))


def certificate_choices(environment_id: int) -> list[tuple[int, str]]:
    """The certificates that a balancer of the environment may show: numbers and names."""
    rows = Certificate.all_objects.filter(environment=environment_id, removed=None).exclude(desired="removed")
    return list(rows.order_by("name").values_list("pk", "name"))


def balancers_with(certificates: Collection[int]) -> Mapping[int, Collection[Service]]:
    """The balancers that show these certificates, by certificate."""
    environments = Certificate.all_objects.filter(pk__in=certificates).values("environment")
    rows = Service.all_objects.filter(kind=BALANCER, environment__in=environments, removed=None)
    rows = rows.exclude(desired="removed")
    shown = _stored_numbers(rows.values_list("uuid", "generation"))
    users = [uuid for uuid, numbers in shown.items() if numbers & set(certificates)]
    found: dict[int, list[Service]] = defaultdict(list)
    for row in rows.filter(uuid__in=users).select_related("stack").defer("spec", "secondary", "balancer"):
        for key in shown[row.uuid] & set(certificates):
            found[key].append(row)
    return found


def _stored_numbers(keys: Iterable[_SettingsKey]) -> dict[UUID, frozenset[int]]:
    """The certificates of balancers: their settings are encrypted, and are read once for each change of a row."""
    wanted = list(keys)
    with _numbers_lock:
        known = {key[0]: _numbers_cache[key] for key in wanted if key in _numbers_cache}
    missing, new = [uuid for uuid, _generation in wanted if uuid not in known], dict[_SettingsKey, frozenset[int]]()
    for at in range(0, len(missing), _BATCH):
        rows = Service.all_objects.filter(uuid__in=missing[at : at + _BATCH])
        for uuid, generation, balancer in rows.values_list("uuid", "generation", "balancer"):
            known[uuid] = new[uuid, generation] = frozenset(_numbers(BalancerSettings.from_json(balancer or {})))
    with _numbers_lock:
        _numbers_cache.update(new)
        while len(_numbers_cache) > _MAX_CACHED:
            _numbers_cache.popitem(last=False)
    return known


def holds_keys(container: Container) -> bool:
    """Whether it is a balancer's, in which the private keys of its certificates lie for whoever has a shell there."""
    return bool(container.spread_key) and Service.all_objects.filter(uuid=container.spread_key, kind=BALANCER).exists()
