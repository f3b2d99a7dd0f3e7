"""The tools of a request as a Go template sees them: `.Tools`, printed as JSON.

Ollama reads a tool into fixed structures and writes it again from them; so do we, and a template
that was written for the one finds the same fields, in the same order, in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from paddock.gotemplate import Field, JsonList, JsonMap, JsonStruct, Kind, OneOrMany, Struct

MAX_DEPTH: Final = 32
"""Properties within properties; what is deeper is left out."""

_TOOL: Final = Kind(
    "api.Tool",
    Field("Type", "type"),
    Field("Items", "items", omit_empty=True),
    Field("Function", "function"),
)
_FUNCTION: Final = Kind(
    "api.ToolFunction",
    Field("Name", "name"),
    Field("Description", "description", omit_empty=True),
    Field("Parameters", "parameters"),
)
_PARAMETERS: Final = Kind(
    "api.ToolFunctionParameters",
    Field("Type", "type"),
    Field("Defs", "$defs", omit_empty=True),
    Field("Items", "items", omit_empty=True),
    Field("Required", "required", omit_empty=True),
    Field("Properties", "properties"),
)
_PROPERTY: Final = Kind(
    "api.ToolProperty",
    Field("AnyOf", "anyOf", omit_empty=True),
    Field("Type", "type", omit_empty=True),
    Field("Items", "items", omit_empty=True),
    Field("Description", "description", omit_empty=True),
    Field("Enum", "enum", omit_empty=True),
    Field("Properties", "properties", omit_empty=True),
    Field("Required", "required", omit_empty=True),
)


def tools_value(tools: Iterable[Any]) -> JsonList:
    """`.Tools`; entries that are no objects are left out."""
    return JsonList(_tool(tool) for tool in tools if isinstance(tool, Mapping))


def _tool(tool: Mapping[str, Any]) -> Struct:
    function = _object(tool, "function")
    told = JsonStruct(
        _FUNCTION,
        _string(function, "name"),
        _string(function, "description"),
        _parameters(_object(function, "parameters")),
    )
    return JsonStruct(_TOOL, _string(tool, "type") or "function", tool.get("items"), told)


def _parameters(schema: Mapping[str, Any]) -> Struct:
    return JsonStruct(
        _PARAMETERS,
        _string(schema, "type") or "object",
        schema.get("$defs"),
        schema.get("items"),
        _list(schema, "required"),
        _properties(_object(schema, "properties"), 0),
    )


def _properties(properties: Mapping[str, Any], depth: int) -> JsonMap:
    if depth > MAX_DEPTH:
        return JsonMap()
    return JsonMap(
        (name, _property(schema, depth))
        for name, schema in properties.items()
        if isinstance(schema, Mapping)
    )


def _property(schema: Mapping[str, Any], depth: int) -> Struct:
    types = schema.get("type")
    either = _list(schema, "anyOf") if depth < MAX_DEPTH else []
    return JsonStruct(
        _PROPERTY,
        [_property(one, depth + 1) for one in either if isinstance(one, Mapping)],
        OneOrMany(str(one) for one in (types if isinstance(types, list) else [types]) if one),
        schema.get("items"),
        _string(schema, "description"),
        _list(schema, "enum"),
        _properties(_object(schema, "properties"), depth + 1),
        _list(schema, "required"),
    )


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _string(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""
