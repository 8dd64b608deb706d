"""Reads a template into its parts; what the language forbids is refused here already, as Go does."""

from __future__ import annotations

from collections.abc import Collection

from apps.catalog.language.go_template.errors import TemplateError, error_at
from apps.catalog.language.go_template.lexer import ActionTokens, Text, Token, split, text_of
from apps.catalog.language.go_template.limits import MAX_DEPTH, MAX_SOURCE
from apps.catalog.language.go_template.nodes import (
    Branch,
    Call,
    Copy,
    Leave,
    Node,
    Nodes,
    Output,
    ParsedTemplate,
    Pipeline,
)
from apps.catalog.language.go_template.pipelines import PipelineParser

_BLOCKS = frozenset({"if", "with", "range", "define", "block"})
_KEYWORDS = _BLOCKS | {"else", "end", "template", "break", "continue"}


def parse(source: str, functions: Collection[str], unavailable: Collection[str] = ()) -> ParsedTemplate:
    """Read a template that may call these functions. Raises `TemplateError`."""
    if len(source) > MAX_SOURCE:
        raise TemplateError(1, 1, "the template is larger than 256 KB")
    return _Parser(source, functions, unavailable).read()


class _Parser:
    """Walks the parts of a source; `_variables` are those that may be used at this point."""

    def __init__(self, source: str, functions: Collection[str], unavailable: Collection[str]) -> None:
        self._source = source
        self._functions = functions
        self._unavailable = unavailable
        self._parts = split(source)
        self._defined: dict[str, Nodes] = {}
        self._variables = ["$"]
        self._depth = self._ranges = 0

    def read(self) -> ParsedTemplate:
        nodes, closing = self._read_list(())
        if closing is not None:
            raise self._error(closing.tokens[0], f"unexpected {closing.tokens[0].text}")
        return ParsedTemplate(nodes, self._defined)

    def _read_list(self, ends: Collection[str]) -> tuple[Nodes, ActionTokens | None]:
        """Nodes up to one of the words that end them, or to the end of the source."""
        found: list[Node] = []
        for part in self._parts:
            if isinstance(part, Text):
                found.append(Copy(part.text))
                continue
            if not part.tokens:
                raise error_at(self._source, part.at, "the action is empty")
            first = part.tokens[0]
            if first.kind == "word" and first.text in {"else", "end"}:
                if first.text not in ends:
                    raise self._error(first, f"{first.text} belongs to no block")
                return tuple(found), part
            found.extend(self._read_action(part))
        return tuple(found), None

    def _read_action(self, part: ActionTokens) -> tuple[Node, ...]:
        first = part.tokens[0]
        word = first.text if first.kind == "word" and first.text in _KEYWORDS else ""
        if word in {"if", "with", "range"}:
            return (self._read_branch(word, part.tokens[1:], part.at),)
        if word == "define":
            self._read_define(part)
            return ()
        if word == "block":
            return (self._read_block(part),)
        if word == "template":
            name = self._read_name(part)
            rest = part.tokens[2:]
            return (Call(name, self._pipeline(rest, part.at) if rest else None, part.at),)
        if word in {"break", "continue"}:
            if len(part.tokens) > 1 or not self._ranges:
                raise self._error(first, f"{word} stands alone, and inside range")
            return (Leave(word, part.at),)
        return (Output(self._pipeline(part.tokens, part.at)),)

    def _read_branch(self, kind: str, tokens: tuple[Token, ...], at: int) -> Branch:
        outer = len(self._variables)
        pipeline = self._pipeline(tokens, at, is_range=kind == "range")
        self._enter(at)
        self._ranges += kind == "range"
        body, closing = self._read_list(("else", "end"))
        self._ranges -= kind == "range"
        otherwise = self._read_else(kind, closing, at) if closing and closing.tokens[0].text == "else" else ()
        self._leave(closing, at, kind)
        del self._variables[outer:]
        return Branch(kind, pipeline, body, otherwise, at)

    def _read_else(self, kind: str, closing: ActionTokens, at: int) -> Nodes:
        """What follows `else`: to `end`, or another condition with the same end."""
        rest = closing.tokens[1:]
        if not rest:
            nodes, end = self._read_list(("end",))
            if end is None:
                raise error_at(self._source, at, f"{kind} is not closed with end")
            return nodes
        if rest[0].text != kind or kind not in {"if", "with"}:
            raise self._error(rest[0], f"{rest[0].text[:60]} cannot follow else here")
        return (self._read_branch(kind, rest[1:], closing.at),)

    def _enter(self, at: int) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise error_at(self._source, at, f"blocks are nested deeper than {MAX_DEPTH}")

    def _leave(self, closing: ActionTokens | None, at: int, kind: str) -> None:
        self._depth -= 1
        if closing is None:
            raise error_at(self._source, at, f"{kind} is not closed with end")
        if closing.tokens[0].text == "end" and len(closing.tokens) > 1:
            raise self._error(closing.tokens[1], "nothing can follow end")

    def _read_name(self, part: ActionTokens) -> str:
        if len(part.tokens) < 2 or part.tokens[1].kind not in {"string", "raw"}:
            raise self._error(part.tokens[0], f"{part.tokens[0].text} needs the name of a template in quotes")
        return text_of(part.tokens[1], self._source)

    def _read_define(self, part: ActionTokens) -> None:
        if self._depth or len(part.tokens) > 2:
            raise self._error(part.tokens[0], "define has a name only, and stands in no other block")
        self._read_definition(part, "define")

    def _read_block(self, part: ActionTokens) -> Call:
        pipeline = self._pipeline(part.tokens[2:], part.at)
        return Call(self._read_definition(part, "block"), pipeline, part.at)

    def _read_definition(self, part: ActionTokens, kind: str) -> str:
        """Read the body of a template with a name; it knows no variable of what stands around it."""
        name = self._read_name(part)
        outer, self._variables = self._variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        self._enter(part.at)
        body, closing = self._read_list(("end",))
        self._leave(closing, part.at, kind)
        self._variables, self._ranges = outer, ranges
        if any(not isinstance(each, Copy) or each.text.strip() for each in body) or name not in self._defined:
            self._defined[name] = body
        return name

    def _pipeline(self, tokens: tuple[Token, ...], at: int, *, is_range: bool = False) -> Pipeline:
        parser = PipelineParser(
            self._source, tokens, at, functions=self._functions, unavailable=self._unavailable, known=self._variables
        )
        return parser.read(is_range=is_range)

    def _error(self, token: Token, reason: str) -> TemplateError:
        return error_at(self._source, token.at, reason)
