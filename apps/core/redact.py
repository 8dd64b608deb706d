"""Masks secrets before anything is stored: by field name, by value in every encoding, and by pattern."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from apps.core.secret_fields import find_secrets, holds_environment_variables, is_secret_field

_PERCENT_ENCODED = re.compile("%[0-9A-F]{2}")
_MIN_BASE64_LENGTH = 6  # shorter pieces of base64 occur in any text by chance


@functools.lru_cache(maxsize=512)
def encoded_forms(secret: str) -> tuple[str, ...]:
    """Every form of `secret` that is to be masked, the plain one first."""
    found = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)]
    encoded = [quote(secret, safe="", errors="replace"), quote(secret, errors="replace")]
    encoded.append(quote_plus(secret, errors="replace"))
    found += [*encoded, *(_PERCENT_ENCODED.sub(lambda pair: pair[0].lower(), each) for each in encoded)]
    found += [form for form in _base64_forms(secret.encode(errors="surrogatepass")) if len(form) >= _MIN_BASE64_LENGTH]
    return tuple(dict.fromkeys(found))


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The base64 digits that do not depend on what surrounds the secret, at each of the three possible offsets."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            whole = encode(b"\0" * offset + secret).decode().rstrip("=")
            bits, lead = 8 * (offset + len(secret)), -(-8 * offset // 6)
            yield whole[lead : bits // 6]


_PATTERNS = (
    (re.compile(r"(?P<keep>://[^/\s:@]{0,255}:)[^/\s@]{1,1024}(?=@)"), "{keep}{blank}"),
    (
        re.compile(
            r"(?P<keep>(?:password|passwd|pwd|secret|token|api[_-]?key)[ ]?[=:][ ]?)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)",
            re.IGNORECASE,
        ),
        "{keep}{blank}",
    ),
    (re.compile(r"(?P<keep>\b(?:Basic|Bearer) )[A-Za-z0-9+/=._~-]{12,}"), "{keep}{blank}"),
    (re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*(?:-----END [A-Z ]*-----)?"), "{keep}{blank}"),
)


def mask_patterns(text: str, blank: str) -> str:
    """`text` with whatever looks like a secret replaced by `blank`."""
    for shape, form in _PATTERNS:
        text = shape.sub(lambda found, form=form: form.format(keep=found["keep"], blank=blank), text)  # type: ignore[misc]
    return text


BLANK = "********"
MAX_TEXT_LENGTH = 16_384  # a longer text is replaced by its length
MIN_SECRET_LENGTH = 4  # masking a shorter one everywhere would mask ordinary text


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of JSON-like `value` without secret fields and environment values, nor copies of them elsewhere in it.

    `secrets` are further values to mask wherever they occur: plain, in base64, URL-encoded or escaped for JSON or HTML.
    """
    known = {
        *(each for each in secrets if each),
        *(each for each in find_secrets(value) if len(each) >= MIN_SECRET_LENGTH),
    }
    forms = sorted({form for secret in known for form in encoded_forms(secret)}, key=len, reverse=True)
    return _redact_value(value, tuple(forms))


def _redact_value(value: Any, forms: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _redact_field(str(key), each, forms) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(each, forms) for each in value]
    if isinstance(value, str):
        if len(value) > MAX_TEXT_LENGTH:
            return f"[{len(value)} characters]"
        for form in forms:
            value = value.replace(form, BLANK)
        return mask_patterns(value, BLANK)
    return value


def _redact_field(name: str, value: Any, forms: tuple[str, ...]) -> Any:
    if is_secret_field(name) and value:
        return BLANK
    return _redact_environment(value, forms) if holds_environment_variables(name) else _redact_value(value, forms)


def _redact_environment(value: Any, forms: tuple[str, ...]) -> Any:
    """Environment variables as a map, as `NAME=value` lines or as a text of such lines: their names only."""
    if isinstance(value, Mapping):
        return dict.fromkeys(map(str, value), BLANK)
    if isinstance(value, list | tuple):
        return [_redact_assignment(str(line)) for line in value]
    if isinstance(value, str) and "=" in value:
        return "\n".join(map(_redact_assignment, value.splitlines()))
    return _redact_value(value, forms)


def _redact_assignment(line: str) -> str:
    return f"{line.partition('=')[0]}={BLANK}" if "=" in line else line
