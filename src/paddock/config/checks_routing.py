"""What is wrong with groups and selectors; the matrix has a file of its own.

A name that no entry has is never an error here: it may be that of a discovered model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from paddock.config.checks_names import Owners, owners, peers_names
from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.routing import Group, Selector
from paddock.config.schema import Config

_ROUTER: Place = ("routing", "router")
_SETTINGS: Place = (*_ROUTER, "settings")


def _one_style(config: Config) -> Iterator[Fault]:
    """Groups and matrix are at the top level or under `routing.router`, and one of them rules."""
    router = config.routing.router
    old = {"groups": bool(config.groups), "matrix": config.matrix is not None}
    settings = router.settings
    new = bool(settings.groups or settings.matrix or "use" in router.model_fields_set)
    for key in (key for key, said in old.items() if said and new):
        message = "cannot be here and under routing.router"
        suggestion = f"move it to routing.router.settings.{key}"
        yield Fault((key,), message, suggestion, reads=(_ROUTER,))
    if all(old.values()) and not new:
        message = "`groups` and `matrix` cannot both rule"
        yield Fault(("matrix",), message, "remove one of them", reads=(("groups",),))
    if router.use == "matrix" and settings.matrix is None:
        message = "the matrix is to rule, but there is none"
        yield Fault((*_ROUTER, "use"), message, "write it as routing.router.settings.matrix")


def _groups(config: Config) -> Iterator[Fault]:
    known = owners(config)
    yield from _group_members(("groups",), config.groups, known)
    settings = config.routing.router.settings
    yield from _group_members((*_SETTINGS, "groups"), settings.groups, known)


def _group_members(place: Place, groups: Mapping[str, Group], known: Owners) -> Iterator[Fault]:
    taken: dict[str, str] = {}
    for name, group in groups.items():
        for index, member in enumerate(group.members):
            holder = taken.setdefault(known.get(member.lower(), member).lower(), name)
            here = (*place, name, "members", index)
            if member in group.members[:index]:
                yield Fault(here, f"{member!r} is a member already", "remove it")
            elif holder != name:
                message = f"{member!r} is in group {holder!r} already"
                yield Fault(here, message, "a model is in one group", reads=((*place, holder),))


def _matrices(config: Config) -> Iterator[Fault]:
    for place, matrix in (
        (("matrix",), config.matrix),
        ((*_SETTINGS, "matrix"), config.routing.router.settings.matrix),
    ):
        if matrix is not None:
            from paddock.config.checks_matrix import faults  # noqa: PLC0415 - few have one

            yield from faults(place, matrix)


def _selectors(config: Config) -> Iterator[Fault]:
    known, theirs = owners(config), peers_names(config)
    chosen = {id_.lower() for id_ in config.selectors}
    for id_, selector in config.selectors.items():
        ours: list[str] = []
        for index, target in enumerate(selector.targets):
            place = ("selectors", id_, "targets", index)
            name = target.lower()
            if name in chosen:
                message = f"{target!r} is a selector too, and one cannot lead to another"
                yield Fault(place, message, "name a model", reads=(("selectors",),))
            elif name in known or name not in theirs:
                ours.append(known.get(name, target).lower())
            elif selector.strategy == "warm":
                message = f"{target!r} is a peer's model, and `warm` knows only our own"
                suggestion = "use `pin` or `spillover`"
                yield Fault(place, message, suggestion, reads=(("selectors", id_, "strategy"),))
        if selector.strategy == "spillover":
            yield from _spillover(id_, selector, ours, config)


def _spillover(id_: str, selector: Selector, ours: list[str], config: Config) -> Iterator[Fault]:
    place: Place = ("selectors", id_, "targets")
    if len(set(ours)) < len(ours):
        yield Fault(place, "leads to one model twice", "name each model once")
    elif len(selector.targets) > 1 and len(ours) > 1 and (why := _apart(ours, config)):
        message = "the models cannot run together, so no request could spill over"
        yield Fault(place, message, why, reads=(("groups",), ("matrix",), _ROUTER))


def _apart(ids: list[str], config: Config) -> str:
    """What to change so that the models may run together; "" when they may."""
    known = owners(config)
    if config.matrix_rules:
        from paddock.config.checks_matrix import fits_a_set  # noqa: PLC0415 - few have one

        fits = fits_a_set(frozenset(ids), config.matrix_rules, known)
        return "" if fits else "join them with `&` in a set of the matrix"
    if config.group_rules:
        homes = [
            group
            for group in config.group_rules.values()
            if set(ids) <= {known.get(member.lower(), member).lower() for member in group.members}
        ]
        fits = any(not group.swap for group in homes)
        return "" if fits else "make them members of one group with `swap: false`"
    room = config.max_loaded_models
    if room is None:  # as many as fit, but a command runs alone
        entries = config.models.items()
        room = 1 if any(entry.cmd for id_, entry in entries if id_.lower() in ids) else len(ids)
    return f"set `maxLoadedModels` to {len(ids)} or more" if room < len(ids) else ""


CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _one_style,
    _groups,
    _matrices,
    _selectors,
)
