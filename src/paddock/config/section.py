"""What the schema is made of: a section of the file, and the kinds of values in it.

Keys are camelCase in YAML and snake_case here. Unknown keys are errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from paddock.units import parse_bytes, parse_duration


def _duration(value: object) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("expected a duration: seconds, or text like 30s, 5m or 1h30m")  # noqa: TRY004
    return parse_duration(value)


def _bytes(value: object) -> int:
    if not isinstance(value, str | int | float):
        raise ValueError("expected a size: bytes, or text like 20MB, 1.5GiB or 2TB")  # noqa: TRY004
    return parse_bytes(value)


def _ttl(value: object) -> float:
    return -1 if value == -1 else _duration(value)


def _list_of_one(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


def resolved(text: str, folder: Path | str, home: Path) -> Path:
    """A path with `~` as `home`, and starting at `folder` when it is relative."""
    if "\0" in text:
        raise ValueError("a path cannot hold a NUL character")
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(folder, text)


def _resolved(path: Path, info: ValidationInfo) -> Path:
    """`~` and relative paths made absolute, when the caller says what they are relative to."""
    places = info.context or {}
    return resolved(str(path), places.get("folder", ""), places.get("home") or Path.home())


def _resolved_program(path: Path, info: ValidationInfo) -> Path:
    """Like a folder, but a bare name is looked up on PATH later."""
    return path if len(path.parts) == 1 and str(path) != "~" else _resolved(path, info)


def _scalar(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise ValueError("expected one value: text, a number, true or false")  # noqa: TRY004
    return value


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("expected a path, but it is empty")
    return value


Seconds = Annotated[
    float,
    BeforeValidator(_duration, json_schema_input_type=float | str),
    Field(examples=["5m"]),
]
"""A duration: seconds, or text like `30s`, `5m`, `1h30m`."""

Bytes = Annotated[
    int,
    BeforeValidator(_bytes, json_schema_input_type=int | str),
    Field(examples=["20GB"]),
]
"""A size: bytes, or text like `20MB`, `1.5GiB`, `2TB`."""

TtlSeconds = Annotated[
    float,
    BeforeValidator(_ttl, json_schema_input_type=float | str),
    Field(ge=-1, examples=["5m"]),
]
"""A duration, or -1 for "the default"."""

Scalar = Annotated[
    Any,
    BeforeValidator(_scalar, json_schema_input_type=str | int | float | bool),
    Field(examples=["--ctx-size 8192"]),
]
"""One value of YAML, of its own type."""

Port = Annotated[int, Field(ge=0, le=65535, examples=[8090])]

Folder = Annotated[
    Path,
    BeforeValidator(_not_empty, json_schema_input_type=Path),
    AfterValidator(_resolved),
    Field(examples=["/models"]),
]
"""A folder: absolute, `~/...`, or relative to the config file's folder."""

File = Annotated[
    Path,
    BeforeValidator(_not_empty, json_schema_input_type=Path),
    AfterValidator(_resolved),
    Field(examples=["/etc/paddock/file"]),
]
"""A file: absolute, `~/...`, or relative to the config file's folder."""

Folders = Annotated[
    list[Folder],
    BeforeValidator(_list_of_one, json_schema_input_type=Folder | list[Folder]),
    Field(examples=["/models"]),
]

Program = Annotated[
    Path,
    BeforeValidator(_not_empty, json_schema_input_type=Path),
    AfterValidator(_resolved_program),
    Field(examples=["/usr/bin/llama-server"]),
]
"""A program: a name to look up on PATH, or a path as for a folder."""


def _takes_null(field: FieldInfo) -> bool:
    return field.default is not None and type(None) in get_args(field.annotation)


LogLevel = Literal["debug", "info", "warn", "error"]


class Section(BaseModel):
    """A mapping in the file: camelCase keys, nothing unknown, immutable once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, values: Any) -> Any:
        """A key with nothing after it says nothing, except where null has a meaning of its own."""
        if not isinstance(values, dict):
            return {} if values is None else values
        fields = {field.alias: field for field in cls.model_fields.values()}
        return {
            key: value
            for key, value in values.items()
            if value is not None or key not in fields or _takes_null(fields[key])
        }
