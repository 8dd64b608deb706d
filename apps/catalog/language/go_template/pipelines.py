"""Reads the pipeline of an action: commands, their operands, and the variables that take the value."""

from __future__ import annotations

from collections.abc import Collection

from apps.catalog.language.go_template.errors import TemplateError, error_at
from apps.catalog.language.go_template.lexer import Token, text_of
from apps.catalog.language.go_template.limits import MAX_DEPTH, MAX_VARIABLES
from apps.catalog.language.go_template.literals import read_char, read_number
from apps.catalog.language.go_template.nodes import Command, Dot, Fields, Function, Literal, Operand, Pipeline, Variable

_CONSTANTS = {"true": True, "false": False, "nil": None}


class PipelineParser:
    """Reads tokens once from the left; `known` are the variables so far, to which new ones are added."""

    def __init__(
        self,
        source: str,
        tokens: tuple[Token, ...],
        at: int,
        *,
        functions: Collection[str],
        unavailable: Collection[str],
        known: list[str],
    ) -> None:
        self._source = source
        self._tokens = tokens
        self._start = at
        self._functions = functions
        self._unavailable = unavailable
        self._known = known
        self._next = self._depth = 0

    def read(self, *, is_range: bool = False) -> Pipeline:
        """Read all tokens. Raises `TemplateError`."""
        variables, is_assignment = self._read_variables(is_range=is_range)
        commands = self._read_commands()
        if self._next < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._next].text[:60]}")
        if not is_assignment:
            self._known.extend(variables)
        if len(self._known) > MAX_VARIABLES:
            raise self._error(f"more than {MAX_VARIABLES} variables are known here")
        return Pipeline(commands, variables, is_assignment, self._start)

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _has(self, text: str) -> bool:
        token = self._peek()
        return token is not None and token.kind in {"mark", "declare"} and token.text == text

    def _error(self, reason: str) -> TemplateError:
        token = self._peek()
        return error_at(self._source, token.at if token else self._start, reason)

    def _read_variables(self, *, is_range: bool) -> tuple[tuple[str, ...], bool]:
        """`$a :=`, `$a =`, and in a range `$a, $b :=`; nothing is taken if the pipeline begins otherwise."""
        names: list[str] = []
        at = 0
        while at < len(self._tokens) and self._tokens[at].kind == "variable":
            names.append(self._tokens[at].text)
            mark = self._tokens[at + 1] if at + 1 < len(self._tokens) else None
            if mark is None or mark.text not in {":=", "=", ","}:
                return (), False
            at += 2
            if mark.text != ",":
                break
        else:
            if names:
                raise self._error("a variable, := or = is missing after the comma")
            return (), False
        if len(names) > (2 if is_range else 1):
            raise self._error(f"{'range declares at most two variables' if is_range else 'one variable at a time'}")
        is_assignment = self._tokens[at - 1].text == "="
        for name in names:
            self._check_variable(name, must_exist=is_assignment)
        self._next = at
        return tuple(names), is_assignment

    def _check_variable(self, name: str, *, must_exist: bool) -> None:
        if must_exist and name not in self._known:
            raise self._error(f"the variable {name[:60]} is not defined")
        if not must_exist and name == "$":
            raise self._error("a variable needs a name")

    def _read_commands(self) -> tuple[Command, ...]:
        found = [self._read_command()]
        while self._has("|"):
            self._next += 1
            command = self._read_command()
            if not isinstance(command.operands[0], Function | Fields | Pipeline):
                raise error_at(self._source, command.at, "a value that is no function cannot take the value before it")
            found.append(command)
        return tuple(found)

    def _read_command(self) -> Command:
        token = self._peek()
        if token is None or token.text in {"|", ")"}:
            raise self._error("a value is missing")
        operands: list[Operand] = []
        while (token := self._peek()) is not None and token.text not in {"|", ")"}:
            if operands and token.follows:
                raise self._error(f"a space is missing before {token.text[:60]}")
            operands.append(self._read_operand(token))
        first = operands[0]
        if len(operands) > 1 and isinstance(first, Literal | Dot | Variable):
            raise error_at(self._source, first.at, "this is no function, and takes no arguments")
        if isinstance(first, Literal) and first.value is None:
            raise error_at(self._source, first.at, "nil is not a command")
        return Command(tuple(operands), first.at)

    def _read_operand(self, token: Token) -> Operand:
        if token.kind == "field":
            found: Operand = Dot(token.at)
        else:
            self._next += 1
            found = self._read_term(token)
        names: list[str] = []
        while (following := self._peek()) is not None and following.kind == "field":
            if not following.follows and (names or token.kind != "field"):
                break
            names.append(following.text[1:])
            self._next += 1
        if not names:
            return found
        if isinstance(found, Literal | Function):
            raise error_at(self._source, token.at, f"{token.text[:60]} has no fields")
        return Fields(found, tuple(names), token.at)

    def _read_term(self, token: Token) -> Operand:
        if token.kind == "dot":
            return Dot(token.at)
        if token.kind == "variable":
            if token.text not in self._known:
                raise error_at(self._source, token.at, f"the variable {token.text[:60]} is not defined")
            return Variable(token.text, token.at)
        if token.kind == "word":
            return self._read_word(token)
        return self._read_parentheses(token) if token.text == "(" else self._read_literal(token)

    def _read_literal(self, token: Token) -> Literal:
        if token.kind in {"string", "raw"}:
            return Literal(text_of(token, self._source), token.at)
        if token.kind in {"number", "char"}:
            try:
                return Literal((read_number if token.kind == "number" else read_char)(token.text), token.at)
            except ValueError as problem:
                raise error_at(self._source, token.at, str(problem)) from None
        raise error_at(self._source, token.at, f"unexpected {token.text[:60]}")

    def _read_word(self, token: Token) -> Operand:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], token.at)
        if token.text in self._functions:
            return Function(token.text, token.at)
        if token.text in self._unavailable:
            reason = f"the function {token.text} is not available: a template gives the same files each time"
            raise error_at(self._source, token.at, reason)
        raise error_at(self._source, token.at, f"the function {token.text[:60]} is not known")

    def _read_parentheses(self, token: Token) -> Operand:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise error_at(self._source, token.at, f"parentheses are nested deeper than {MAX_DEPTH}")
        commands = self._read_commands()
        if not self._has(")"):
            raise error_at(self._source, token.at, "the parenthesis is not closed")
        self._next += 1
        self._depth -= 1
        return Pipeline(commands, (), False, token.at)  # noqa: FBT003 - a dataclass
