"""How many requests a client may make: by address without credentials, else by account, whichever keys it uses.

REST framework's views import this module themselves, so it cannot import them.
"""

from __future__ import annotations

import functools
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, BaseThrottle

from apps.accounts.models import User
from apps.accounts.selectors import throttle_address
from apps.api.wire.origin import client_address
from apps.api.wire.token_bucket import TokenBuckets


class AnonymousThrottle(AnonRateThrottle):
    """Limits unauthenticated requests per client address."""

    def get_ident(self, request: Request) -> str:
        """The client's address (of IPv6 its /64), forwarded headers counting from trusted proxies only."""
        return throttle_address(client_address(request))


class AccountThrottle(BaseThrottle):
    """Limits the requests of one account in each process, so that a client in a loop leaves room for others.

    A bucket, not a window: a playbook may ask for everything at once, as long as it does not go on like that.
    """

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - the framework's signature
        """Whether the account has a request left; nobody's requests are `AnonymousThrottle`'s."""
        buckets = buckets_at(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["account"])
        if buckets is None or not isinstance(request.user, User):
            return True
        self._wait = buckets.take(request.user.pk)
        return not self._wait

    def wait(self) -> float:
        """Seconds until there is one."""
        return self._wait


@functools.lru_cache(maxsize=1)
def buckets_at(rate: str | None) -> TokenBuckets | None:
    """The accounts' buckets at this rate; None where there is no limit."""
    if rate is None:
        return None
    count, _slash, unit = rate.partition("/")
    return TokenBuckets(int(count), {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit[0]])
