"""Asking several log-in providers at once, beside this thread and never for longer than people wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from django.utils.translation import gettext as _

from apps.accounts.models import AuthProvider
from apps.accounts.provider_config import GithubProviderConfig, IdentityClaim
from apps.accounts.providers.directory import ldap_lookup
from apps.core.errors import Problem

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 4.5

_POOL = ThreadPoolExecutor(8, thread_name_prefix="identities")

ProviderQuery = Callable[[], list[IdentityClaim]]


def query_by_name(provider: AuthProvider, text: str, limit: int, *, exact: bool, token: str = "") -> ProviderQuery:
    """Who is called so? `token` is the asker's own at GitHub. The answer touches no database."""
    kind, config = provider.kind, provider.config
    if isinstance(config, GithubProviderConfig):
        from apps.accounts.providers.github import lookup

        return lambda: lookup.by_name(config, text, limit, exact=exact, token=token)
    return lambda: list(ldap_lookup().by_name(kind, config, text, limit, exact=exact))


def query_by_id(provider: AuthProvider, identity_kind: str, external_id: str) -> ProviderQuery:
    """Who has this lasting id, or DN?"""
    kind, config = provider.kind, provider.config

    def ask() -> list[IdentityClaim]:
        if isinstance(config, GithubProviderConfig):
            from apps.accounts.providers.github import lookup

            found = lookup.by_id(config, identity_kind, external_id)
        else:
            found = ldap_lookup().by_id(kind, config, identity_kind, external_id)
        return [found] if found else []

    return ask


def run_queries(questions: Mapping[AuthProvider, ProviderQuery]) -> tuple[list[IdentityClaim], list[str]]:
    """The answers that came in time, and a sentence for each provider that gave none."""
    pending = {provider: _POOL.submit(question) for provider, question in questions.items()}
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
