"""The forms in which one and the same secret turns up: plain, base64 at any offset, URL-encoded, escaped."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

_HEX = re.compile("%[0-9A-F]{2}")
_LEAST = 6  # letters of base64 that are few enough to stand in any text by chance


@functools.lru_cache(maxsize=512)
def disguises(secret: str) -> tuple[str, ...]:
    """Every form of `secret` that is to be blanked, the plain one first."""
    found = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)]
    encoded = [quote(secret, safe="", errors="replace"), quote(secret, errors="replace")]
    encoded.append(quote_plus(secret, errors="replace"))
    found += [*encoded, *(_HEX.sub(lambda pair: pair[0].lower(), each) for each in encoded)]
    found += [form for form in _base64(secret.encode(errors="surrogatepass")) if len(form) >= _LEAST]
    return tuple(dict.fromkeys(found))


def _base64(secret: bytes) -> Iterator[str]:
    """The letters that are the same whatever stands before and behind the secret, at each of the three offsets."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            whole = encode(b"\0" * offset + secret).decode().rstrip("=")
            bits, lead = 8 * (offset + len(secret)), -(-8 * offset // 6)
            yield whole[lead : bits // 6]
