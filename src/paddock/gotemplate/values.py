"""Go's values as Python has them, and what Go says about them.

| Go | here |
| --- | --- |
| nil | None |
| bool, int, float64, string | bool, int, float, str |
| map[string]any | a mapping with texts as keys |
| []any | a list or tuple |
| a struct | Struct |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Stringer:
    """A value that says itself how it is printed."""

    __slots__ = ()

    def go_string(self) -> str:
        raise NotImplementedError


class Field(NamedTuple):
    """A field of a struct, and how JSON has it."""

    name: str
    key: str
    omit_empty: bool = False


class Kind:
    """A type of structs."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, *fields: Field) -> None:
        self.name = name
        """As errors tell it."""
        self.fields = fields


class Struct:
    """A value with a fixed set of fields: any other is an error, unlike with a map."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: Kind, *values: Any) -> None:
        self.kind = kind
        self.values: Mapping[str, Any] = {
            field.name: value for field, value in zip(kind.fields, values, strict=True)
        }


def is_true(value: Any) -> bool:
    """Go's truth: not nil, not zero, not empty. A struct is always true."""
    return True if isinstance(value, Struct) else bool(value)


def type_name(value: Any) -> str:
    """The Go type, as errors and `%T` tell it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case Struct():
            return value.kind.name
        case Mapping():
            return "map[string]interface {}"
        case _:
            return "[]interface {}"


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
