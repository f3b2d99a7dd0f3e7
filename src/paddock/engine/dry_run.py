"""Asking the engine itself what a load would take, before a byte of weights is read.

With `--fit on` llama.cpp makes the model and its context without memory, prints what each device
would hold, and changes what nobody asked for until it fits. Then it begins to load: there it is
ended. That takes some tenths of a second, whatever the size of the model.

What its tables do not hold: the output buffer, the projector, and what is pinned for the loading.
Its numbers are whole MiB, cut off.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from paddock.engine.buffers import HOST, Parts, host_or
from paddock.engine.engine import Launch
from paddock.engine.engines import Engines
from paddock.engine.failure import classify
from paddock.engine.llama_cpp import LlamaCppEngine
from paddock.engine.load_key import Load, key
from paddock.engine.process import Process
from paddock.engine.remembered import Remembered
from paddock.errors import EngineMissing, FailureKind, InstanceFailed
from paddock.library.model import Model

SECONDS: Final = 10.0
MOST_BYTES: Final = 4 << 20
FILE: Final = "dry-runs.json"
FIT: Final = ("--fit", "on", "--log-verbosity", "4")
FREE_STEP: Final = 64 << 20
"""Bytes by which what is free must change before the engine is asked again."""

_MIB: Final = 1 << 20
_TABLE: Final = re.compile(r"memory breakdown \[MiB\]")
_ROW: Final = re.compile(
    r"\|\s+- (?P<name>\w{1,64})(?: \(.*\))?\s+\|.*?"
    r"(?P<self>\d+) =\s+(?P<weights>\d+) \+\s+(?P<kv>\d+) \+\s+(?P<compute>\d+)"
)
_LAYERS: Final = re.compile(
    r"- (?P<name>\w{1,64}) \(.*\):\s+(?P<layers>\d+) layers"
    r"(?: \(\s*(?P<over>\d+) overflowing\))?,\s+(?P<used>\d+) MiB used"
)
_CONTEXT: Final = re.compile(r"context size reduced from \d+ to (\d+)")
_UNCHANGED: Final = "no changes needed"
_FAILED: Final = re.compile(r"failed to fit params to free device memory: (.*)")
_ENDED: Final = "fitting params to free memory took"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What an engine says a load would take. Bytes, of whole MiB."""

    wanted: Mapping[str, Parts]
    """With the flags as they are, by device; `CPU` is the machine's own memory."""
    chosen: Mapping[str, Parts]
    """After the engine has changed what nobody asked for; the same where it changes nothing."""
    fits: bool
    """Every device keeps the margin free, as wanted or as chosen."""
    context: int = 0
    """What the engine makes of the whole context; 0: nothing else than it was."""
    layers: Mapping[str, int] = field(default_factory=dict)
    """By device, where the engine chose; empty: as the flags say."""
    overflowing: Mapping[str, int] = field(default_factory=dict)
    """Of those layers, the ones that leave a part in the machine's own memory."""
    why: str = ""
    """The engine's word where it could not make it fit."""


class DryRuns:
    """Asks engines, one question at a time, and remembers the answers. Loop thread only."""

    def __init__(self, engines: Engines, cache: Path) -> None:
        """`cache` is a folder for what was answered."""
        self._engines = engines
        self._kept = Remembered(cache / FILE)
        self._asking = asyncio.Lock()

    async def of(self, model: Model, *flags: str) -> DryRun:
        """What `model` would take when it were started now, with these flags behind its own.

        Raises EngineMissing for an engine that cannot tell, ArgumentRefused like `Engine.launch`,
        InstanceFailed when the model cannot be loaded at all. Cancelling ends the question.
        """
        engine = self._engines.choose(model)
        if not isinstance(engine, LlamaCppEngine):
            raise EngineMissing(
                f"what {model.id} takes cannot be asked: it is a command of the owner's",
                hint="load it: what it tells then is remembered",
            )
        launch = await engine.launch(model, port=0, key=secrets.token_urlsafe(24))
        argv = (*launch.argv, *flags)
        async with self._asking:
            known = await self._key(engine, model, launch, argv)
            told = await asyncio.to_thread(self._kept.get, known)
            if (before := read(told)) is not None:
                return before
            found = await self._ask(model, launch, argv)
            await asyncio.to_thread(self._kept.put, known, kept(found))
        return found

    async def _key(
        self, engine: LlamaCppEngine, model: Model, launch: Launch, argv: tuple[str, ...]
    ) -> str:
        """What is free is part of it where the engine decides by it."""
        fixed = says_all(argv)
        devices = await engine.devices(fresh=not fixed)
        totals = [(one.name, one.description, one.total) for one in devices]
        free = [] if fixed else [one.free // FREE_STEP for one in devices]
        return await asyncio.to_thread(key, Load.of(model, launch, argv), "dry run", totals, free)

    async def _ask(self, model: Model, launch: Launch, argv: tuple[str, ...]) -> DryRun:
        found = await _run(model, launch, (*argv, *FIT))
        if off(argv):
            return replace(found, chosen=found.wanted, context=0, layers={}, overflowing={})
        if found.context and not found.layers:
            # Only the length was changed, and the table for that length was never printed.
            again = (*argv, "--ctx-size", str(found.context), *FIT)
            return replace(found, chosen=(await _run(model, launch, again)).wanted)
        return found


def says_all(argv: Sequence[str]) -> bool:
    """Whether the flags leave the engine nothing to choose by what is free."""
    words = set(argv)
    layers = words & {"-ngl", "--gpu-layers", "--n-gpu-layers"}
    split = words & {"-ts", "--tensor-split"}
    alone = "none" in argv and words & {"-sm", "--split-mode", "-dev", "--device"}
    return bool(layers and (split or alone) and (off(argv) or words & {"-c", "--ctx-size"}))


def off(argv: Sequence[str]) -> bool:
    """Whether the flags take the choice from the engine altogether."""
    said = [value for name, value in pairwise(argv) if name in {"-fit", "--fit"}]
    return said[-1:] == ["off"]


async def _run(model: Model, launch: Launch, argv: Sequence[str]) -> DryRun:
    """One question. Raises InstanceFailed."""
    heard = _Heard()
    try:
        process = Process.spawn(
            argv, launch.env, stdout=heard.hear, stderr=heard.hear, holds_stdin=launch.holds_stdin
        )
    except OSError as error:
        raise _failed(model, f"the engine cannot be asked: {error.strerror}", heard) from error
    process.release()
    waiting: set[asyncio.Future[Any]] = {process.ended, heard.enough}
    try:
        await asyncio.wait(waiting, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        timely = any(one.done() for one in waiting)
    finally:
        if not process.ended.done():
            await process.end(grace=0)
    found = parse(heard.lines)
    if found is not None and timely:
        return found
    if not timely:
        raise _failed(model, f"the engine did not tell what it takes in {SECONDS:.0f} s", heard)
    if heard.enough.done() or process.ended.result() == 0:
        raise _failed(model, "the engine does not tell what a load takes", heard)
    death = classify(process.ended.result(), heard.lines)
    raise InstanceFailed(
        model.id, death.kind, death.message, hint=death.hint, output=tuple(heard.lines[-50:])
    )


def _failed(model: Model, message: str, heard: _Heard) -> InstanceFailed:
    hint = "load the model: what it takes then is remembered"
    lines = tuple(heard.lines[-50:])
    return InstanceFailed(model.id, FailureKind.EXITED, message, hint=hint, output=lines)


class _Heard:
    """What the engine prints, until it has told enough."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._left = MOST_BYTES
        self._tables = False

    def hear(self, data: bytes) -> None:
        """Take some of its output."""
        data = data[: self._left]
        self._left -= len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace"))

    def _take(self, line: str) -> None:
        self.lines.append(line)
        self._tables = self._tables or _TABLE.search(line) is not None
        # Without a table it will say what is wrong when it really tries.
        if _ENDED in line and self._tables and not self.enough.done():
            self.enough.set_result(None)


def parse(lines: Iterable[str]) -> DryRun | None:
    """What these lines of an engine's say; None when they hold no table. Pure."""
    tables: list[dict[str, Parts]] = []
    used: dict[str, int] = {}
    layers: dict[str, int] = {}
    overflowing: dict[str, int] = {}
    context, unchanged, why = 0, False, ""
    for line in lines:
        if _ENDED in line:
            break
        if _TABLE.search(line):
            tables.append({})
        elif tables and (row := _ROW.search(line)):
            _add(tables[-1], row)
        elif chosen := _LAYERS.search(line):
            name = chosen["name"]
            used[name], layers[name] = int(chosen["used"]), int(chosen["layers"])
            overflowing[name] = int(chosen["over"] or 0)
        elif shorter := _CONTEXT.search(line):
            context = int(shorter[1])
        elif failed := _FAILED.search(line):
            why = failed[1].strip()[:300]
        unchanged = unchanged or _UNCHANGED in line
    if not tables or not tables[0]:
        return None
    if unchanged or why:
        return DryRun(tables[0], tables[0], fits=unchanged, why=why)
    table = _chosen(tables, used)
    over = {name: count for name, count in overflowing.items() if count}
    return DryRun(tables[0], table, fits=True, context=context, layers=layers, overflowing=over)


def _add(table: dict[str, Parts], row: re.Match[str]) -> None:
    name = HOST if row["name"] == "Host" else host_or(row["name"])
    weights, kv, compute = (int(row[kind]) * _MIB for kind in ("weights", "kv", "compute"))
    table[name] = table.get(name, Parts()).plus(Parts(weights, kv, compute))


def _chosen(tables: Sequence[dict[str, Parts]], used: Mapping[str, int]) -> dict[str, Parts]:
    """The table of what was chosen: not the last that was tried, but the last that fits."""
    for table in reversed(tables):
        sizes = {name: part.total // _MIB for name, part in table.items()}
        # Three parts, each cut off, may be short of the whole.
        if all(0 <= size - sizes.get(name, 0) <= len(Parts._fields) for name, size in used.items()):
            return table
    return tables[-1]


def kept(found: DryRun) -> dict[str, Any]:
    """As JSON keeps it."""
    return {
        "wanted": {name: list(part) for name, part in found.wanted.items()},
        "chosen": {name: list(part) for name, part in found.chosen.items()},
        "fits": found.fits,
        "context": found.context,
        "layers": dict(found.layers),
        "overflowing": dict(found.overflowing),
        "why": found.why,
    }


def read(told: Any) -> DryRun | None:
    """From what was kept; None for what is not of this kind."""
    try:
        wanted, chosen = (
            {str(name): Parts(*map(int, part)) for name, part in told[kind].items()}
            for kind in ("wanted", "chosen")
        )
        layers, over = (
            {str(name): int(count) for name, count in told[kind].items()}
            for kind in ("layers", "overflowing")
        )
        context, fits, why = int(told["context"]), bool(told["fits"]), str(told["why"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return DryRun(wanted, chosen, fits, context, layers, over, why)
