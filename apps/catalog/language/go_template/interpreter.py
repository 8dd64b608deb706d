"""Renders a template that has been read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError, TemplateError, error_at
from apps.catalog.language.go_template.functions import FUNCTIONS, UNAVAILABLE
from apps.catalog.language.go_template.limits import MAX_DEPTH, MAX_TEXT, Budget, require_short
from apps.catalog.language.go_template.nodes import (
    Branch,
    Call,
    Command,
    Copy,
    Dot,
    Fields,
    Function,
    Literal,
    Nodes,
    Operand,
    Output,
    Pipeline,
    Variable,
)
from apps.catalog.language.go_template.parser import parse
from apps.catalog.language.go_template.values import NO_VALUE, is_true, kind_of, normalize, show

_NOTHING = object()
_SHORT_CIRCUITS = {"and": False, "or": True}


def render(
    text: str, values: Mapping[str, Any], *, missing: str = NO_VALUE, escape: Callable[[str], str] | None = None
) -> str:
    """Render a template with `values` as its dot.

    `missing` is written for a value that is not there; `escape` is applied to what comes of values and functions, not
    to the template's own text. Raises `TemplateError`, and nothing else.
    """
    template = parse(text, FUNCTIONS, UNAVAILABLE)
    interpreter = _Interpreter(text, template.defined, missing, escape)
    data = normalize(values)
    try:
        interpreter.run(template.nodes, data, [("$", data)])
    except RecursionError:
        raise TemplateError(1, 1, "the template is nested too deep") from None
    return "".join(interpreter.written)


class _Left(Exception):
    """`break` or `continue` on its way to the range."""


class _Interpreter:
    """Walks the nodes; variables are a stack of names and values, of which a block removes its own."""

    def __init__(
        self, source: str, defined: Mapping[str, Nodes], missing: str, escape: Callable[[str], str] | None
    ) -> None:
        self._source = source
        self._defined = defined
        self._missing = missing
        self._escape = escape
        self._budget = Budget()
        self._depth = self._length = 0
        self.written: list[str] = []

    def run(self, nodes: Nodes, dot: Any, variables: list[tuple[str, Any]]) -> None:
        outer = len(variables)
        for node in nodes:
            if isinstance(node, Copy):
                self._write(node.text, 0)
            elif isinstance(node, Output):
                self._output(node, dot, variables)
            elif isinstance(node, Branch):
                self._guard(node.at, lambda each=node: self._branch(each, dot, variables))  # type: ignore[misc]
            elif isinstance(node, Call):
                self._guard(node.at, lambda each=node: self._call(each, dot, variables))  # type: ignore[misc]
            else:
                raise _Left(node.kind)
        del variables[outer:]

    def _guard(self, at: int, step: Callable[[], None]) -> None:
        """Count how deep it goes."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(at, f"blocks and templates are nested deeper than {MAX_DEPTH}")
        self._spend(at)
        try:
            step()
        finally:
            self._depth -= 1

    def _spend(self, at: int) -> None:
        try:
            self._budget.spend()
        except FunctionError as problem:
            raise self._error(at, str(problem)) from None

    def _write(self, text: str, at: int) -> None:
        self._spend(at)
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise self._error(at, "what comes of the template is larger than 1 MB")
        self.written.append(text)

    def _output(self, node: Output, dot: Any, variables: list[tuple[str, Any]]) -> None:
        pipeline = node.pipeline
        value = self._pipeline(pipeline, dot, variables)
        if pipeline.variables:
            return
        self._measure(value, pipeline.at)
        text = self._missing if value is None else show(value)
        is_literal = len(pipeline.commands) == 1 and isinstance(pipeline.commands[0].operands[0], Literal)
        self._write(text if is_literal or self._escape is None else self._escape(text), pipeline.at)

    def _measure(self, value: Any, at: int) -> None:
        try:
            self._budget.spend_on([value])
        except FunctionError as problem:
            raise self._error(at, str(problem)) from None

    def _branch(self, node: Branch, dot: Any, variables: list[tuple[str, Any]]) -> None:
        outer = len(variables)
        if node.kind == "range":
            self._range(node, dot, variables)
        else:
            value = self._pipeline(node.pipeline, dot, variables)
            if is_true(value):
                self.run(node.body, value if node.kind == "with" else dot, variables)
            else:
                self.run(node.otherwise, dot, variables)
        del variables[outer:]

    def _range(self, node: Branch, dot: Any, variables: list[tuple[str, Any]]) -> None:
        value = self._evaluate_commands(node.pipeline, dot, variables)
        pairs = self._pairs(value, node)
        if not pairs:
            self.run(node.otherwise, dot, variables)
            return
        names = node.pipeline.variables
        outer = len(variables)
        for key, each in pairs:
            self._spend(node.at)
            given = (key, each) if len(names) == 2 else (each,)
            for name, item in zip(names, given, strict=False):
                self._set(name, item, variables, is_assignment=node.pipeline.is_assignment)
            try:
                self.run(node.body, each, variables)
            except _Left as left:
                if str(left) == "break":
                    break
            finally:
                del variables[outer:]

    def _pairs(self, value: Any, node: Branch) -> list[tuple[Any, Any]]:
        """What a range goes through: indexes and elements, sorted keys and values, or numbers up to one."""
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, int) and not isinstance(value, bool) and len(node.pipeline.variables) < 2:
            if value > 1_000_000:
                raise self._error(node.at, "the template takes too many steps")
            return [(each, each) for each in range(value)]
        if value is None:
            return []
        raise self._error(node.at, f"range cannot go through a value of the kind {kind_of(value)}")

    def _call(self, node: Call, dot: Any, variables: list[tuple[str, Any]]) -> None:
        nodes = self._defined.get(node.name)
        if nodes is None:
            raise self._error(node.at, f"the template {node.name[:60]!r} is not defined")
        value = self._pipeline(node.pipeline, dot, variables) if node.pipeline else None
        self.run(nodes, value, [("$", value)])

    def _set(self, name: str, value: Any, variables: list[tuple[str, Any]], *, is_assignment: bool) -> None:
        if not is_assignment:
            variables.append((name, value))
            return
        at = next(at for at in range(len(variables) - 1, -1, -1) if variables[at][0] == name)
        variables[at] = (name, value)

    def _pipeline(self, node: Pipeline, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        value = self._evaluate_commands(node, dot, variables)
        for name in node.variables:
            self._set(name, value, variables, is_assignment=node.is_assignment)
        return value

    def _evaluate_commands(self, node: Pipeline, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        value: Any = _NOTHING
        for command in node.commands:
            value = self._command(command, value, dot, variables)
        return value

    def _command(self, node: Command, before: Any, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        first = node.operands[0]
        if isinstance(first, Function):
            return self._function(first, node, before, dot, variables)
        if before is not _NOTHING or len(node.operands) > 1:
            raise self._error(first.at, "this is no function, and takes no arguments")
        return self._operand(first, dot, variables)

    def _function(self, first: Function, node: Command, before: Any, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        waiting = [*node.operands[1:]]
        if first.name in _SHORT_CIRCUITS:
            return self._short_circuit(first, waiting, before, dot, variables)
        arguments = [self._operand(each, dot, variables) for each in waiting]
        arguments += [] if before is _NOTHING else [before]
        function = FUNCTIONS[first.name]
        try:
            self._budget.spend_on(arguments)
            function.check_count(len(arguments))
            found = function.call(*arguments)
            if isinstance(found, str):
                require_short(len(found))
        except FunctionError as problem:
            raise self._error(first.at, f"{first.name}: {problem}") from None
        return found

    def _short_circuit(
        self, first: Function, waiting: list[Operand], before: Any, dot: Any, variables: list[tuple[str, Any]]
    ) -> Any:
        """`and` ends at the first false value, `or` at the first true one."""
        if not waiting and before is _NOTHING:
            raise self._error(first.at, f"{first.name}: it takes at least 1 argument")
        value: Any = None
        for each in waiting:
            value = self._operand(each, dot, variables)
            if is_true(value) is _SHORT_CIRCUITS[first.name]:
                return value
        return value if before is _NOTHING else before

    def _operand(self, node: Operand, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        self._spend(node.at)
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Dot):
            return dot
        if isinstance(node, Variable):
            return next(value for name, value in reversed(variables) if name == node.name)
        if isinstance(node, Fields):
            return self._fields(node, dot, variables)
        if isinstance(node, Pipeline):
            return self._evaluate_commands(node, dot, variables)
        return self._function(node, Command((node,), node.at), _NOTHING, dot, variables)

    def _fields(self, node: Fields, dot: Any, variables: list[tuple[str, Any]]) -> Any:
        value = self._operand(node.operand, dot, variables)
        for name in node.names:
            if value is None:
                return None
            if not isinstance(value, Mapping):
                raise self._error(node.at, f"a value of the kind {kind_of(value)} has no field {name[:60]!r}")
            value = value.get(name)
        return value

    def _error(self, at: int, reason: str) -> TemplateError:
        return error_at(self._source, at, reason)
