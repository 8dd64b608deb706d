"""Paths through metadata, and how what is found there is written as text; pure.

The rules are those of Rancher 1.x's metadata service: a directory's entries are listed one a line, sorted, with a slash
behind those that are directories; the entries of a list are `0=name`, and found by index, name or uuid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

Node = Any
"""A mapping, a list, a text, a number, a truth value or None, as JSON has them."""

_LIST_KEYS = ("name", "uuid")


class NothingThere(LookupError):
    """A path that leads nowhere."""


def find(tree: Node, path: Sequence[str]) -> Node:
    """What is at `path`, whose parts are tried in lower case when they lead nowhere. Raises `NothingThere`."""
    try:
        return _walk(tree, path)
    except NothingThere:
        return _walk(tree, [part.lower() for part in path])


def _walk(node: Node, path: Sequence[str]) -> Node:
    for part in path:
        if isinstance(node, list):
            node = _entry(node, part)
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            raise NothingThere
    return node


def _entry(node: Sequence[Node], part: str) -> Node:
    if part.isascii() and part.isdecimal():
        if len(part) <= len(str(len(node))) and int(part) < len(node):
            return node[int(part)]
        raise NothingThere
    for key in _LIST_KEYS:
        for each in node:
            if isinstance(each, dict) and each.get(key) == part:
                return each
    raise NothingThere


def as_text(node: Node) -> str:
    """A value, or the listing of a directory."""
    if isinstance(node, dict):
        return "".join(sorted(f"{quote_plus(key)}{_slash(value)}\n" for key, value in node.items()))
    if isinstance(node, list):
        return "".join(f"{_list_line(index, value)}\n" for index, value in enumerate(node))
    if node is None:
        return ""
    if isinstance(node, bool):
        return "true" if node else "false"
    if isinstance(node, float):
        return f"{node:f}".rstrip("0").rstrip(".")
    return str(node)


def _slash(node: Node) -> str:
    return "/" if isinstance(node, (dict, list)) else ""


def _list_line(index: int, node: Node) -> str:
    if isinstance(node, dict):
        for key in _LIST_KEYS:
            if isinstance(node.get(key), str):
                return f"{index}={quote_plus(node[key])}"
    return f"{index}{_slash(node)}"


def is_same(node: Node, text: str) -> bool:
    """Whether a client that last read `text` there already knows what is there now."""
    return not isinstance(node, (Mapping, list)) and as_text(node) == text
