"""YAML from strangers: limits on size, depth, nodes and aliases, no key twice, and every refusal with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import yaml

from apps.core.errors import Invalid
from apps.stacks.compose.bounded import Bounded
from apps.stacks.compose.lined import Lined, wrong

MAX_TEXT = 1024 * 1024


class _Texts(Bounded):
    """Reads every plain scalar but null as text: `yes`, `22:22` and `1.10` mean what they look like."""


class _Typed(_Texts):
    """Also reads true, false and decimal numbers: for rancher-compose, whose metadata are JSON values."""


def _lined(loader: _Texts, node: yaml.MappingNode) -> Iterator[Lined]:
    found = Lined()
    yield found
    found |= cast("dict[str, Any]", loader.construct_mapping(node))
    found.lines.update({str(key.value): key.start_mark.line + 1 for key, _ in node.value})


_TAG = "tag:yaml.org,2002:"
_Texts.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Texts.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<\Z"), ["<"])
_Typed.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Typed.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_Typed.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?\Z"), list("-+0123456789")
)
_Texts.add_constructor(f"{_TAG}map", _lined)
_Typed.add_constructor(f"{_TAG}map", _lined)


def load(text: str, field: str, *, typed: bool = False) -> Lined:
    """The map that the text holds; an empty text is an empty map. Raises `Invalid` on `field`."""
    if len(text) > MAX_TEXT:
        raise Invalid(field, "MaxLengthExceeded", "The file must not be larger than 1 MB.")
    try:
        found = yaml.load(text, Loader=_Typed if typed else _Texts)  # noqa: S506 - both are safe loaders
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise wrong(field, mark.line + 1 if mark else 1, problem.problem or "this is not YAML") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as problem:
        # PyYAML lets Python's own errors through where a tag and its value do not fit
        raise Invalid(field, "InvalidFormat", f"This is not YAML: {str(problem).partition(chr(10))[0][:200]}") from None
    if found is None:
        return Lined()
    if not isinstance(found, Lined):
        raise wrong(field, 1, "the file must be a map of services")
    return found
