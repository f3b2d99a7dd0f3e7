"""A template: read once, executed as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paddock.gotemplate import parser
from paddock.gotemplate.budget import Budget
from paddock.gotemplate.execution import execute
from paddock.gotemplate.functions import FUNCTIONS
from paddock.gotemplate.nodes import (
    Action,
    Block,
    Branch,
    Chain,
    Command,
    Fields,
    Node,
    Operand,
    Pipe,
    Range,
    Variable,
    operands,
    pipes,
)
from paddock.gotemplate.parser import Parsed


def parse(text: str) -> Template:
    """Read a template. Raises TemplateError: it says the line and what is wrong.

    Takes about a millisecond per thousand characters; 64 Ki characters are the most.
    """
    return Template(text, parser.parse(text, FUNCTIONS.keys()))


class Template:
    """A template that was read. Immutable; usable from any thread."""

    def __init__(self, text: str, parsed: Parsed) -> None:
        self.text = text
        """As it was written."""
        self._parsed = parsed
        self._chains = frozenset(_chains(parsed))

    def execute(self, data: Mapping[str, Any], budget: Budget | None = None) -> str:
        """What the template makes of `data`, whose entries are `.Name` in it.

        Blocking for as long as `budget` allows, which it uses up: about 0.1 s without one. Raises
        TemplateError.
        """
        return execute(self._parsed, data, budget or Budget())

    def mentions(self, chain: str) -> bool:
        """Whether any chain of fields begins so: `.Messages`, `.Function.Name`.

        Fields of variables and of brackets count too: `$.Messages`, `(index .Messages 0).Role`.
        """
        names = tuple(chain.strip(".").split("."))
        return any(found[: len(names)] == names for found in self._chains)

    def up_to(self, name: str) -> Template:
        """The same, without all that comes after the first `.name` that is written on its own."""
        root, _ = _cut(self._parsed.root, name)
        return Template(self.text, Parsed(root, self._parsed.defined))

    def followed_by(self, name: str) -> Template:
        """The same, with `{{ .name }}` at its end."""
        action = Action(Pipe(1, (Command((Fields((name,)),)),)))
        return Template(self.text, Parsed((*self._parsed.root, action), self._parsed.defined))

    def nodes(self) -> Block:
        """What it is made of, without what it defines."""
        return self._parsed.root


def _chains(parsed: Parsed) -> Iterator[tuple[str, ...]]:
    for block in (parsed.root, *parsed.defined.values()):
        for pipe in pipes(block):
            for operand in operands(pipe):
                if isinstance(operand, Fields | Variable | Chain):
                    yield operand.names


def _cut(block: Block, name: str) -> tuple[Block, bool]:
    """The part of a block up to and with the first action of `.name`, and whether it has one."""
    kept: list[Node] = []
    for node in block:
        part, found = _cut_node(node, name)
        kept.append(part)
        if found:
            return tuple(kept), True
    return block, False


def _cut_node(node: Node, name: str) -> tuple[Node, bool]:
    match node:
        case Action(pipe):
            return node, any(_is_field(operand, name) for operand in operands(pipe))
        case Range(pipe, body, otherwise):
            body, found = _cut(body, name)
            return (Range(pipe, body, ()), True) if found else (node, False)
        case Branch(choices, otherwise, binds):
            return _cut_branch(choices, otherwise, name, binds=binds)
        case _:
            return node, False


def _cut_branch(
    choices: tuple[tuple[Pipe, Block], ...], otherwise: Block, name: str, *, binds: bool
) -> tuple[Node, bool]:
    """Each way through is cut on its own: only one of them is taken."""
    cuts = [(pipe, *_cut(body, name)) for pipe, body in choices]
    otherwise, found = _cut(otherwise, name)
    branch = Branch(tuple((pipe, body) for pipe, body, _ in cuts), otherwise, binds)
    return branch, found or any(cut for _, _, cut in cuts)


def _is_field(operand: Operand, name: str) -> bool:
    match operand:
        case Fields(names):
            return names[0] == name
        case Variable("$", names):
            return bool(names) and names[0] == name
        case _:
            return False
