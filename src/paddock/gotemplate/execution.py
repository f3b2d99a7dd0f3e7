"""Executing a template that was read, within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from paddock.errors import TemplateError
from paddock.gotemplate import printing
from paddock.gotemplate.budget import Budget
from paddock.gotemplate.functions import FUNCTIONS, LAZY
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
    Operand,
    Pipe,
    Range,
    Text,
    Variable,
)
from paddock.gotemplate.parser import Parsed
from paddock.gotemplate.values import Struct, is_list, is_true, type_name

MAX_DEPTH: Final = 100
"""Blocks and brackets within each other, those of called templates included."""


class _Missing:
    """No value comes from an earlier command of the pipeline."""


_MISSING: Final = _Missing()


def execute(parsed: Parsed, data: Mapping[str, Any], budget: Budget) -> str:
    """What the template makes of `data`. Raises TemplateError."""
    run = _Run(parsed, budget)
    try:
        run.template(parsed.root, data)
    except TemplateError as error:
        raise TemplateError(error.what, run.line) from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply", run.line) from None
    return "".join(run.output)


class _Run:
    """One execution: its output so far, its variables, and what is left of its bounds."""

    def __init__(self, parsed: Parsed, budget: Budget) -> None:
        self._defined = {"": parsed.root, **parsed.defined}
        self._budget = budget
        self._depth = 0
        self._variables: list[tuple[str, Any]] = []
        self.output: list[str] = []
        self.line = 1

    def template(self, block: Block, dot: Any) -> None:
        """Execute a whole template: it sees no variable but its own."""
        variables, self._variables = self._variables, [("$", dot)]
        self._block(block, dot)
        self._variables = variables

    # --- blocks ----------------------------------------------------------------------------------

    def _block(self, block: Block, dot: Any) -> str:
        """Execute nodes. The word of a `break` or `continue` that ended it, else ""."""
        self._deeper()
        left = ""
        for node in block:
            self._budget.spend()
            match node:
                case Text(text):
                    self._write(text)
                case Action(pipe):
                    value = self._pipe(pipe, dot)
                    if not pipe.variables:
                        self._write(self._budget.shown(value, printing.action(value)))
                case Branch():
                    left = self._branch(node, dot)
                case Range():
                    self._range(node, dot)
                case Call():
                    self._call(node, dot)
                case Leave(how):
                    left = how
            if left:
                break
        self._depth -= 1
        return left

    def _branch(self, branch: Branch, dot: Any) -> str:
        mark = len(self._variables)
        chosen, inner = branch.otherwise, dot
        for pipe, body in branch.choices:
            value = self._pipe(pipe, dot)
            if is_true(value):
                chosen, inner = body, value if branch.binds else dot
                break
        left = self._block(chosen, inner)
        del self._variables[mark:]
        return left

    def _range(self, node: Range, dot: Any) -> None:
        mark = len(self._variables)
        value = self._pipe(node.pipe, dot)
        inner = len(self._variables)
        empty = True
        for index, element in self._elements(node.pipe, value):
            empty = False
            self._budget.spend()
            self._bind(node.pipe, index, element)
            left = self._block(node.body, element)
            del self._variables[inner:]
            if left == "break":
                break
        if empty:
            self._block(node.otherwise, dot)
        del self._variables[mark:]

    def _elements(self, pipe: Pipe, value: Any) -> Iterator[tuple[Any, Any]]:
        if value is None:
            return iter(())
        if is_list(value):
            return iter(enumerate(value))
        if isinstance(value, Mapping):
            self._budget.spend(len(value))
            return iter([(key, value[key]) for key in sorted(value)])
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error(f"range can't iterate over {printing.show(value)[:100]}")
        if len(pipe.variables) > 1:
            raise self._error(f"can't use {value} to iterate over more than one variable")
        return ((None, number) for number in range(value))

    def _bind(self, pipe: Pipe, index: Any, element: Any) -> None:
        """Give the variables of a `range` their values for one round."""
        names = pipe.variables
        values = (element,) if len(names) == 1 else (index, element)
        for at, (name, value) in enumerate(zip(names, values, strict=False)):
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables[at - len(names)] = (name, value)

    def _call(self, node: Call, dot: Any) -> None:
        self.line = node.line
        block = self._defined.get(node.name)
        if block is None:
            raise self._error(f'template "{node.name[:100]}" not defined')
        self.template(block, None if node.pipe is None else self._pipe(node.pipe, dot))

    # --- pipelines -------------------------------------------------------------------------------

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        self.line = pipe.line
        self._deeper()
        value: Any = _MISSING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        for name in pipe.variables:
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        self._depth -= 1
        return value

    def _command(self, command: Command, dot: Any, final: Any) -> Any:
        self._budget.spend()
        first = command.words[0]
        if isinstance(first, Function):
            return self._function(first.name, command.words[1:], dot, final)
        if len(command.words) > 1 or final is not _MISSING:
            raise self._error(f"can't give argument to non-function {_told(first)}")
        if isinstance(first, Nil):
            raise self._error("nil is not a command")
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Fields(names):
                return self._fields(dot, names)
            case Literal(value):
                return value
            case Variable(name, names):
                return self._fields(self._variable(name), names)
            case Dot():
                return dot
            case Pipe():
                return self._pipe(operand, dot)
            case Chain(start, names):
                return self._fields(self._operand(start, dot), names)
            case Function(name):
                return self._function(name, (), dot, _MISSING)
            case _:
                return None

    def _function(self, name: str, words: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        builtin = FUNCTIONS[name]
        count = len(words) + (final is not _MISSING)
        if count < builtin.least or (builtin.most is not None and count > builtin.most):
            want = builtin.least if builtin.most == builtin.least else f"at least {builtin.least}"
            raise self._error(f"wrong number of args for {name}: want {want} got {count}")
        if name in LAZY:
            return self._lazy(name, words, dot, final)
        self._budget.spend(len(words))
        arguments = [self._operand(word, dot) for word in words]
        if final is not _MISSING:
            arguments.append(final)
        return builtin.run(self._budget, tuple(arguments))

    def _lazy(self, name: str, words: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        """`and` ends at the first value that is false, `or` at the first that is true."""
        value: Any = None
        for word in words:
            self._budget.spend()
            value = self._operand(word, dot)
            if is_true(value) == (name == "or"):
                return value
        return value if final is _MISSING else final

    # --- values ----------------------------------------------------------------------------------

    def _fields(self, value: Any, names: tuple[str, ...]) -> Any:
        """A chain of fields. Of nothing it is nothing, but within the chain that is an error."""
        if value is None:
            return None
        for name in names:
            value = self._field(value, name)
        return value

    def _field(self, value: Any, name: str) -> Any:
        self._budget.spend()
        if isinstance(value, Struct):
            if name in value.values:
                return value.values[name]
        elif isinstance(value, Mapping):
            return value.get(name)
        elif value is None:
            raise self._error(f"nil pointer evaluating interface {{}}.{name}")
        raise self._error(f"can't evaluate field {name} in type {type_name(value)}")

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._error(f"undefined variable: {name}")

    def _assign(self, name: str, value: Any) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise self._error(f"undefined variable: {name}")

    # --- bounds ----------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        self._budget.write(len(text))
        self.output.append(text)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(
                f"more than {MAX_DEPTH} blocks, brackets or templates within each other"
            )

    def _error(self, what: str) -> TemplateError:
        return TemplateError(what, self.line)


def _told(operand: Operand) -> str:
    match operand:
        case Fields(names):
            return "." + ".".join(names)
        case Variable(name, names):
            return ".".join((name, *names))
        case Literal(value):
            return printing.show(value)[:100]
        case _:
            return type(operand).__name__.lower()
