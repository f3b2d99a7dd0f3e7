"""Versions of a model that requests ask for: the same files, loaded in another way. Pure.

A request may say how its model is loaded (`num_ctx`, `num_gpu`, …). What runs already serves it
when it has at least the context asked for and differs in nothing else that was asked for: so most
requests change nothing, and clients that ask for less than what runs never cause a load.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Final

from paddock.errors import InvalidRequest
from paddock.library.model import NOT_SAID, LoadOptions, Model

SMALLEST_CONTEXT: Final = 4
LARGEST_CONTEXT: Final = 1 << 24
"""Tokens; where a header tells how many a model was trained for, that is the limit."""

_AUTOMATIC: Final = {"context": 0, "batch": 0, "threads": 0}
"""Values that leave it to the engine."""
_LIMITS: Final = {
    "context": ("num_ctx", 1, LARGEST_CONTEXT),
    "gpu_layers": ("num_gpu", 0, 1 << 16),
    "batch": ("num_batch", 1, 1 << 20),
    "threads": ("num_thread", 1, 1 << 12),
    "main_gpu": ("main_gpu", 0, 127),
}
"""What is sense in a request: a child that is given more hangs, or ends in no way that tells why.
127: llama.cpp knows 128 devices."""


def checked(asked: LoadOptions) -> LoadOptions:
    """What a request asked for, without what leaves the choice to the engine.

    Raises InvalidRequest for values that no engine could load with.
    """
    if asked is NOT_SAID or asked == NOT_SAID:
        return NOT_SAID
    told = asked._asdict()
    for field, (name, least, most) in _LIMITS.items():
        value = told[field]
        if value is None:
            continue
        if value == _AUTOMATIC.get(field) or (field == "gpu_layers" and value < 0):
            told[field] = None
        elif not least <= value <= most:
            raise _refused(name, value, least, most)
    if told["context"] is not None:
        told["context"] = max(told["context"], SMALLEST_CONTEXT)
    return LoadOptions(**told)


def possible(options: LoadOptions) -> LoadOptions:
    """PARAMETERs of a model, whose file is anybody's, without those no engine could load with."""
    told = options._asdict()
    for field, (_, least, most) in _LIMITS.items():
        if told[field] is not None and not least <= told[field] <= most:
            told[field] = None
    return LoadOptions(**told)


def _refused(name: str, value: int, least: int, most: int) -> InvalidRequest:
    shown = str(value) if abs(value) < 1 << 64 else "a number of more than 64 bits"
    nearest = least if value < least else most
    return InvalidRequest(
        f"{name} is {shown}: it must be from {least} to {most}",
        param=name,
        hint=f"the nearest that is possible is {nearest}",
    )


def base(model: Model) -> str:
    """The fingerprint of what `model` is a version of: its own, unless a request asked for it."""
    return model.origin or model.fingerprint


def context_of(model: Model, default: int) -> int:
    """Tokens that one request may use; never more than the model was trained for. 0 = unknown.

    What counts is, in this order, what a request asked for, the owner's entry, the model's own
    PARAMETER, and `default`: what the owner says of all models.
    """
    options, own = model.options, model.settings.context_length
    asked = default if options.context is None else options.context
    if own is not None and (not model.origin or options.context is None):
        asked = own
    trained = model.header.context_length
    return min(asked, trained) if asked and trained else asked or trained


def serves(running: Model, model: Model, asked: LoadOptions, default: int) -> bool:
    """Whether what runs as `running` is `model`, loaded in a way that suits who asks for `asked`.

    `default` as for `context_of`.
    """
    if base(running) != base(model):
        return False
    if asked is NOT_SAID or model.path is None:
        return True
    return _has_context(running, asked, default) and all(
        wish is None or _is(running.options, field, wish)
        for field, wish in zip(LoadOptions._fields, asked, strict=True)
        if field != "context"
    )


def _has_context(running: Model, asked: LoadOptions, default: int) -> bool:
    trained = running.header.context_length
    wanted = asked.context or 0
    there = context_of(running, default)
    return not there or (min(wanted, trained) if trained else wanted) <= there


def _is(options: LoadOptions, field: str, wish: int) -> bool:
    own = getattr(options, field)
    # An engine that was told nothing maps the file.
    return bool((own is None or own) == wish if field == "mmap" else own == wish)


def variant(model: Model, asked: LoadOptions) -> Model:
    """`model` as `asked` for it: a version of its own, or itself when that changes nothing.

    What `asked` does not mention stays as it is. A model that is a command has no versions.
    """
    if asked is NOT_SAID or model.path is None:
        return model
    in_force = _in_force(model)
    options = joined(asked, in_force)
    trained = model.header.context_length
    if asked.context is not None:
        context = min(asked.context, trained) if trained else asked.context
        options = options._replace(context=context)
    if options == in_force:
        return model
    told = repr((base(model), options)).encode()
    fingerprint = blake2b(told, digest_size=16).hexdigest()
    return replace(model, options=options, origin=base(model), fingerprint=fingerprint)


def _in_force(model: Model) -> LoadOptions:
    """Its options, without a PARAMETER that the owner's entry outdoes."""
    if model.settings.context_length is not None and not model.origin:
        return model.options._replace(context=None)
    return model.options


def renewed(running: Model, model: Model) -> Model:
    """`model`, which is the same but for its settings, as the version of it that `running` is."""
    if not running.origin:
        return model
    return replace(
        model, options=running.options, origin=running.origin, fingerprint=running.fingerprint
    )


def widened(asked: LoadOptions, running: Model, default: int) -> LoadOptions:
    """`asked`, and what `running` has beyond that: what replaces it has at least its context."""
    both = joined(asked, _in_force(running))
    if asked.context is not None:
        both = both._replace(context=max(asked.context, context_of(running, default)))
    return both


def joined(first: LoadOptions, then: LoadOptions) -> LoadOptions:
    """What two ask for: of contexts the larger, of all else what `first` says, then `then`."""
    if then is NOT_SAID:
        return first
    said = {field: value for field, value in first._asdict().items() if value is not None}
    contexts = [one.context for one in (first, then) if one.context is not None]
    return then._replace(**said)._replace(context=max(contexts, default=None))
