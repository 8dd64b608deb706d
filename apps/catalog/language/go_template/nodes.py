"""The parts of a template that has been read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number, bool or nil."""

    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class Dot:
    """The dot: the value of the block."""

    at: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, with its dollar; `$` alone is what the template was given."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of a value, such as `.Values.name`."""

    operand: Operand
    names: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which takes the value of the one before; `variables` take the value of the last."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    is_assignment: bool
    at: int


Operand = Literal | Dot | Variable | Function | Fields | Pipeline


@dataclass(frozen=True, slots=True)
class Command:
    """A value, or a function with its arguments."""

    operands: tuple[Operand, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Text that is copied."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """A pipeline whose value is written, unless it is a variable's."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    kind: str
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """`template`: another template in this place."""

    name: str
    pipeline: Pipeline | None
    at: int


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    kind: str
    at: int


Node = Copy | Output | Branch | Call | Leave
Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ParsedTemplate:
    """A template, and those that it defines by name."""

    nodes: Nodes
    defined: dict[str, Nodes]
