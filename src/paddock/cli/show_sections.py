"""What `paddock show` and `/show info` print of a model: titled sections of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from paddock.cli.ollama_units import decimal_count
from paddock.cli.table import ollama_table

_SHOWN_LINES = 2
_SHOWN_ITEMS = 5
_SHOWN_LETTERS = 80

Rows = list[list[str]]


def sections(shown: dict[str, Any], *, verbose: bool = False) -> str:
    """The answer of `/api/show` for people; `verbose` adds the metadata and the tensors."""
    return "".join(
        f"  {title}\n{_indented(ollama_table((), rows))}\n"
        for title, rows in _sections(shown, verbose)
        if rows
    )


def _sections(shown: dict[str, Any], verbose: bool) -> Iterator[tuple[str, Rows]]:
    info = shown.get("model_info") or {}
    yield "Model", _model(shown, info)
    yield "Projector", _projector(shown.get("projector_info") or {})
    yield "Capabilities", [[str(one)] for one in shown.get("capabilities") or ()]
    yield "Parameters", _parameters(shown.get("parameters") or "")
    yield "System", _first_lines(shown.get("system") or "")
    yield "License", _first_lines(shown.get("license") or "")
    if verbose:
        yield "Metadata", [[key, _value(value)] for key, value in sorted(info.items())]
        yield "Tensors", [_tensor(one) for one in shown.get("tensors") or ()]


def _model(shown: dict[str, Any], info: dict[str, Any]) -> Rows:
    details = shown.get("details") or {}
    architecture = str(info.get("general.architecture") or details.get("family") or "")
    count = info.get("general.parameter_count")
    parameters = decimal_count(count) if count else details.get("parameter_size")
    return _known(
        ("architecture", architecture),
        ("parameters", parameters),
        ("context length", info.get(f"{architecture}.context_length")),
        ("embedding length", info.get(f"{architecture}.embedding_length")),
        ("quantization", details.get("quantization_level")),
        ("requires", shown.get("requires")),
    )


def _projector(info: dict[str, Any]) -> Rows:
    count = info.get("general.parameter_count")
    return _known(
        ("architecture", info.get("general.architecture")),
        ("parameters", decimal_count(count) if count else None),
        ("embedding length", info.get("clip.vision.embedding_length")),
        ("dimensions", info.get("clip.vision.projection_dim")),
    )


def _known(*rows: tuple[str, Any]) -> Rows:
    return [[name, str(value)] for name, value in rows if value]


def _parameters(text: str) -> Rows:
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [[*row, ""][:2] for row in rows]


def _first_lines(text: str) -> Rows:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [[line] for line in lines[:_SHOWN_LINES]]
    return [*rows, ["..."]] if len(lines) > _SHOWN_LINES else rows


def _value(value: Any) -> str:
    if isinstance(value, list) and len(value) > _SHOWN_ITEMS:
        shown = ", ".join(_value(one) for one in value[:_SHOWN_ITEMS])
        return f"[{shown}, ...+{len(value) - _SHOWN_ITEMS} more]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = text.replace("\n", "\\n")
    return line if len(line) <= _SHOWN_LETTERS else f"{line[:_SHOWN_LETTERS]}..."


def _tensor(one: dict[str, Any]) -> list[str]:
    shape: Iterable[Any] = one.get("shape") or ()
    return [str(one.get("name")), str(one.get("type")), f"[{', '.join(map(str, shape))}]"]


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
