"""What a repository offers: each model and quantization, how good it is, and how it fits here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from paddock.acquire.fits import Fit, Memory, Place, Source, context_of, guess
from paddock.acquire.quants import TABLE, USUAL, expected_loss, quality
from paddock.acquire.remote import Repository
from paddock.acquire.weights import Contents, Weights, sort_out
from paddock.library.naming import family
from paddock.units import decimal_bytes, format_bytes

if TYPE_CHECKING:
    from paddock.acquire.prospects import Bare, Base

_NO_DIFFERENCE: Final = 0.003
"""Loss that nobody notices: then the smaller file is the better one."""
_ENOUGH_BITS: Final = 3.5
"""Below that a second GPU does more for a model than fewer bits."""
_NATIVE: Final = {"gpt-oss": "MXFP4"}
"""Architectures whose original is quantized already."""
_MOST_TOLD: Final = 12


class Known(NamedTuple):
    """What is known beyond the hub's own word."""

    bare: Bare
    bases: Mapping[str, Base]
    """Shapes by the family of the models' names."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model in one quantization, as it is offered."""

    weights: Weights
    size: int
    """Bytes of all its files, the projector's too."""
    words: str
    loss: float
    bits: float
    """Per weight: of the very file where the parameters are told, else as is usual; 0: unknown."""
    fit: Fit
    best: bool = False

    @property
    def label(self) -> str:
        """What it is called in a table."""
        return self.weights.label

    def told(self) -> dict[str, Any]:
        """As `GET /api/paddock/quants` has it."""
        return {
            "quant": self.label,
            "model": self.weights.model,
            "files": [file.path for file in self.weights.all_files],
            "size": self.size,
            "bits": round(self.bits, 2),
            "words": self.words,
            "fits": self.fit.words,
            "needs": self.fit.need,
            "place": self.fit.place.name.lower(),
            "context_on_gpus": self.fit.on_gpus,
            "context_most": self.fit.most,
            "layers": self.fit.layers.all,
            "gpu_layers": self.fit.layers.on_gpus,
            "cpu_expert_layers": self.fit.layers.experts_in_ram,
            "source": self.fit.source,
            "best": self.best,
            "warning": self.weights.problem,
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """What a repository holds for this machine."""

    repository: Repository
    contents: Contents
    rows: tuple[Row, ...]
    """The best quality first; those that cannot be used last."""
    note: str
    """Why the best one is it, or why none is."""
    context: int
    """Tokens that `fits` counts with."""

    @property
    def best(self) -> Row | None:
        """The one to take when nobody chooses; None: somebody has to."""
        return next((row for row in self.rows if row.best), None)

    def told(self, name: str) -> dict[str, Any]:
        """As `GET /api/paddock/quants` has it."""
        return {
            "name": name,
            "repository": self.repository.id,
            "commit": self.repository.commit,
            "gated": self.repository.gated,
            "context": self.context,
            "models": list(self.contents.models),
            "note": self.note,
            "rows": [row.told() for row in self.rows],
        }


def offer(
    repository: Repository, memory: Memory, context: int, known: Known | None = None
) -> Offer:
    """What a repository holds for this machine.

    `context`: tokens that the owner configured; 0: as many as the model was trained for. What is
    not `known` is guessed by sizes.
    """
    contents = sort_out(repository.files)
    tokens = context_of(repository.context_length, context)
    described = [
        _row(weights, repository, memory, tokens, known)
        for weights in (*contents.weights, *contents.pieces)
    ]
    rows = sorted(described, key=_by_quality)
    best, note = _best(rows, contents, memory, tokens)
    return Offer(
        repository=repository,
        contents=contents,
        rows=tuple(replace(row, best=row is best) for row in rows),
        note=note,
        context=tokens,
    )


# --- rows ----------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """How good a quantization is."""

    words: str
    loss: float
    bits: float


def judged(quant: str, bits: float, parameters: int, architecture: str, memory: Memory) -> Judged:
    """How good a quantization of a model of so many parameters is here.

    `bits`: per weight of the very file; what no file can have counts as not known, as 0 does.
    """
    bits = bits if 0.5 < bits < 40 else 0.0
    told = quality(quant, bits)
    if quant.startswith(_NATIVE.get(architecture, "\0")):
        return Judged("the original", TABLE["F16"].loss, bits or told.bits)
    loss = expected_loss(
        quant, bits=bits, parameters=parameters, slow_low_bits=memory.slow_low_bits
    )
    return Judged(told.words, loss, bits or told.bits)


def _row(
    weights: Weights, repository: Repository, memory: Memory, tokens: int, known: Known | None
) -> Row:
    parameters = repository.parameters
    bits = weights.size * 8 / parameters if parameters else 0.0
    believed = parameters if 0.5 < bits < 40 else 0  # else they are another file's
    told = judged(weights.quant, bits, parameters, repository.architecture, memory)
    beside = weights.projector.size if weights.projector else 0
    return Row(
        weights=weights,
        size=weights.size + beside,
        words=told.words,
        loss=told.loss,
        bits=told.bits,
        fit=_told_fit(weights, beside, tokens, known)
        or guess(
            weights.size,
            believed,
            memory,
            tokens,
            repository.context_length,
            beside,
        ),
    )


def _told_fit(weights: Weights, beside: int, tokens: int, known: Known | None) -> Fit | None:
    """How it fits by the shape of its model, where that is known."""
    base = known.bases.get(family(weights.model)) if known else None
    if known is None or base is None or not known.bare.known:
        return None
    from paddock.acquire.prospects import prospect, scaled  # noqa: PLC0415 - pulls need no planner

    shape = scaled(base.shape, weights.size / base.size, beside)
    source: Source = "header" if weights.size == base.size else "scaled"
    return prospect(shape, tokens, known.bare, source)


def _by_quality(row: Row) -> tuple[bool, float, int, str]:
    return bool(row.weights.problem), row.loss, -row.size, row.weights.files[0].path


# --- the best ------------------------------------------------------------------------------------


def _best(
    rows: list[Row], contents: Contents, memory: Memory, tokens: int
) -> tuple[Row | None, str]:
    """The row to take when nobody chooses, and why it is; None and why there is none."""
    usable = [row for row in rows if not row.weights.problem]
    if not usable:
        return None, _why_nothing(rows)
    if len(contents.models) > 1:
        return None, f"it holds {len(contents.models)} models: {listed(contents.models)}"
    return best_of(usable, memory, tokens)


def best_of(usable: list[Row], memory: Memory, tokens: int) -> tuple[Row | None, str]:
    """The best of one model's rows for this machine, and why; None and why there is none."""
    if not memory.known:
        usual = _nearest_usual(usable)
        return usual, f"{_called(usual)}: {usual.words or 'the nearest to the usual choice'}"
    row = _fitting(usable)
    if row is None:
        least = min(usable, key=lambda row: row.fit.need)
        return None, (
            f"no quantization fits into the memory of this machine: {least.label}, the smallest, "
            f"needs {format_bytes(least.fit.need)}"
        )
    return row, _why(row, usable, tokens)


def _fitting(rows: list[Row]) -> Row | None:
    """The best that fits: on one GPU, on several, then with less bits, with RAM, in RAM."""
    tests: tuple[Callable[[Row], bool], ...] = (
        lambda row: row.fit.place is Place.ONE_GPU and not _is_low(row),
        lambda row: row.fit.place <= Place.GPUS and not _is_low(row),
        lambda row: row.fit.place is Place.ONE_GPU,
        lambda row: row.fit.place is Place.GPUS,
        # what RAM has to hold is slow, and the slower the more it is
        lambda row: row.fit.place is Place.GPU_AND_RAM and row.loss >= TABLE[USUAL].loss * 0.7,
        lambda row: row.fit.place <= Place.RAM,
    )
    found = ([row for row in rows if test(row)] for test in tests)
    return next((_finest(fitting) for fitting in found if fitting), None)


def _is_low(row: Row) -> bool:
    return 0 < row.bits < _ENOUGH_BITS


def _finest(rows: list[Row]) -> Row:
    """The one of least loss, or a smaller one that nobody can tell from it."""
    least = min(row.loss for row in rows)
    alike = (row for row in rows if row.loss <= least + _NO_DIFFERENCE)
    return min(alike, key=lambda row: (row.size, row.loss, row.weights.files[0].path))


def _nearest_usual(rows: list[Row]) -> Row:
    """Where nothing is known of the memory: the usual choice, or what is nearest to it."""
    usual = TABLE[USUAL].loss
    return min(rows, key=lambda row: (row.weights.quant != USUAL, abs(row.loss - usual), row.size))


def _why(row: Row, usable: list[Row], tokens: int) -> str:
    where = {
        Place.ONE_GPU: "fits on one GPU",
        Place.GPUS: f"fits on {row.fit.gpus} GPUs",
        Place.GPU_AND_RAM: "runs well when RAM has to help the GPUs",
        Place.RAM: "fits into the memory of this machine",
    }[row.fit.place]
    tokens = min(tokens, row.fit.most or tokens)
    context = f"{tokens // 1024}k" if tokens % 1024 == 0 else str(tokens)
    told = f"{_called(row)}: the best that {where} with a context of {context} tokens"
    better = [other for other in usable if other.loss < row.loss - _NO_DIFFERENCE]
    other = max(better, key=lambda one: one.loss, default=None)
    if other is None or other.fit.place <= row.fit.place:
        return told
    if other.fit.place is Place.NOWHERE:
        return f"{told}; {other.label} is too large"
    return f"{told}; {other.label} would need {_needed(other.fit)}"


def _needed(fit: Fit) -> str:
    return {
        Place.GPUS: f"{fit.gpus} GPUs",
        Place.GPU_AND_RAM: "GPU + RAM",
        Place.RAM: "RAM",
    }[fit.place]


def _why_nothing(rows: list[Row]) -> str:
    if not rows:
        return "it holds no GGUF model"
    problems = list(dict.fromkeys(row.weights.problem for row in rows))
    return f"it holds no model that Paddock can use: {listed(problems)}"


def _called(row: Row) -> str:
    return f"{row.label} {decimal_bytes(row.size)}"


def listed(names: Sequence[str]) -> str:
    """The first few of these, for one line."""
    shown = ", ".join(names[:_MOST_TOLD])
    return f"{shown} and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else shown
