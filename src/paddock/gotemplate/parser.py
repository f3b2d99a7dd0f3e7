"""From tokens to nodes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from paddock.errors import TemplateError
from paddock.gotemplate import literals
from paddock.gotemplate.nodes import (
    Action,
    Block,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Fields,
    Function,
    Leave,
    Literal,
    Nil,
    Node,
    Operand,
    Pipe,
    Range,
    Text,
    Variable,
)
from paddock.gotemplate.tokens import Token, tokens

MAX_DEPTH: Final = 40
"""Blocks within blocks, and brackets within brackets, together."""

MAX_VARIABLES: Final = 256
"""That are known in one place."""

_OPERANDS: Final = frozenset(
    ("bool", "char", "dot", "field", "identifier", "number", "nil", "raw", "string", "variable")
)
_UNCHAINED = (Literal, Nil, Dot)
_NEVER_LATER = (Literal, Nil, Dot)
"""What can begin a pipeline and cannot take the value of the command before it."""


class Parsed(NamedTuple):
    """A template and those that it defines."""

    root: Block
    defined: dict[str, Block]


def parse(text: str, functions: Collection[str]) -> Parsed:
    """Read a template that may use `functions`. Raises TemplateError."""
    return _Parser(text, functions).parse()


class _Parser:
    """Holds the next token and the one after it, and the variables that are known at this place."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._functions = functions
        self._known = ["$"]
        self._defined: dict[str, Block] = {}
        self._depth = 0
        self._ranges = 0

    def parse(self) -> Parsed:
        root: list[Node] = []
        while self._peek.kind != "end":
            if self._at_keyword("define"):
                self._definition()
                continue
            node = self._node()
            if isinstance(node, str):
                raise self._error(f"unexpected {{{{{node}}}}}")
            root.append(node)
        return Parsed(tuple(root), self._defined)

    # --- the tokens ------------------------------------------------------------------------------

    @property
    def _peek(self) -> Token:
        return self._tokens[self._at]

    @property
    def _after(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _at_keyword(self, word: str) -> bool:
        after = self._after
        return self._peek.kind == "open" and after.kind == "keyword" and after.text == word

    def _expect(self, kind: str, context: str) -> Token:
        token = self._next()
        if token.kind != kind:
            raise self._unexpected(token, context)
        return token

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        what = {"end": "EOF", "keyword": f"<{token.text}>"}.get(token.kind, f'"{token.text[:40]}"')
        return TemplateError(f"unexpected {what} in {context}", token.line)

    def _error(self, what: str) -> TemplateError:
        return TemplateError(what, self._peek.line)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} blocks or brackets within each other")

    # --- blocks ----------------------------------------------------------------------------------

    def _definition(self) -> None:
        self._next(), self._next()
        name = self._name("define clause")
        self._expect("close", "define clause")
        self._define(name, "define clause")

    def _define(self, name: str, context: str) -> None:
        """The body of `define` or `block`, with variables of its own."""
        known, self._known = self._known, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, end = self._block()
        if end != "end":
            raise self._error(f"unexpected {{{{{end}}}}} in {context}")
        self._known, self._ranges = known, ranges
        if _is_empty(self._defined.get(name, ())):
            self._defined[name] = body
        elif not _is_empty(body):
            raise self._error(f'template: multiple definition of template "{name}"')

    def _block(self) -> tuple[Block, str]:
        """Nodes up to `end` or `else`, and which of them it was. After `else`, what follows that
        word in its action is not read yet."""
        self._deeper()
        nodes: list[Node] = []
        while self._peek.kind != "end":
            node = self._node()
            if isinstance(node, str):
                self._depth -= 1
                return tuple(nodes), node
            nodes.append(node)
        raise self._error("unexpected EOF")

    def _node(self) -> Node | str:
        """The next node, or the word `end` or `else`."""
        token = self._next()
        if token.kind == "text":
            return Text(token.text)
        if token.kind != "open":
            raise self._unexpected(token, "input")
        if self._peek.kind != "keyword":
            line = self._peek.line
            return Action(self._pipeline("command", "close", line))
        return self._control(self._next())

    def _control(self, token: Token) -> Node | str:
        match token.text:
            case "if" | "with":
                return self._branch(token.text)
            case "range":
                return self._range()
            case "template":
                return self._template(token)
            case "block":
                return self._inline_block(token)
            case "break" | "continue":
                return self._leave(token.text)
            case "end":
                self._expect("close", "end")
                return "end"
            case "else":
                if self._peek.kind != "keyword" or self._peek.text not in ("if", "with"):
                    self._expect("close", "else")
                return "else"
        raise self._unexpected(token, "command")

    def _branch(self, word: str) -> Branch:
        known = len(self._known)
        choices: list[tuple[Pipe, Block]] = []
        otherwise: Block = ()
        while True:
            pipe = self._pipeline(word, "close", self._peek.line)
            body, end = self._block()
            choices.append((pipe, body))
            if end == "end":
                break
            if self._peek.kind == "keyword" and self._peek.text == word:
                self._next()
                continue
            otherwise = self._otherwise()
            break
        del self._known[known:]
        return Branch(tuple(choices), otherwise, word == "with")

    def _otherwise(self) -> Block:
        body, end = self._block()
        if end != "end":
            raise self._error(f"expected end; found {{{{{end}}}}}")
        return body

    def _range(self) -> Range:
        known = len(self._known)
        pipe = self._pipeline("range", "close", self._peek.line)
        self._ranges += 1
        body, end = self._block()
        self._ranges -= 1
        otherwise = self._otherwise() if end == "else" else ()
        del self._known[known:]
        return Range(pipe, body, otherwise)

    def _leave(self, word: str) -> Leave:
        self._expect("close", f"{{{{{word}}}}}")
        if not self._ranges:
            raise self._error(f"{{{{{word}}}}} outside {{{{range}}}}")
        return Leave(word)

    def _template(self, token: Token) -> Call:
        name = self._name("template clause")
        if self._peek.kind == "close":
            self._next()
            return Call(token.line, name, None)
        return Call(token.line, name, self._pipeline("template clause", "close", token.line))

    def _inline_block(self, token: Token) -> Call:
        name = self._name("block clause")
        pipe = self._pipeline("block clause", "close", token.line)
        self._define(name, "block clause")
        return Call(token.line, name, pipe)

    def _name(self, context: str) -> str:
        token = self._next()
        if token.kind not in ("string", "raw"):
            raise self._unexpected(token, context)
        return self._literal(token)

    # --- pipelines -------------------------------------------------------------------------------

    def _pipeline(self, context: str, end: str, line: int) -> Pipe:
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while self._peek.kind != end:
            if self._peek.kind not in _OPERANDS and self._peek.kind != "(":
                raise self._unexpected(self._peek, context)
            commands.append(self._command())
        self._next()
        self._check(commands, context)
        return Pipe(line, tuple(commands), tuple(variables), assigns)

    def _declarations(self, context: str) -> tuple[list[str], bool]:
        variables: list[str] = []
        while self._peek.kind == "variable" and self._after.kind in (":=", "=", ","):
            variables.append(self._next().text)
            self._know(variables[-1])
            sign = self._next()
            if sign.kind != ",":
                return variables, sign.kind == "="
            if context != "range" or len(variables) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek.kind not in ("variable", "close", ")"):
                raise self._error("range can only initialize variables")
        return variables, False

    def _know(self, variable: str) -> None:
        self._known.append(variable)
        if len(self._known) > MAX_VARIABLES:
            raise self._error(f"more than {MAX_VARIABLES} variables")

    def _check(self, commands: list[Command], context: str) -> None:
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.words[0], _NEVER_LATER):
                raise self._error(f"non executable command in pipeline stage {stage}")

    def _command(self) -> Command:
        words: list[Operand] = []
        while True:
            if (operand := self._operand()) is not None:
                words.append(operand)
            token = self._peek
            if token.kind in ("close", ")", "|"):
                break
            if operand is None or not token.spaced:
                raise self._unexpected(token, "operand")
        if self._peek.kind == "|":
            self._next()
        if not words:
            raise self._error("empty command")
        return Command(tuple(words))

    def _operand(self) -> Operand | None:
        operand = self._term()
        if operand is None:
            return None
        names: list[str] = []
        while self._peek.kind == "field" and not self._peek.spaced:
            names.append(self._next().text[1:])
        if not names:
            return operand
        if isinstance(operand, Fields):
            return Fields((*operand.names, *names))
        if isinstance(operand, Variable):
            return Variable(operand.name, tuple(names))
        if isinstance(operand, _UNCHAINED):
            raise self._error("unexpected . after term")
        return Chain(operand, tuple(names))

    def _term(self) -> Operand | None:
        token = self._peek
        if token.kind == "(":
            return self._bracket()
        if token.kind not in _OPERANDS:
            return None
        self._next()
        match token.kind:
            case "identifier" | "variable":
                return self._known_name(token)
            case "field":
                return Fields((token.text[1:],))
            case "dot":
                return Dot()
            case "nil":
                return Nil()
            case "bool":
                return Literal(token.text == "true")
            case "number" | "char":
                return Literal(self._number(token))
        return Literal(self._literal(token))

    def _known_name(self, token: Token) -> Operand:
        if token.kind == "identifier":
            if token.text not in self._functions:
                raise TemplateError(f'function "{token.text[:40]}" not defined', token.line)
            return Function(token.text)
        if token.text not in self._known:
            raise TemplateError(f'undefined variable "{token.text[:40]}"', token.line)
        return Variable(token.text)

    def _bracket(self) -> Pipe:
        self._deeper()
        line = self._next().line
        pipe = self._pipeline("parenthesized pipeline", ")", line)
        self._depth -= 1
        return pipe

    def _number(self, token: Token) -> int | float:
        try:
            if token.kind == "char":
                return literals.character(token.text)
            return literals.number(token.text)
        except ValueError as error:
            raise TemplateError(str(error), token.line) from None

    def _literal(self, token: Token) -> str:
        if token.kind == "raw":
            return token.text[1:-1].replace("\r", "")
        try:
            return literals.unquote(token.text)
        except ValueError as error:
            raise TemplateError(str(error), token.line) from None


def _is_empty(block: Block) -> bool:
    """Nothing but white space, so that another definition may take its place."""
    return all(isinstance(node, Text) and not node.text.strip() for node in block)
