"""Functions of Sprig on texts, and Rancher's own `splitPreserveQuotes`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError
from apps.catalog.language.go_template.limits import require_few, require_short
from apps.catalog.language.go_template.printing import quote
from apps.catalog.language.go_template.registry import Functions, as_int, as_text, to_text, to_texts

functions = Functions()


@functions.add("trim")
def _trim(text: Any) -> str:
    return as_text(text).strip()


@functions.add("trimAll", "trimall")
def _trim_all(characters: Any, text: Any) -> str:
    return as_text(text).strip(as_text(characters)) if characters else as_text(text)


@functions.add("trimSuffix")
def _trim_suffix(suffix: Any, text: Any) -> str:
    return as_text(text).removesuffix(as_text(suffix))


@functions.add("trimPrefix")
def _trim_prefix(prefix: Any, text: Any) -> str:
    return as_text(text).removeprefix(as_text(prefix))


@functions.add("upper")
def _upper(text: Any) -> str:
    return as_text(text).upper()


@functions.add("lower")
def _lower(text: Any) -> str:
    return as_text(text).lower()


@functions.add("title")
def _title(text: Any) -> str:
    return re.sub(r"(?<!\S)\S", lambda found: found[0].upper(), as_text(text))


@functions.add("untitle")
def _untitle(text: Any) -> str:
    return re.sub(r"(?<!\S)\S", lambda found: found[0].lower(), as_text(text))


@functions.add("swapcase")
def _swapcase(text: Any) -> str:
    return as_text(text).swapcase()


@functions.add("snakecase")
def _snakecase(text: Any) -> str:
    return _with_separator(as_text(text), "_")


@functions.add("kebabcase")
def _kebabcase(text: Any) -> str:
    return _with_separator(as_text(text), "-")


def _with_separator(text: str, separator: str) -> str:
    return re.sub(r"[\s_-]+|(?<=[a-z0-9])(?=[A-Z])", separator, text).lower()


@functions.add("repeat")
def _repeat(count: Any, text: Any) -> str:
    times, part = as_int(count), as_text(text)
    if times < 0:
        raise FunctionError("it cannot repeat a text less than 0 times")
    require_short(times * len(part))
    return part * times if part else ""


@functions.add("substr")
def _substr(start: Any, end: Any, text: Any) -> str:
    first, last, whole = as_int(start), as_int(end), as_text(text)
    first = max(first, 0)
    last = len(whole) if last < 0 or last > len(whole) else last
    return whole[first:last]


@functions.add("trunc")
def _trunc(count: Any, text: Any) -> str:
    length, whole = as_int(count), as_text(text)
    if length < 0:
        return whole[length:] if -length < len(whole) else whole
    return whole[:length]


@functions.add("abbrev")
def _abbrev(count: Any, text: Any) -> str:
    length, whole = as_int(count), as_text(text)
    return whole if length < 4 or len(whole) <= length else whole[: length - 3] + "..."


@functions.add("nospace")
def _nospace(text: Any) -> str:
    return "".join(as_text(text).split())


@functions.add("initials")
def _initials(text: Any) -> str:
    return "".join(each[0] for each in as_text(text).split())


@functions.add("contains")
def _contains(part: Any, text: Any) -> bool:
    return as_text(part) in as_text(text)


@functions.add("hasPrefix")
def _has_prefix(prefix: Any, text: Any) -> bool:
    return as_text(text).startswith(as_text(prefix))


@functions.add("hasSuffix")
def _has_suffix(suffix: Any, text: Any) -> bool:
    return as_text(text).endswith(as_text(suffix))


@functions.add("quote")
def _quote(*values: Any) -> str:
    return " ".join(quote(to_text(each)) for each in values if each is not None)


@functions.add("squote")
def _squote(*values: Any) -> str:
    return " ".join(f"'{to_text(each)}'" for each in values if each is not None)


@functions.add("cat")
def _cat(*values: Any) -> str:
    return " ".join(to_text(each) for each in values if each is not None)


@functions.add("indent")
def _indent(spaces: Any, text: Any) -> str:
    width, whole = as_int(spaces), as_text(text)
    if width < 0:
        raise FunctionError("it cannot indent by less than 0 spaces")
    require_short(len(whole) + width * (whole.count("\n") + 1))
    return " " * width + whole.replace("\n", "\n" + " " * width)


@functions.add("nindent")
def _nindent(spaces: Any, text: Any) -> str:
    return "\n" + str(_indent(spaces, text))


@functions.add("replace")
def _replace(old: Any, new: Any, text: Any) -> str:
    before, after, whole = as_text(old), as_text(new), as_text(text)
    count = whole.count(before)
    require_short(len(whole) + count * (len(after) - len(before)))
    return whole.replace(before, after)


@functions.add("plural")
def _plural(one: Any, many: Any, count: Any) -> str:
    return as_text(one) if as_int(count) == 1 else as_text(many)


@functions.add("join")
def _join(separator: Any, values: Any) -> str:
    between, parts = as_text(separator), to_texts(values)
    require_short(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


@functions.add("splitList")
def _split_list(separator: Any, text: Any) -> list[Any]:
    return _split(as_text(separator), as_text(text), -1)


@functions.add("split")
def _split_map(separator: Any, text: Any) -> dict[str, Any]:
    """A map whose keys are `_0`, `_1` and so on."""
    return {f"_{at}": each for at, each in enumerate(_split(as_text(separator), as_text(text), -1))}


@functions.add("splitn")
def _splitn(separator: Any, count: Any, text: Any) -> dict[str, Any]:
    parts = _split(as_text(separator), as_text(text), as_int(count))
    return {f"_{at}": each for at, each in enumerate(parts)}


def _split(separator: str, text: str, count: int) -> list[Any]:
    if count == 0:
        return []
    require_few(text.count(separator) + 1 if count < 0 or not separator else 1)
    if not separator:
        return list(text) if count < 0 else [*text[: count - 1], text[count - 1 :]]
    return list(text.split(separator, count - 1 if count > 0 else -1))


_QUOTES = frozenset("\"'«»‘’‚‛“”„‟‹›「」『』＂＇")


@functions.add("splitPreserveQuotes")
def _split_preserve_quotes(text: Any) -> list[Any]:
    """The words of a text; spaces between quotes divide none. Two spaces stand around an empty word."""
    parts: list[Any] = []
    current: list[str] = []
    is_quoted = False
    whole = as_text(text)
    for at, character in enumerate(whole):
        is_quoted ^= character in _QUOTES
        is_last = at == len(whole) - 1
        if is_last or not character.isspace() or is_quoted:
            current.append(character)
        if is_last or (character.isspace() and not is_quoted):
            parts.append("".join(current))
            current = []
    require_few(len(parts))
    return parts


@functions.add("b64enc")
def _b64enc(text: Any) -> str:
    return base64.b64encode(as_text(text).encode("utf-8", "replace")).decode()


@functions.add("b64dec")
def _b64dec(text: Any) -> str:
    try:
        found = base64.b64decode(as_text(text).encode("utf-8", "replace"), validate=True)
    except binascii.Error:
        raise FunctionError("the text is not base64") from None
    return found.decode("utf-8", "replace")


@functions.add("sha256sum")
def _sha256sum(text: Any) -> str:
    return hashlib.sha256(as_text(text).encode("utf-8", "replace")).hexdigest()


@functions.add("toString")
def _to_string(value: Any) -> str:
    return to_text(value)


@functions.add("toStrings")
def _to_strings(value: Any) -> list[Any]:
    return list(to_texts(value))
