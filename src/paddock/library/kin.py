"""Which models of the library are one model in several quantizations. Pure.

Quantizing changes neither what a model is built of nor what its maker called it. So two are the
same when they are built alike, and their headers name the same model: by name parts where both
have them (converters of the last years write them), else by their names without the quantization.
A fine-tune is another model, though it is built like its base.
"""

from __future__ import annotations

from typing import Final

from paddock.library.header import Header
from paddock.library.model import HeaderSummary, Model
from paddock.library.naming import family

_PARTS: Final = ("general.basename", "general.finetune", "general.version")
_SIZE: Final = "general.size_label"


def is_built_alike(one: HeaderSummary, other: HeaderSummary) -> bool:
    """Whether the layers of both are the same but for their weights' types."""
    return _build(one) == _build(other)


def is_same(one: Model, header: Header, other: Model, others: Header) -> bool:
    """Whether two that are built alike are one model; each with the header of its first file."""
    if header.text(_PARTS[0]) and others.text(_PARTS[0]):
        sizes = {_plain(header.text(_SIZE)), _plain(others.text(_SIZE))} - {""}
        return len(sizes) < 2 and all(
            _plain(header.text(part)) == _plain(others.text(part)) for part in _PARTS
        )
    name, another = family(header.text("general.name")), family(others.text("general.name"))
    if name and another:
        return name == another
    return family_of(one) == family_of(other)


def family_of(model: Model) -> str:
    """What its file's name says that it is, without the quantization; of the store, its own."""
    return family(model.id if model.recipe or model.path is None else model.path.name)


def _build(told: HeaderSummary) -> tuple[object, ...]:
    return (
        told.architecture,
        told.block_count,
        told.embedding_length,
        told.head_counts,
        told.kv_head_counts,
        told.key_length,
        told.value_length,
        told.expert_count,
        told.vocabulary,
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
