"""Which version of a model to start, when its requests ask for it loaded in different ways. Pure.

What runs or is waited for already is kept where it does. Those who wait only ever ask for more
together: a start that one of them needs is not undone for another, however their wishes alternate.
Where two of them contradict each other, the first has it, and the other is served like that.
"""

from __future__ import annotations

from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.variant import base, joined, renewed, serves, variant, widened
from paddock.scheduler.state import State


def wanted(state: State, model: Model, asked: LoadOptions) -> tuple[Model, LoadOptions]:
    """The version of `model` for a request and all who wait for it, and what they ask together."""
    default = state.limits.context_length
    line, resident = state.queue.lines.get(model.id), state.loaded(model.id)
    waiting = line.asked if line else NOT_SAID
    for known in (resident, line):
        if known is None or base(known.model) != base(model):
            continue
        if serves(known.model, model, asked, default):
            beyond = known.model.options if known.model.origin else NOT_SAID
            return renewed(known.model, model), joined(waiting, beyond)
        together = joined(waiting, widened(asked, known.model, default))
        return variant(model, together), together
    together = joined(waiting, asked)
    return variant(model, together), together
