"""Functions of Sprig on lists and maps, on defaults and on types. None but `set` and `unset` changes its arguments."""

from __future__ import annotations

import copy
import json
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError
from apps.catalog.language.go_template.limits import require_few
from apps.catalog.language.go_template.registry import Functions, as_list, as_map, as_text, to_text, to_texts
from apps.catalog.language.go_template.values import is_true, kind_of, type_of

functions = Functions()


@functions.add("default")
def _default(otherwise: Any, value: Any = None) -> Any:
    return value if is_true(value) else otherwise


@functions.add("empty")
def _empty(value: Any) -> bool:
    return not is_true(value)


@functions.add("coalesce")
def _coalesce(*values: Any) -> Any:
    return next((each for each in values if is_true(each)), None)


@functions.add("ternary")
def _ternary(if_true: Any, if_false: Any, condition: Any) -> Any:
    if not isinstance(condition, bool):
        raise FunctionError(f"the condition must be a bool, not a value of the kind {kind_of(condition)}")
    return if_true if condition else if_false


@functions.add("fail")
def _fail(message: Any) -> Any:
    raise FunctionError(as_text(message)[:500])


@functions.add("kindOf")
def _kind_of(value: Any) -> str:
    return kind_of(value)


@functions.add("kindIs")
def _kind_is(kind: Any, value: Any) -> bool:
    return as_text(kind) == kind_of(value)


@functions.add("typeOf")
def _type_of(value: Any) -> str:
    return type_of(value)


@functions.add("typeIs")
def _type_is(name: Any, value: Any) -> bool:
    return as_text(name) == type_of(value)


@functions.add("deepEqual")
def _deep_equal(first: Any, second: Any) -> bool:
    return kind_of(first) == kind_of(second) and bool(first == second)


@functions.add("list", "tuple")
def _list(*values: Any) -> list[Any]:
    return list(values)


@functions.add("first")
def _first(values: Any) -> Any:
    return next(iter(as_list(values)), None)


@functions.add("last")
def _last(values: Any) -> Any:
    return as_list(values)[-1] if values else None


@functions.add("rest")
def _rest(values: Any) -> list[Any]:
    return as_list(values)[1:]


@functions.add("initial")
def _initial(values: Any) -> list[Any]:
    return as_list(values)[:-1]


@functions.add("append", "push")
def _append(values: Any, value: Any) -> list[Any]:
    require_few(len(as_list(values)) + 1)
    return [*values, value]


@functions.add("prepend")
def _prepend(values: Any, value: Any) -> list[Any]:
    require_few(len(as_list(values)) + 1)
    return [value, *values]


@functions.add("concat")
def _concat(*lists: Any) -> list[Any]:
    require_few(sum(len(as_list(each)) for each in lists))
    return [value for each in lists for value in each]


@functions.add("reverse")
def _reverse(values: Any) -> list[Any]:
    return as_list(values)[::-1]


@functions.add("compact")
def _compact(values: Any) -> list[Any]:
    return [each for each in as_list(values) if is_true(each)]


@functions.add("sortAlpha")
def _sort_alpha(values: Any) -> list[Any]:
    return sorted(to_texts(values))


@functions.add("uniq")
def _uniq(values: Any) -> list[Any]:
    return list({_identity(each): each for each in reversed(as_list(values))}.values())[::-1]


@functions.add("has")
def _has(value: Any, values: Any) -> bool:
    return values is not None and _identity(value) in {_identity(each) for each in as_list(values)}


@functions.add("without")
def _without(values: Any, *left_out: Any) -> list[Any]:
    unwanted = {_identity(each) for each in left_out}
    return [each for each in as_list(values) if _identity(each) not in unwanted]


def _identity(value: Any) -> str:
    """A text that two values share only if they are deeply equal: 1, 1.0, true and "1" differ."""
    return f"{kind_of(value)} {json.dumps(value, sort_keys=True)}"


@functions.add("dict")
def _dict(*pairs: Any) -> dict[str, Any]:
    values = [*pairs, ""] if len(pairs) % 2 else pairs
    return {to_text(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


@functions.add("get")
def _get(values: Any, key: Any) -> Any:
    return as_map(values).get(as_text(key), "")


@functions.add("set")
def _set(values: Any, key: Any, value: Any) -> dict[str, Any]:
    """Changes the map itself; the value is copied, so that no map can hold itself."""
    found = as_map(values)
    require_few(len(found) + 1)
    found[as_text(key)] = copy.deepcopy(value)
    return found


@functions.add("unset")
def _unset(values: Any, key: Any) -> dict[str, Any]:
    found = as_map(values)
    found.pop(as_text(key), None)
    return found


@functions.add("hasKey")
def _has_key(values: Any, key: Any) -> bool:
    return as_text(key) in as_map(values)


@functions.add("keys")
def _keys(*maps: Any) -> list[Any]:
    return [key for each in maps for key in sorted(as_map(each))]


@functions.add("values")
def _values(values: Any) -> list[Any]:
    return [values[key] for key in sorted(as_map(values))]


@functions.add("pick")
def _pick(values: Any, *keys: Any) -> dict[str, Any]:
    return {key: value for key, value in as_map(values).items() if key in keys}


@functions.add("omit")
def _omit(values: Any, *keys: Any) -> dict[str, Any]:
    return {key: value for key, value in as_map(values).items() if key not in keys}


@functions.add("pluck")
def _pluck(key: Any, *maps: Any) -> list[Any]:
    return [each[as_text(key)] for each in maps if as_text(key) in as_map(each)]


@functions.add("merge")
def _merge(*maps: Any) -> dict[str, Any]:
    """The first of them that has a key counts."""
    return {key: value for each in reversed(maps) for key, value in as_map(each).items()}


@functions.add("toJson")
def _to_json(value: Any) -> str:
    return _json(value, separators=(",", ":"))


@functions.add("toPrettyJson")
def _to_pretty_json(value: Any) -> str:
    return _json(value, indent=2)


def _json(value: Any, **options: Any) -> str:
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, **options)
    except ValueError:
        return ""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
