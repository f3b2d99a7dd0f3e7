"""What is wanted of a model: by who asks, by its own settings, and by the owner's flags. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.config.schema import Config
from paddock.engine.arguments import takes_whole_inputs
from paddock.library.model import Model
from paddock.library.variant import context_of
from paddock.memory.ledger import Measured
from paddock.memory.placement import LEAST, Fixed, Own
from paddock.memory.shape import Shape
from paddock.memory.terms import CACHE_TYPES, Terms

if TYPE_CHECKING:
    from paddock.engine.owner_flags import OwnerFlags


class Wish(NamedTuple):
    """What somebody asks for beside what the model and the owner say; None: nothing."""

    context: int | None = None
    slots: int | None = None
    cache: str | None = None
    """Of keys and of values."""


NO_WISH: Final = Wish()


def allowed(measured: Measured, flags: OwnerFlags) -> Measured:
    """Of the devices, those that the owner's flags allow, in his order: a split goes by it."""
    devices = measured.devices
    if flags.devices is not None:
        by_name = {one.name.casefold(): one for one in devices}
        wanted = (by_name.get(name.casefold()) for name in flags.devices)
        devices = tuple(one for one in wanted if one is not None)
    if flags.split_mode == "none":
        first = min(flags.main_gpu or 0, max(0, len(devices) - 1))
        devices = devices[first : first + 1]
    return replace(measured, devices=devices)


def own_place(flags: OwnerFlags) -> Own:
    """Where the owner himself puts it, as far as he says."""
    layers = 0 if flags.devices == () else flags.gpu_layers
    return Own(layers, flags.split, flags.cpu_experts, single=flags.split_mode == "none")


def terms_of(
    model: Model, config: Config, flags: OwnerFlags, wish: Wish, shape: Shape
) -> tuple[Terms, Fixed]:
    """What is wanted of the model, and what of that is not to be made smaller."""
    said = wish.slots or flags.slots or model.settings.parallel
    slots = said or config.parallel
    unified = bool(flags.unified)
    context = wish.context or _context(flags, slots, unified=unified, shape=shape)
    fixes = model.options.context is not None or model.settings.context_length is not None
    wanted = context or context_of(model, config.context_length) or LEAST
    embeds = takes_whole_inputs(model)
    batch = flags.batch or (wanted if embeds else model.options.batch) or 2048
    ubatch = flags.ubatch or (wanted if embeds else model.options.batch) or 512
    terms = Terms(
        wanted,
        slots,
        unified=unified,
        batch=batch,
        ubatch=min(ubatch, batch),
        keys=wish.cache or _cache(flags.keys),
        values=wish.cache or _cache(flags.values),
        flash=flags.flash is not False,
        embedding=embeds or flags.embedding,
        full_window=flags.full_window,
    )
    return terms, Fixed(bool(context) or fixes, bool(said))


def _context(flags: OwnerFlags, slots: int, *, unified: bool, shape: Shape) -> int | None:
    """Tokens of each request by the owner's own flags; None: they do not say."""
    if flags.context is None:
        own = flags.kv_unified_per_slot
        return own * slots if own and unified else own
    total = flags.context or shape.context
    return total if unified else max(1, total // slots)


def _cache(kind: str | None) -> str:
    return kind if kind in CACHE_TYPES else "f16"
