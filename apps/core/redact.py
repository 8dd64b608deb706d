"""Masks secrets before anything is stored: by field name, by value in every encoding, and by pattern."""

from __future__ import annotations

import base64
import functools
import html
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from apps.core.secret_fields import (
    find_secrets,
    holds_environment_variables,
    holds_log_options,
    is_secret_field,
)

_PERCENT_ENCODED = re.compile("%[0-9A-F]{2}")
_MIN_BASE64_LENGTH = 6  # shorter pieces of base64 occur in any text by chance


_MAX_CACHED_LENGTH = 256  # longer ones are rare, and would be kept with a dozen forms each


def encoded_forms(secret: str) -> tuple[str, ...]:
    """Every form of `secret` that is to be masked, the plain one first."""
    return _cached_forms(secret) if len(secret) <= _MAX_CACHED_LENGTH else _encode(secret)


def _encode(secret: str) -> tuple[str, ...]:
    found = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)]
    encoded = [quote(secret, safe="", errors="replace"), quote(secret, errors="replace")]
    encoded.append(quote_plus(secret, errors="replace"))
    found += [*encoded, *(_PERCENT_ENCODED.sub(lambda pair: pair[0].lower(), each) for each in encoded)]
    found += [form for form in _base64_forms(secret.encode(errors="surrogatepass")) if len(form) >= _MIN_BASE64_LENGTH]
    return tuple(dict.fromkeys(found))


_cached_forms = functools.lru_cache(maxsize=512)(_encode)


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
MAX_TEXTS_LENGTH = 131_072  # so is every text after these: what stores the result keeps less
MAX_SECRETS = 100  # with more, no text is kept: each would be searched for each form of each secret
MIN_SECRET_LENGTH = 4  # masking a shorter one everywhere would mask ordinary text
MAX_DEPTH = 100  # requests are refused long before


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of JSON-like `value` without secret fields and environment values, nor copies of them elsewhere in it.

    `secrets` are further values to mask wherever they occur: plain, in base64, URL-encoded or escaped for JSON or HTML.
    """
    given = (each for each in secrets if each)
    in_value = (each for each in find_secrets(value) if len(each) >= MIN_SECRET_LENGTH)
    known: set[str] = set()
    for secret in itertools.chain(given, in_value):
        if len(secret) <= MAX_TEXT_LENGTH:  # a longer one fits into no text that is kept
            known.add(secret)
        if len(known) > MAX_SECRETS:
            return _Redaction((), 0).value(value)
    forms = sorted({form for secret in known for form in encoded_forms(secret)}, key=len, reverse=True)
    return _Redaction(tuple(forms), MAX_TEXTS_LENGTH).value(value)


class _Redaction:
    """One pass over a value; `left` is how many characters of texts may still be searched and kept."""

    def __init__(self, forms: tuple[str, ...], left: int) -> None:
        self._forms, self._left = forms, left

    def value(self, value: Any, depth: int = 0) -> Any:
        """The value without what is secret."""
        if depth > MAX_DEPTH and isinstance(value, Mapping | list | tuple):
            return "[nested too deep]"
        if isinstance(value, Mapping):
            return {str(key): self._field(str(key), each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, depth + 1) for each in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if len(text) > min(MAX_TEXT_LENGTH, self._left):
            return f"[{len(text)} characters]"
        self._left -= len(text)
        for form in self._forms:
            text = text.replace(form, BLANK)
        return mask_patterns(text, BLANK)

    def _field(self, name: str, value: Any, depth: int) -> Any:
        if is_secret_field(name) and value:
            return BLANK
        if holds_log_options(name) and isinstance(value, Mapping):
            return {
                str(key): self._environment(each, depth) if isinstance(each, Mapping) else self.value(each, depth + 1)
                for key, each in value.items()
            }
        return self._environment(value, depth) if holds_environment_variables(name) else self.value(value, depth)

    def _environment(self, value: Any, depth: int) -> Any:
        """Environment variables as a map, as `NAME=value` lines or as a text of such lines: their names only."""
        if isinstance(value, Mapping):
            return dict.fromkeys(map(str, value), BLANK)
        if isinstance(value, list | tuple):
            return [_redact_assignment(str(line)) for line in value]
        if isinstance(value, str) and "=" in value:
            return "\n".join(map(_redact_assignment, value.splitlines()))
        return self.value(value, depth)


def _redact_assignment(line: str) -> str:
    return f"{line.partition('=')[0]}={BLANK}" if "=" in line else line
