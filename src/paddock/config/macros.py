"""Macros: `${name}` in models and peers, as llama-swap has them. Pure: values in, values out.

A model's own macros win over the global ones, and a macro may use those defined before it. A text
that is nothing but a reference gets the macro's number or truth value; in a longer text it is
written out. `${MODEL_ID}` is filled here too; `${PORT}` and `${PID}` stay for the launch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.model_entry import Filters, ModelEntry
from paddock.config.nearest import nearest
from paddock.config.peers import Peer

PORT, PID, MODEL_ID = "PORT", "PID", "MODEL_ID"
RESERVED: Final = (PORT, PID, MODEL_ID)
"""Names that have a meaning of their own."""

MAX_NAME = 63

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_COMMENT_LINE = re.compile(r"^[ \t]*#.*(?:\n|\Z)", re.MULTILINE)

_COMMANDS: Final = frozenset({"cmd", "cmdStop"})
_WITH_PORT: Final = frozenset(
    {"cmd", "cmdStop", "proxy", "checkEndpoint", "env", "name", "description", "metadata"}
)
"""Keys of a model in which `${PORT}` may stay."""
_TEXTS: Final = frozenset(
    field.alias
    for section in (ModelEntry, Filters, Peer)
    for field in section.model_fields.values()
    if field.annotation in (str, str | None, list[str], SecretStr | None)
)
"""Keys that hold text, where a number is written out."""

Macros = Mapping[str, Any]
"""Values of macros by name, with nothing but reserved references left in them."""


def expand(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The values of a config file with the macros of models and peers filled in, and all faults.

    Takes values as they were read, of any type: what has the wrong one is left for the schema.
    """
    faults: list[Fault] = []
    ours = _definitions(values.get("macros"), ("macros",))
    everywhere = _resolve(ours, faults)
    expanded = dict(values)
    if isinstance(models := values.get("models"), dict):
        expanded["models"] = {
            id_: _model(id_, entry, ours, everywhere, faults) for id_, entry in models.items()
        }
    if isinstance(peers := values.get("peers"), dict):
        expanded["peers"] = {
            name: _peer(name, entry, everywhere, faults) for name, entry in peers.items()
        }
    return expanded, list({(fault.place, fault.message): fault for fault in faults}.values())


@dataclass(frozen=True, slots=True)
class _Definition:
    value: Any
    place: Place


def _definitions(macros: Any, place: Place) -> dict[str, _Definition]:
    if not isinstance(macros, dict):
        return {}
    return {name: _Definition(value, (*place, name)) for name, value in macros.items()}


def _resolve(definitions: Mapping[str, _Definition], faults: list[Fault]) -> Macros:
    """The values of the macros, each with those before it filled in."""
    resolved: dict[str, Any] = {}
    for name, definition in definitions.items():
        place, value = definition.place, definition.value
        if problem := _name_problem(name):
            faults.append(Fault(place, *problem))
            continue
        if isinstance(value, str):
            faults += (
                _unusable(name, used, definitions, place)
                for used in _references(value, {*resolved, *RESERVED})
            )
            known = dict.fromkeys(_references(value, RESERVED), "") | resolved
            value = _filled(value, known)
        # What is not one value is for the schema to refuse; those who use it are right.
        resolved[name] = value if isinstance(value, str | int | float) else ""
    return resolved


def _name_problem(name: str) -> tuple[str, str] | None:
    if name in RESERVED:
        return f"the name {name} is taken: it has a value of its own", "choose another name"
    if not _NAME.fullmatch(name):
        return "a macro's name is made of letters, digits, `_` and `-`", "choose another name"
    if len(name) > MAX_NAME:
        return f"a macro's name has at most {MAX_NAME} characters", "choose a shorter one"
    return None


def _unusable(name: str, used: str, definitions: Mapping[str, _Definition], place: Place) -> Fault:
    """Why the macro `name` cannot use the macro `used`."""
    if used == name:
        return Fault(place, "refers to itself", f"take `${{{used}}}` out")
    if used in definitions:
        message = f"`${{{used}}}` is defined after it, and a macro can use only those before it"
        return Fault(place, message, f"move `{used}` up", reads=(definitions[used].place,))
    return _unknown(place, used, definitions)


def _unknown(place: Place, name: str, known: Iterable[str]) -> Fault:
    if near := nearest(name, (*known, *RESERVED)):
        meant = f"did you mean `${{{near}}}`?"
    elif name.isupper():
        meant = f"an environment variable is written `${{env.{name}}}`"
    else:
        meant = f"define `{name}` under `macros`"
    return Fault(place, f"no macro is named `{name}`", meant, reads=(("macros",),))


def _model(
    id_: str,
    entry: Any,
    ours: Mapping[str, _Definition],
    everywhere: Macros,
    faults: list[Fault],
) -> Any:
    if not isinstance(entry, dict):
        return entry
    place = ("models", id_)
    own = _definitions(entry.get("macros"), (*place, "macros"))
    macros = _resolve({**ours, **own}, faults) if own else everywhere
    filler = _Filler(macros, {MODEL_ID: id_}, faults)
    expanded = {}
    for key, value in entry.items():
        filler.staying = _staying(key)
        given = _without_comments(value) if key in _COMMANDS else value
        expanded[key] = value if key == "macros" else filler.section(given, (*place, key))
    return expanded


def _peer(name: str, entry: Any, macros: Macros, faults: list[Fault]) -> Any:
    if not isinstance(entry, dict):
        return entry
    filler = _Filler(macros, {}, faults)
    return {key: filler.section(value, ("peers", name, key)) for key, value in entry.items()}


def _staying(key: str) -> frozenset[str]:
    """The references that stay in a model's `key` until it is launched."""
    port = frozenset({PORT} if key in _WITH_PORT else ())
    return port | {PID} if key == "cmdStop" else port


def _without_comments(command: Any) -> Any:
    return _COMMENT_LINE.sub("", command) if isinstance(command, str) else command


class _Filler:
    """Fills macros into the values of one model or peer."""

    def __init__(self, macros: Macros, identity: Macros, faults: list[Fault]) -> None:
        self.staying: frozenset[str] = frozenset()
        self._macros = macros
        self._identity = identity
        self._faults = faults

    def section(self, value: Any, place: Place) -> Any:
        """The value of a key of the schema, which is text, or may be any value."""
        if place[-1] == "filters" and isinstance(value, dict):
            return {key: self.section(below, (*place, key)) for key, below in value.items()}
        if place[-1] == "setParamsByID" and isinstance(value, dict):
            value = self._with_keys(value, place)
        return self._value(value, place, as_text=place[-1] in _TEXTS)

    def _with_keys(self, values: dict[str, Any], place: Place) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        for key, value in values.items():
            name = str(self._text(key, (*place, key), as_text=True))
            if name in filled:
                message = f"becomes `{name}`, which is there already"
                self._faults.append(Fault((*place, key), message, "remove one of them"))
            filled[name] = value
        return filled

    def _value(self, value: Any, place: Place, *, as_text: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, place, as_text=as_text)
        if isinstance(value, list):
            return [
                self._value(item, (*place, index), as_text=as_text)
                for index, item in enumerate(value)
            ]
        if isinstance(value, dict):
            return {
                key: self._value(below, (*place, key), as_text=as_text)
                for key, below in value.items()
            }
        return value

    def _text(self, text: str, place: Place, *, as_text: bool) -> Any:
        if "${" not in text:
            return text
        value = _filled(text, self._macros)
        if not isinstance(value, str):
            return _written(value) if as_text else value
        value = _filled(value, self._identity)
        self._faults += (self._fault(name, place) for name in _references(value, self.staying))
        return value

    def _fault(self, name: str, place: Place) -> Fault:
        if name == PORT:
            where = ", ".join(sorted(_WITH_PORT)) if place[0] == "models" else "models"
            return Fault(place, "`${PORT}` has no value here", f"only in: {where}")
        if name == PID:
            return Fault(place, "`${PID}` has no value here", "only in: cmdStop")
        if name == MODEL_ID:
            return Fault(place, "`${MODEL_ID}` has no value here", "only in: models")
        return _unknown(place, name, self._macros)


def _references(text: str, but: Iterable[str]) -> list[str]:
    """The names that `text` refers to, each once, without those of `but`."""
    return [name for name in dict.fromkeys(_REFERENCE.findall(text)) if name not in but]


def _filled(text: str, macros: Macros) -> Any:
    """`text` with the macros in it; a number or truth value where it is nothing but a reference."""
    if (whole := _REFERENCE.fullmatch(text)) and whole[1] in macros:
        return macros[whole[1]]
    return _REFERENCE.sub(
        lambda found: _written(macros[found[1]]) if found[1] in macros else found[0], text
    )


def _written(value: Any) -> str:
    """A scalar as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
