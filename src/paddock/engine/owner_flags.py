"""What the owner's flags say of memory, and what a request does: a plan works around both."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from paddock.config.schema import Config
from paddock.engine.arguments import MOST_TOKENS, asked_for, given_by_owner, slots_in
from paddock.engine.embedded_flags import CACHE_TYPES
from paddock.engine.flags import FlagTable, Given, normal
from paddock.library.model import Model

ALL: Final = 1 << 16
"""More layers than any model has."""

_ON: Final = ("on", "enabled", "true", "1")
_OFF: Final = ("off", "disabled", "false", "0")

ODD: Final[Mapping[str, tuple[str, ...]]] = {
    "--override-tensor": (),
    "--n-cpu-ffn": ("0",),
    "--split-mode": ("none", "layer"),
    "--rpc": (),
    "--fit": _OFF,
    "--no-kv-offload": ("--kv-offload", "-kvo"),
    "--no-op-offload": ("--op-offload",),
    "--no-repack": ("--repack",),
    "--no-host": (),
    "--lazy-mode": ("auto",),
    "--override-kv": (),
    "--lora": (),
    "--lora-scaled": (),
    "--control-vector": (),
    "--control-vector-scaled": (),
    "--mmproj": (),
    "--mmproj-url": (),
    "--mmproj-device": (),
    "--no-mmproj-offload": ("--mmproj-offload",),
    "--image-min-tokens": (),
    "--image-max-tokens": (),
    "--mtmd-batch-max-tokens": (),
    "--model-draft": (),
    "--hf-repo-draft": (),
    "--spec-type": ("none",),
    "--spec-default": (),
    "--backend-sampling": (),
}
"""Flags whose part in the memory no formula knows, and the last words that leave all as it is."""

_PLACING: Final = frozenset({"--override-tensor", "--n-cpu-ffn"})


@dataclass(frozen=True, slots=True)
class OwnerFlags:
    """What is said; None: nothing, or what the engine will refuse.

    A request's wishes for a place are here too, where the owner says nothing.
    """

    context: int | None = None
    """Tokens of all slots together; 0: what the model was trained for."""
    kv_unified_per_slot: int | None = None
    """Tokens of each slot; where `context` is not said, the whole is so much times the slots."""
    slots: int | None = None
    unified: bool | None = None
    """One cache for all slots."""
    batch: int | None = None
    ubatch: int | None = None
    keys: str | None = None
    """The type of the cache's keys, as llama-server names it."""
    values: str | None = None
    flash: bool | None = None
    """Flash attention; None also for `auto`."""
    full_window: bool = False
    """A sliding window's cache is as long as any (`--swa-full`)."""
    embedding: bool = False
    """Vectors are told: of every token, or of a rank."""
    devices: tuple[str, ...] | None = None
    """Empty: none of them."""
    gpu_layers: int | None = None
    """`ALL` for all; None also for `auto`."""
    split: tuple[float, ...] | None = None
    split_mode: str | None = None
    main_gpu: int | None = None
    """A number among all devices, or among `devices`; of weight only where `split_mode` is none."""
    cpu_experts: int | None = None
    """The experts of the first so many layers stay with the processor."""
    cache_ram: int | None = None
    """MiB that the store of finished prompts may grow to; below 0: no limit."""
    checkpoints: int | None = None
    """Earlier states that may be kept for each slot."""
    odd: tuple[str, ...] = ()
    """Flags whose part in it no formula knows: ask the engine."""

    @property
    def places(self) -> bool:
        """Whether the owner, or a request, decides himself where a part of the model goes."""
        told = (self.devices, self.gpu_layers, self.split, self.split_mode, self.main_gpu)
        return any(one is not None for one in (*told, self.cpu_experts)) or bool(
            _PLACING & {*self.odd}
        )


def owner_flags(model: Model, config: Config, table: FlagTable, engine_args: str) -> OwnerFlags:
    """What `command_line` would take from the owner and from a request.

    Raises ArgumentRefused as that does.
    """
    given = given_by_owner(model, config, table, engine_args)
    said = _Said([*asked_for(model, given, table), *given])
    # llama-server chooses the slots then, and makes one cache for all of them.
    automatic = said.number("--parallel", least=-MOST_TOKENS, most=0) is not None
    return OwnerFlags(
        context=said.number("--ctx-size", most=MOST_TOKENS),
        kv_unified_per_slot=said.number("--kv-unified-per-slot", least=1, most=MOST_TOKENS),
        slots=slots_in(given, table) or None,
        unified=True if automatic else said.switch("--kv-unified"),
        batch=said.number("--batch-size", least=1),
        ubatch=said.number("--ubatch-size", least=1),
        keys=said.one_of(CACHE_TYPES, "--cache-type-k"),
        values=said.one_of(CACHE_TYPES, "--cache-type-v"),
        flash={**dict.fromkeys(_ON, True), **dict.fromkeys(_OFF, False)}.get(
            said.value("--flash-attn")
        ),
        full_window=said.has("--swa-full"),
        embedding=said.has("--embedding") or said.has("--reranking"),
        devices=_devices(said.value("--device")),
        gpu_layers=_layers(said.value("--gpu-layers")),
        split=_split(said.value("--tensor-split")),
        split_mode=said.one_of(("none", "layer", "row", "tensor"), "--split-mode"),
        main_gpu=said.number("--main-gpu"),
        cpu_experts=ALL if said.has("--cpu-moe") else said.number("--n-cpu-moe"),
        cache_ram=said.number("--cache-ram", least=-1),
        checkpoints=said.number("--ctx-checkpoints"),
        odd=tuple(name for name, usual in ODD.items() if said.other_than(usual, name)),
    )


class _Said:
    """Flags by any of their names: of two that say the same, the later counts."""

    def __init__(self, given: Sequence[Given]) -> None:
        self._words = {name: theirs.words for theirs in given for name in theirs.flag.names}

    def has(self, name: str) -> bool:
        return name in self._words

    def value(self, name: str) -> str:
        """The value of a flag; empty when it is not said."""
        return self._words.get(name, ("",))[-1] if self.has(name) else ""

    def number(self, name: str, *, least: int = 0, most: int = MOST_TOKENS) -> int | None:
        number = _number(self.value(name))
        return number if number is not None and least <= number <= most else None

    def one_of(self, known: Sequence[str] | Mapping[str, int], name: str) -> str | None:
        value = self.value(name)
        return value if value in known else None

    def switch(self, name: str) -> bool | None:
        """Whether a flag or its twin is said, `--x` or `--no-x`."""
        return (
            not normal(self.value(name)).lstrip("-").startswith("no-") if self.has(name) else None
        )

    def other_than(self, usual: Sequence[str], name: str) -> bool:
        return self.has(name) and normal(self.value(name)) not in usual


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None


def _devices(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    return () if text == "none" else tuple(name for name in text.split(",") if name)


def _layers(text: str) -> int | None:
    """llama.cpp takes any number below -1 for all."""
    number = _number(text)
    if text == "all" or (number is not None and number < -1):
        return ALL
    return number if number is not None and number >= 0 else None


def _split(text: str) -> tuple[float, ...] | None:
    """The parts; of nothing but zeros llama.cpp takes no notice."""
    with suppress(ValueError):
        parts = tuple(float(part) for part in re.split("[,/]", text))
        if all(part >= 0 and math.isfinite(part) for part in parts) and any(parts):
            return parts
    return None
