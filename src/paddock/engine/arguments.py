"""The command line of an engine for a model: what Paddock wants, where the owner did not speak."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from paddock.config.schema import Config
from paddock.engine.flags import FlagTable, Given, split
from paddock.engine.placed import Placed
from paddock.errors import ArgumentRefused
from paddock.library.model import Model, Trait
from paddock.library.variant import context_of

RESERVED = (
    "--model", "--model-url", "--hf-repo", "--docker-repo", "--host", "--port", "--api-key",
    "--api-key-file", "--api-prefix", "--ssl-key-file", "--ssl-cert-file", "--reuse-port",
    "--models-dir", "--models-preset", "--sleep-idle-seconds", "--version", "--help",
    "--list-devices",
)  # fmt: skip
"""Flags that an owner cannot give: with another value the child is not the one we look after."""

REPLACES = {
    "--kv-unified-per-slot": ("--ctx-size", "--no-kv-unified"),
    "--tensor-split": ("--split-mode", "--main-gpu"),
    "--mlock": ("--no-mmap",),
    "--cpu-moe": ("--n-cpu-moe",),
    "--override-tensor": ("--n-cpu-moe",),
}
"""Flags of the owner that take the place of more than one of ours."""

CONTEXT_FLAGS = frozenset({"-c", "--ctx-size", "--kv-unified-per-slot"})

AUTOMATIC_SLOTS = 4
"""What llama-server makes of `--parallel -1`."""

MOST_TOKENS = 2**31 - 1
"""llama.cpp counts a context in 32 bits."""

Wish = tuple[str, ...]
"""A flag by its long name, and its values."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The flags for one child."""

    words: tuple[str, ...]
    slots: int
    """What the engine works on at once; the scheduler may give less."""


def command_line(
    model: Model,
    config: Config,
    table: FlagTable,
    engine_args: str,
    *,
    port: int,
    placed: Placed | None = None,
) -> CommandLine:
    """Our flags that the program knows, then the owner's in the order engine, default, model.

    A plan says where the model goes and how much it holds. What a request asks for replaces that,
    and a flag of the owner both. Raises ArgumentRefused for a flag the program does not know.
    """
    given = given_by_owner(model, config, table, engine_args)
    said = [*asked_for(model, given, table), *given]
    parallel = slots_in(given, table)
    if placed:
        parallel = parallel or placed.slots
        room = _planned(placed)
    else:
        parallel = parallel or model.settings.parallel or config.parallel
        whole = context_per_request(model, config) if takes_whole_inputs(model) else 0
        room = [*_capacity(model, config, parallel), *_batches(whole)]
    ours = [*_identity(model, port), *room, *_loading(model, table), *_purpose(model)]
    words = [word for wish in ours if _wanted(wish, said, table) for word in wish]
    words += [word for flag in said for word in flag.words]
    return CommandLine(tuple(words), parallel)


def given_by_owner(model: Model, config: Config, table: FlagTable, engine_args: str) -> list[Given]:
    """The owner's flags for a model; of two that say the same, the later counts.

    Raises ArgumentRefused for one that the program does not know, or that is not for the owner.
    """
    given = [
        flag
        for place, text in (
            ("the engine's args", engine_args),
            ("defaultModelArgs", config.default_model_args),
            (f"args of {model.id}", model.settings.args),
        )
        for flag in table.parse(split(text, place=place))
    ]
    _refuse_reserved(given, table)
    return given


def asked_for(model: Model, given: Sequence[Given], table: FlagTable) -> list[Given]:
    """What PARAMETERs or a request say of place and room, where the owner's flags do not."""
    options = model.options
    wishes: list[Wish] = []
    if options.gpu_layers is not None and options.gpu_layers >= 0:
        wishes.append(("--gpu-layers", str(options.gpu_layers)))
    if options.main_gpu is not None:
        wishes += [("--main-gpu", str(options.main_gpu)), ("--split-mode", "none")]
    if options.batch and not takes_whole_inputs(model):
        wishes += _batches(options.batch)
    return [
        Given(flag, wish)
        for wish in wishes
        if _wanted(wish, given, table) and (flag := table.find(wish[0]))
    ]


def context_per_request(model: Model, config: Config) -> int:
    """Tokens that one request may use; never more than the model was trained for. 0 = unknown."""
    return context_of(model, config.context_length)


def fixes_context(model: Model, config: Config) -> bool:
    """Whether the owner's own flags say the context: then no request can have another."""
    name = model.settings.engine or config.engine or next(iter(config.engines), "")
    engine = config.engines.get(name)
    texts = (engine.args if engine else "", config.default_model_args, model.settings.args)
    return any(word.replace("_", "-") in CONTEXT_FLAGS for text in texts for word in text.split())


def _identity(model: Model, port: int) -> list[Wish]:
    return [
        ("--model", str(model.path)),
        ("--host", "127.0.0.1"),
        ("--port", str(port)),
        # A comma would make it two names.
        ("--alias", model.id.replace(",", "_")),
        ("--cors-origins", "localhost"),
        ("--log-colors", "off"),
        ("--log-verbosity", "4"),
    ]


def _capacity(model: Model, config: Config, parallel: int) -> list[Wish]:
    """Every slot has a context of its own, so that one request cannot starve the others."""
    context = context_per_request(model, config)
    if context * parallel > MOST_TOKENS:
        raise ArgumentRefused(
            f"{model.id} would need a context of {context} tokens for each of {parallel} requests",
            hint="lower contextLength or parallel: an engine counts at most 2147483647 tokens",
        )
    total = [("--ctx-size", str(context * parallel))] if context else []
    return [("--parallel", str(parallel)), ("--no-kv-unified",), *total]


def _loading(model: Model, table: FlagTable) -> list[Wish]:
    """How it is loaded, as its PARAMETERs or a request say."""
    options = model.options
    wishes: list[Wish] = []
    if options.threads:
        wishes.append(("--threads", str(options.threads)))
    if options.mmap is False:
        known = table.find("--load-mode")
        wishes.append(("--load-mode", "none") if known else ("--no-mmap",))
    return wishes


def _planned(placed: Placed) -> list[Wish]:
    """The words of a plan, flag by flag."""
    wishes: list[Wish] = []
    for word in placed.words:
        if word.startswith("--"):
            wishes.append((word,))
        else:
            wishes[-1] += (word,)
    return wishes


def _purpose(model: Model) -> list[Wish]:
    wishes: list[Wish] = [("--mmproj", str(model.projector))] if model.projector else []
    if model.adapters:
        wishes.append(("--lora", _together(model)))
    if Trait.RERANK in model.traits:
        wishes.append(("--reranking",))
    elif takes_whole_inputs(model):
        wishes.append(("--embedding",))
    return wishes


def takes_whole_inputs(model: Model) -> bool:
    """Whether a model embeds and does nothing else: an input goes into one batch, or is refused."""
    talks = model.traits & {Trait.CHAT, Trait.COMPLETION}
    return Trait.RERANK in model.traits or (Trait.EMBEDDING in model.traits and not talks)


def _batches(size: int) -> list[Wish]:
    return [("--batch-size", str(size)), ("--ubatch-size", str(size))] if size else []


def _together(model: Model) -> str:
    """All adapters as one value: of a flag that is repeated, the last counts."""
    paths = list(map(str, model.adapters))
    if any("," in path for path in paths):
        raise ArgumentRefused(
            f"an adapter of {model.id} has a comma in its path: engines take that for two files",
            hint="move the store, or the adapter, to a folder without one",
        )
    return ",".join(paths)


def _wanted(wish: Wish, given: Sequence[Given], table: FlagTable) -> bool:
    flag = table.find(wish[0])
    if flag is None or flag.successor or flag.arity != len(wish) - 1:
        return False
    return not any(theirs.flag is flag for theirs in given) and not (
        _replaced(wish, given) & {*flag.names}
    )


def _replaced(wish: Wish, given: Sequence[Given]) -> set[str]:
    """Flags of ours that other flags leave no sense to."""
    names = {ours for theirs, many in REPLACES.items() if _has(given, theirs) for ours in many}
    modes = [theirs.words[-1] for theirs in given if "--split-mode" in theirs.flag.names]
    if modes[-1:] == ["none"] and _has(given, "--main-gpu") and wish[-1] != "none":
        names.add("--device")  # the number is of a device among all
    return names


def _has(given: Sequence[Given], name: str) -> bool:
    return any(name in theirs.flag.names for theirs in given)


def _refuse_reserved(given: Sequence[Given], table: FlagTable) -> None:
    reserved = [flag for name in RESERVED if (flag := table.find(name))]
    for theirs in given:
        if theirs.flag in reserved:
            raise ArgumentRefused(
                f"{theirs.words[0]} is not for the owner to set: Paddock gives it to the engine",
                hint="remove it; for a server that is all your own use the model's cmd",
            )


def slots_in(given: Sequence[Given], table: FlagTable) -> int:
    """The slots that flags ask for; 0 when they do not."""
    flag = table.find("--parallel")
    asked = [theirs.words[1] for theirs in given if theirs.flag is flag]
    with suppress(ValueError, IndexError):
        number = int(asked[-1])
        return number if number > 0 else AUTOMATIC_SLOTS
    return 0
