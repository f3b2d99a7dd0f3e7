"""The schema as data: the JSON schema, and what it says about one place in a file."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from paddock.config.document import Place
from paddock.config.schema import Config

_PLAIN = re.compile(r"[A-Za-z0-9/~_.][\w./:~ -]*")


@cache
def json_schema() -> dict[str, Any]:
    """The JSON schema of the config file, keys as the owner writes them. Do not change it."""
    from paddock.config.described import described  # noqa: PLC0415 - reads sources

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described(Config.model_json_schema(by_alias=True), Config),
        "title": "Paddock configuration",
    }


def json_schema_text() -> str:
    """The JSON schema as it is printed and published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def schema_at(place: Place) -> dict[str, Any]:
    """What the schema says about the value at `place`; empty for a place it does not know."""
    node = resolve(json_schema())
    for step in place:
        node = resolve(_below(node, step))
    return node


def known_keys(place: Place) -> tuple[str, ...]:
    """The keys that the mapping at `place` may have; empty where the owner chooses them."""
    return tuple(_properties(schema_at(place)))


def example(place: Place) -> str:
    """A line that would be right at `place`, such as `port: 8090`; "" when none is known."""
    node = schema_at(place)
    known = [*node.get("examples", ()), node.get("default"), *node.get("enum", ())]
    values = [*known, _SAMPLES.get(node.get("type", ""))]
    value = next((value for value in values if value not in (None, "", [], {}, ".")), None)
    if value is None or not place:
        return ""
    key = next((step for step in reversed(place) if isinstance(step, str)), "")
    in_list = isinstance(place[-1], int)
    return f"{key}: {as_yaml([value] if in_list else value)}"


_SAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": ["text"],
}


def as_yaml(value: Any) -> str:
    """`value` on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_yaml(k)}: {as_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The schema entry `node` with its reference followed and `or null` taken off."""
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        node = {**choices[0], **{k: v for k, v in node.items() if k != "anyOf"}}
    if reference := node.get("$ref"):
        found = json_schema()["$defs"][reference.rpartition("/")[2]]
        node = {**found, **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    """The keys of a mapping, or of the choice that is one."""
    choices = [node, *map(resolve, node.get("anyOf", ()))]
    return next((choice["properties"] for choice in choices if "properties" in choice), {})


def _below(node: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        choices = [node, *node.get("anyOf", ())]
        return next((dict(choice["items"]) for choice in choices if "items" in choice), {})
    found = _properties(node).get(step) or node.get("additionalProperties")
    return dict(found) if isinstance(found, dict) else {}
