"""Asking several log-in providers at once, beside this thread and never for longer than people wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from django.utils.translation import gettext as _

from apps.accounts.backends.directory import reader
from apps.accounts.models import AuthProvider
from apps.accounts.spec import Claim, Github
from apps.core.errors import Problem

log = logging.getLogger(__name__)

PATIENCE = 4.5

_POOL = ThreadPoolExecutor(8, thread_name_prefix="identities")

Question = Callable[[], list[Claim]]


def by_name(provider: AuthProvider, text: str, most: int, *, exact: bool, token: str = "") -> Question:
    """Who is called so? `token` is the asker's own at GitHub. The answer touches no database."""
    kind, config = provider.kind, provider.config
    if isinstance(config, Github):
        from apps.accounts.backends import hub

        return lambda: hub.by_name(config, text, most, exact=exact, token=token)
    return lambda: list(reader().by_name(kind, config, text, most, exact=exact))


def by_id(provider: AuthProvider, identity_kind: str, external_id: str) -> Question:
    """Who has this lasting id, or DN?"""
    kind, config = provider.kind, provider.config

    def ask() -> list[Claim]:
        if isinstance(config, Github):
            from apps.accounts.backends import hub

            found = hub.by_id(config, identity_kind, external_id)
        else:
            found = reader().by_id(kind, config, identity_kind, external_id)
        return [found] if found else []

    return ask


def ask_all(questions: Mapping[AuthProvider, Question]) -> tuple[list[Claim], list[str]]:
    """The answers that came in time, and a sentence for each provider that gave none."""
    asked = {provider: _POOL.submit(question) for provider, question in questions.items()}
    done, _late = wait(asked.values(), timeout=PATIENCE)
    claims: list[Claim] = []
    troubles = []
    for provider, work in asked.items():
        if work not in done:
            troubles.append(f"{provider}: " + _("no answer within %(seconds)g s.") % {"seconds": PATIENCE})
        elif (error := work.exception()) is not None:
            troubles.append(f"{provider}: {_told(error)}")
        else:
            claims += work.result()
    return claims, troubles


def _told(error: BaseException) -> str:
    if isinstance(error, Problem):
        return error.message
    log.error("asking a log-in provider", exc_info=error)
    return _("The answer could not be understood.")
