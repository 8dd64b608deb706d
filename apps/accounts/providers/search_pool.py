"""Asks several login providers at once, on threads of its own, and stops waiting after a few seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from django.utils.translation import gettext as _

from apps.accounts.claims import IdentityClaim
from apps.accounts.models import AuthProvider
from apps.core.errors import Problem

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 4.5

_POOL = ThreadPoolExecutor(8, thread_name_prefix="identities")

ProviderQuery = Callable[[], list[IdentityClaim]]


def query_by_name(provider: AuthProvider, text: str, limit: int, *, exact: bool, token: str = "") -> ProviderQuery:
    """A search by name; `token` is what the provider gave the searching person."""
    # The configuration is read here: the query runs on a thread that must not touch the database.
    login_provider, config = provider.login_provider, provider.config
    return lambda: login_provider.search(config, text, limit, exact=exact, token=token)


def query_by_id(provider: AuthProvider, identity_kind: str, external_id: str) -> ProviderQuery:
    """A search for the person or group of this immutable id, or DN."""
    login_provider, config = provider.login_provider, provider.config

    def query() -> list[IdentityClaim]:
        found = login_provider.lookup(config, identity_kind, external_id)
        return [found] if found else []

    return query


def run_queries(queries: Mapping[AuthProvider, ProviderQuery]) -> tuple[list[IdentityClaim], list[str]]:
    """The answers that came in time, and a sentence for each provider that gave none."""
    pending = {provider: _POOL.submit(query) for provider, query in queries.items()}
    done, _late = wait(pending.values(), timeout=TIMEOUT_SECONDS)
    claims: list[IdentityClaim] = []
    errors = []
    for provider, future in pending.items():
        if future not in done:
            errors.append(f"{provider}: " + _("no answer within %(seconds)g s.") % {"seconds": TIMEOUT_SECONDS})
        elif (error := future.exception()) is not None:
            errors.append(f"{provider}: {_error_message(error)}")
        else:
            claims += future.result()
    return claims, errors


def _error_message(error: BaseException) -> str:
    if isinstance(error, Problem):
        return error.message
    log.error("asking a log-in provider", exc_info=error)
    return _("The answer could not be understood.")
