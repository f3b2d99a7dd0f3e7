"""The text below each field of the schema, put into the JSON schema.

Pydantic can do so itself (`use_attribute_docstrings`), but then reads its sources at every start of
the daemon, which has no use for them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def described(schema: dict[str, Any], root: type[BaseModel]) -> dict[str, Any]:
    """`schema`, the JSON schema of `root`, with every field's text as its `description`."""
    sections = {section.__name__: section for section in _sections(root)}
    _describe(schema, root)
    for name, definition in schema.get("$defs", {}).items():
        if name in sections:
            _describe(definition, sections[name])
    return schema


def _describe(definition: dict[str, Any], section: type[BaseModel]) -> None:
    texts = field_texts(section)
    for name, field in section.model_fields.items():
        if text := texts.get(name):
            definition["properties"][field.alias or name]["description"] = text


def field_texts(section: type[BaseModel]) -> dict[str, str]:
    """What is written below each field of `section`, those it inherits too."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _own_texts(base)
    return found


def _own_texts(section: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(section)))
    return dict(_documented(tree.body[0]))


def _documented(definition: ast.AST) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(ast.iter_child_nodes(definition)):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(told))),
            ):
                yield name, inspect.cleandoc(told)


def _sections(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every class of the schema that a reference in its JSON schema may name."""
    top = next(base for base in reversed(root.__mro__) if base.__base__ is BaseModel)
    unseen = [top]
    while unseen:
        section = unseen.pop()
        yield section
        unseen += section.__subclasses__()
