"""Cuts a template into text and actions, and actions into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.catalog.language.go_template.errors import error_at
from apps.catalog.language.go_template.literals import unquote

SPACES = " \t\r\n"
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<raw>`[^`]*`)
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]++|0[bB][01_]++|0[oO][0-7_]++|
        (?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9]++)?+)(?![\w.]))
  | (?P<variable>\$\w*)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<word>[^\W\d]\w*)
  | (?P<declare>:=)
  | (?P<mark>[=|(),])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A part of an action: `follows` says that no space stands before it."""

    kind: str
    text: str
    at: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Text:
    """What is copied."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class ActionTokens:
    """What stands between double braces."""

    tokens: tuple[Token, ...]
    at: int


def split(source: str) -> Iterator[Text | ActionTokens]:
    """Split a template; comments are left out and trim markers applied. Raises `TemplateError`."""
    at = 0
    trims = False
    while at < len(source):
        start = source.find("{{", at)
        text = source[at : start if start >= 0 else None]
        trims_before = start >= 0 and source.startswith("-", start + 2) and source[start + 3 : start + 4] in {*SPACES}
        shown = text.lstrip(SPACES) if trims else text
        shown = shown.rstrip(SPACES) if trims_before else shown
        if shown:
            yield Text(shown, at)
        if start < 0:
            return
        inside = start + (4 if trims_before else 2)
        comment = _comment_end(source, inside)
        if comment is None:
            tokens, at, trims = _read_action(source, inside, start)
            yield ActionTokens(tokens, start)
        else:
            at, trims = comment


def _comment_end(source: str, at: int) -> tuple[int, bool] | None:
    """Where an action that is a comment ends, and whether it trims what follows."""
    if not source.startswith("/*", at):
        return None
    end = source.find("*/", at + 2)
    if end < 0:
        raise error_at(source, at, "the comment is not closed with */")
    closing = re.compile(r"([ \t\r\n]-)?\}\}").match(source, end + 2)
    if closing is None:
        raise error_at(source, end, "a comment ends with */ right before }}")
    return closing.end(), closing[1] is not None


def _read_action(source: str, at: int, start: int) -> tuple[tuple[Token, ...], int, bool]:
    """The tokens of an action, where it ends, and whether it trims what follows."""
    tokens: list[Token] = []
    follows = False
    while at < len(source):
        if source.startswith("}}", at):
            return tuple(tokens), at + 2, False
        if source[at] in SPACES and source.startswith("-}}", at + 1):
            return tuple(tokens), at + 4, True
        found = _TOKEN.match(source, at)
        if found is None:
            raise error_at(source, at, _unreadable(source, at))
        kind = found.lastgroup or ""
        if kind == "space" and source.startswith("-}}", found.end()):
            return tuple(tokens), found.end() + 3, True
        if kind != "space":
            tokens.append(Token(kind, found[0], at, follows))
        follows = kind != "space"
        at = found.end()
    raise error_at(source, start, "the action is not closed with }}")


def _unreadable(source: str, at: int) -> str:
    if source[at] in "\"'`":
        return "the text in quotes is not closed"
    if source[at].isdigit() or source[at] in "+-.":
        return "this is not a number"
    return f"{source[at]!r} cannot stand here"


def text_of(token: Token, source: str) -> str:
    """What a text in quotes stands for. Raises `TemplateError`."""
    try:
        return token.text[1:-1].replace("\r", "") if token.kind == "raw" else unquote(token.text[1:-1])
    except ValueError as problem:
        raise error_at(source, token.at, str(problem)) from None
