"""Models of different names that run as one: same files, loaded in the same way."""

from __future__ import annotations

from collections.abc import Mapping

from paddock.library.model import Model


def running_id(model: Model) -> str:
    """The id under which the scheduler knows the instance of `model`."""
    return model.twin or model.id


def running_model(model: Model, models: Mapping[str, Model]) -> Model:
    """What runs when `model` is asked for: its twin among `models`, a catalog's, or itself."""
    return models.get(model.twin, model) if model.twin else model
