"""From plain values to the configuration, with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paddock.config.checks import check
from paddock.config.document import Place
from paddock.config.faults import Fault, from_validation
from paddock.config.schema import Config

_ROUNDS = 16
"""More than there are levels: what is wrong is taken out from the inside to the outside."""


def validate(
    values: dict[str, Any], places: Mapping[str, Path], known: list[Fault]
) -> tuple[Config | None, list[Fault]]:
    """The config as far as it is right, and all faults, the `known` ones first.

    `places` are the folders that relative paths (`folder`) and `~` (`home`) start at. What is wrong
    is taken out of `values` and the rest looked at again, so that the checks across keys speak in
    the same run.
    """
    faults, refused = list(known), list(known)
    for _ in range(_ROUNDS):
        for fault in refused:
            _remove(values, fault.place)
        try:
            config = _parse(values, places)
        except ValidationError as error:
            refused = from_validation(error)
            faults += _without(refused, faults)
        else:
            return config, [*faults, *_without(check(config), faults)]
    return None, faults


def _without(faults: Iterable[Fault], known: Iterable[Fault]) -> list[Fault]:
    """The faults that do not rest on what is known to be wrong."""
    refused = [fault.place for fault in known]
    return [fault for fault in faults if not _rests_on(fault, refused)]


def _parse(values: dict[str, Any], places: Mapping[str, Path]) -> Config:
    return Config.model_validate(values, context=dict(places), by_alias=True, by_name=False)


def _remove(values: dict[Any, Any], place: Place) -> None:
    """Take out what is at `place`; for a list item the whole list, so that no other item moves.

    Where nothing is, something is missing: then what it is missing in has to go.
    """
    parent = values
    for step in place[:-1]:
        if not isinstance(parent.get(step), dict):
            parent.pop(step, None)
            return
        parent = parent[step]
    if place[-1] in parent:
        parent.pop(place[-1])
    elif place[:-1]:
        _remove(values, place[:-1])


def _rests_on(fault: Fault, refused: Iterable[Place]) -> bool:
    reads = (fault.place, *fault.reads)
    return any(is_inside(read, bad) or is_inside(bad, read) for bad in refused for read in reads)


def is_inside(place: Place, outer: Place) -> bool:
    """Whether `place` is `outer` or below it."""
    return place[: len(outer)] == outer
