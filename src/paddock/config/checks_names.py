"""Whether every name leads to one thing: ids, aliases, selectors and peers' models."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.schema import Config

Owners = dict[str, str]
"""From a name in lower case to the id of the model it leads to."""


def owners(config: Config) -> Owners:
    """Where the names of `models` lead. Of two models with one name the first has it."""
    found = {id_.lower(): id_ for id_ in config.models}
    for _, id_, name in _given_names(config):
        found.setdefault(name.lower(), id_)
    return found


def peers_names(config: Config) -> dict[str, Place]:
    """The models that peers are said to have, as `peer/model` and bare, in lower case."""
    names: dict[str, Place] = {}
    for peer_id, peer in config.peers.items():
        for index, model in enumerate(peer.models):
            for name in (f"{peer_id}/{model}", model):
                names.setdefault(name.lower(), ("peers", peer_id, "models", index))
    return names


def _given_names(config: Config) -> Iterator[tuple[Place, str, str]]:
    """Place, model and name of every alias, those that `setParamsByID` makes too."""
    for id_, model in config.models.items():
        for index, alias in enumerate(model.aliases):
            yield ("models", id_, "aliases", index), id_, alias
        for name in model.filters.set_params_by_id:
            yield ("models", id_, "filters", "setParamsByID", name), id_, name


def _ids(config: Config) -> Iterator[Fault]:
    for kind in ("models", "selectors", "peers", "groups", "profiles"):
        for id_ in getattr(config, kind):
            if not id_.strip():
                yield Fault((kind, id_), "a name cannot be empty", "give it one")


def _aliases(config: Config) -> Iterator[Fault]:
    found = owners(config)
    for place, id_, name in _given_names(config):
        if not name.strip():
            yield Fault(place, "an alias cannot be empty", "remove it")
        elif (owner := found[name.lower()]) != id_ and name.lower() != id_.lower():
            message = f"{name!r} is a name of model {owner!r} already"
            yield Fault(place, message, "choose another name")


def _selectors(config: Config) -> Iterator[Fault]:
    models, peers = owners(config), peers_names(config)
    for id_ in config.selectors:
        place = ("selectors", id_)
        if owner := models.get(id_.lower()):
            message = f"{id_!r} is a name of model {owner!r} already"
            yield Fault(place, message, "choose another name")
        elif held := peers.get(id_.lower()):
            message = f"{id_!r} is a model of the peer {held[1]!r} already"
            yield Fault(place, message, "choose another name", reads=(held,))


def _peers_models(config: Config) -> Iterator[Fault]:
    models = owners(config)
    for peer_id, peer in config.peers.items():
        for index, model in enumerate(peer.models):
            place = ("peers", peer_id, "models", index)
            if not model.strip():
                yield Fault(place, "a model's name cannot be empty", "remove it")
            elif owner := models.get(f"{peer_id}/{model}".lower()):
                message = f"'{peer_id}/{model}' is a name of model {owner!r} already"
                suggestion = "rename the peer or the model"
                yield Fault(place, message, suggestion)


CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _ids,
    _aliases,
    _selectors,
    _peers_models,
)
