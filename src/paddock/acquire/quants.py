"""How good quantizations are: bits, loss and words for each, and what follows for others.

Loss is the Kullback-Leibler divergence from the unquantized model, as llama.cpp publishes it for an
8B model (perplexity README; with importance matrices where it tells both). Bits are per weight of
the whole file (quantize README). Names that are not in the table are placed by their relatives, or
by their bits.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import exp, log, sqrt
from typing import Final, NamedTuple


class Quality(NamedTuple):
    """What to expect of a quantization."""

    bits: float
    """Per weight, of the whole file."""
    loss: float
    """Kullback-Leibler divergence of an 8B model: less is better."""
    words: str


class _Entry(NamedTuple):
    names: tuple[str, ...]
    bits: float
    loss: float
    words: str


_CLOSE: Final = "clearly weaker, only to fit"
_LAST: Final = "last resort, for very big models"
_TRIAL: Final = "an experiment, for giants only"
_OLD4: Final = "old; for models trained for it"
_TRAINED: Final = "right for models trained in it"
_TERNARY: Final = "for models of two or three values"

_ENTRIES: Final = (
    _Entry(("F32",), 32.0, 0.0005, "more than the original; only to convert"),
    _Entry(("BF16", "F16"), 16.0, 0.0006, "the original; only to convert"),
    _Entry(("Q8_0",), 8.5, 0.0014, "best: as good as the original"),
    _Entry(("Q6_K",), 6.56, 0.0055, "no difference you will notice"),
    _Entry(("Q5_K_M",), 5.70, 0.0108, "very close"),
    _Entry(("Q5_K_S",), 5.57, 0.0166, "close"),
    _Entry(("Q5_1",), 6.0, 0.018, "old; take Q5_K"),
    _Entry(("Q5_0",), 5.6, 0.022, "old; take Q5_K"),
    _Entry(("Q4_K_M",), 4.89, 0.0282, "the usual choice"),
    _Entry(("Q4_K_S",), 4.67, 0.0320, "a little smaller, nearly as good"),
    _Entry(("IQ4_NL",), 4.68, 0.0357, "best below Q4_K_S"),
    _Entry(("IQ4_XS",), 4.46, 0.0363, "best below Q4_K_S"),
    _Entry(("MXFP4", "MXFP4_MOE"), 4.3, 0.05, _TRAINED),
    _Entry(("NVFP4",), 4.6, 0.05, _TRAINED),
    _Entry(("Q4_1",), 5.1, 0.072, _OLD4),
    _Entry(("Q4_0",), 4.64, 0.072, _OLD4),
    _Entry(("Q3_K_L",), 4.30, 0.073, _CLOSE),
    _Entry(("Q3_K_M",), 4.00, 0.084, _CLOSE),
    _Entry(("IQ3_M",), 3.76, 0.103, _CLOSE),
    _Entry(("IQ3_S",), 3.66, 0.111, _CLOSE),
    _Entry(("IQ3_XS",), 3.50, 0.139, _CLOSE),
    _Entry(("IQ3_XXS",), 3.25, 0.184, _CLOSE),
    _Entry(("Q3_K_S",), 3.64, 0.200, _CLOSE),
    _Entry(("IQ2_M",), 2.93, 0.326, _LAST),
    _Entry(("Q2_K",), 3.16, 0.332, _LAST),
    _Entry(("Q2_K_S",), 2.97, 0.40, _LAST),
    _Entry(("IQ2_S",), 2.74, 0.439, _LAST),
    _Entry(("IQ2_XS",), 2.59, 0.546, _LAST),
    _Entry(("IQ2_XXS",), 2.38, 0.812, _LAST),
    _Entry(("IQ1_M",), 2.15, 1.39, _TRIAL),
    _Entry(("IQ1_S",), 2.00, 2.21, _TRIAL),
    _Entry(("Q2_0",), 2.25, 1.4, _TERNARY),
    _Entry(("TQ2_0",), 2.06, 1.5, _TERNARY),
    _Entry(("TQ1_0",), 1.69, 2.6, _TERNARY),
    _Entry(("Q1_0",), 1.13, 3.5, _TERNARY),
)

TABLE: Final = {
    name: Quality(one.bits, one.loss, one.words) for one in _ENTRIES for name in one.names
}
"""By name, from the best to the worst."""

USUAL: Final = "Q4_K_M"
"""What is taken where nothing else tells."""

_SPELLED_OUT: Final = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q8_K": "Q8_0"}
_LADDER: Final = (
    *("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS"),
    *("IQ3_M", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XXS", "IQ1_M", "IQ1_S"),
)
"""What a file of unknown making is compared with: the best of their size."""
_LARGER: Final = re.compile(r"_(?:L|XL|XXL)$")
_LOW_I_QUANT: Final = re.compile(r"(?:UD-)?IQ[123]")
_LOW_BITS: Final = 3.2
_SMALL: Final = 14.9e9
"""Parameters up to which a model has nothing to spare for few bits."""
_SMALL_LOSES: Final = 1.5
_STEP: Final = 1.35
"""What one step on the ladder costs, about."""


def spelled_out(quant: str) -> str:
    """The full name of a short one: `Q4_K` is `Q4_K_M`."""
    recipe = "UD-" if quant.startswith("UD-") else ""
    plain = quant.removeprefix(recipe)
    return recipe + _SPELLED_OUT.get(plain, plain)


@lru_cache(maxsize=1024)
def quality(quant: str, bits: float = 0.0) -> Quality:
    """What to expect of a quantization, by its usual spelling.

    `bits`: per weight of the very file, 0 when not known; they place a name that nothing tells of,
    and such a name has no words.
    """
    plain = spelled_out(quant.removeprefix("UD-"))
    if plain in TABLE:
        known = TABLE[plain]
        return known._replace(loss=_half_step_up(known)) if quant.startswith("UD-") else known
    return _larger(plain) or _by_bits(bits)


def expected_loss(
    quant: str, *, bits: float = 0.0, parameters: int = 0, slow_low_bits: bool = False
) -> float:
    """The loss to rank by: small models have nothing to spare for few bits.

    `slow_low_bits`: i-quants below four bits are slow on this machine, so they rank a step lower.
    """
    told = quality(quant, bits)
    loss = told.loss
    if 0 < (bits or told.bits) < _LOW_BITS and 0 < parameters <= _SMALL:
        loss *= _SMALL_LOSES
    if slow_low_bits and _LOW_I_QUANT.match(quant):
        loss *= _STEP
    return loss


def _larger(plain: str) -> Quality | None:
    """`Q4_K_L`, `Q3_K_XL`, `Q6_K_L`: the plain one with its ends kept at eight bits."""
    stem = _LARGER.sub("", plain)
    if stem == plain:
        return None
    for name in (f"{stem}_L", spelled_out(stem)):
        if known := TABLE.get(name):
            return known._replace(loss=_half_step_up(known))
    return None


def _half_step_up(own: Quality) -> float:
    """The loss halfway between that of a quantization and the next better one."""
    better = max(
        (one.loss for one in TABLE.values() if one.loss < own.loss * 0.9), default=own.loss
    )
    return sqrt(own.loss * better)


def _by_bits(bits: float) -> Quality:
    """Halfway, in proportion, between the ladder's neighbours."""
    if bits <= 0:
        return Quality(0.0, TABLE["Q3_K_M"].loss, "")
    steps = sorted(TABLE[name][:2] for name in _LADDER)
    low = max((step for step in steps if step[0] <= bits), default=steps[0])
    high = min((step for step in steps if step[0] >= bits), default=steps[-1])
    part = (bits - low[0]) / (high[0] - low[0]) if high[0] > low[0] else 0.0
    return Quality(bits, exp(log(low[1]) * (1 - part) + log(high[1]) * part), "")
