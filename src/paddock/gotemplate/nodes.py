"""What a template is made of, once it is read. Immutable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias


class Dot(NamedTuple):
    """`.`"""


class Nil(NamedTuple):
    """`nil`"""


class Literal(NamedTuple):
    """A text, a number or a boolean."""

    value: Any


class Fields(NamedTuple):
    """`.A.B`"""

    names: tuple[str, ...]


class Variable(NamedTuple):
    """`$x.A.B`; `name` has its dollar."""

    name: str
    names: tuple[str, ...] = ()


class Chain(NamedTuple):
    """`(…).A.B`"""

    start: Operand
    names: tuple[str, ...]


class Function(NamedTuple):
    """The name of a function."""

    name: str


class Command(NamedTuple):
    """An operand, or a function with its arguments."""

    words: tuple[Operand, ...]


class Pipe(NamedTuple):
    """Commands, each of which gets the value of the one before it as its last argument."""

    line: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    """What it declares, or assigns to."""
    assigns: bool = False


Operand: TypeAlias = Dot | Nil | Literal | Fields | Variable | Chain | Function | Pipe


class Text(NamedTuple):
    """What is written as it is."""

    text: str


class Action(NamedTuple):
    """`{{ pipeline }}`"""

    pipe: Pipe


class Branch(NamedTuple):
    """`if` and `with`, with every `else if` of theirs. `binds`: it is `with`."""

    choices: tuple[tuple[Pipe, Block], ...]
    otherwise: Block
    binds: bool


class Range(NamedTuple):
    """`range`"""

    pipe: Pipe
    body: Block
    otherwise: Block


class Leave(NamedTuple):
    """`break` and `continue`, by that word."""

    how: str


class Call(NamedTuple):
    """`template "name" pipeline`"""

    line: int
    name: str
    pipe: Pipe | None


Node: TypeAlias = Text | Action | Branch | Range | Leave | Call
Block: TypeAlias = tuple[Node, ...]


def pipes(block: Block) -> Iterator[Pipe]:
    """Every pipeline of a block, in the order of the text, without those within pipelines."""
    for node in block:
        match node:
            case Action(pipe):
                yield pipe
            case Call(_, _, pipe) if pipe is not None:
                yield pipe
            case Branch(choices, otherwise, _):
                for pipe, body in choices:
                    yield pipe
                    yield from pipes(body)
                yield from pipes(otherwise)
            case Range(pipe, body, otherwise):
                yield pipe
                yield from pipes(body)
                yield from pipes(otherwise)
            case _:
                pass


def operands(pipe: Pipe) -> Iterator[Operand]:
    """Every operand of a pipeline, those within its brackets too."""
    for command in pipe.commands:
        for word in command.words:
            inner: Operand = word
            while isinstance(inner, Chain):
                yield inner
                inner = inner.start
            yield inner
            if isinstance(inner, Pipe):
                yield from operands(inner)
